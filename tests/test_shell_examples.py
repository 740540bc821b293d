"""The shell's examples in the documentation, run as they stand.

Of each page, the Python blocks that begin with the name of a file (`# app.py`) are there as
files. A block that starts a server is asked, and then ended as with Ctrl-C; the process id
4242 is that of a program that runs, and port 8000 is a free one.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

import gilprof
from pages import PAGES, ROOT, blocks

SCENARIOS = ROOT / "tests" / "scenarios"
sys.path.append(str(SCENARIOS))

from recording import free_port  # noqa: E402

PORT, PID = "8000", "4242"
#: What a program says that is ready but listens nowhere.
READY = {"celery": " ready."}
PATIENCE = 60
REQUESTS = 20

PROGRAM = """
import threading, time
def work():
    end = time.monotonic() + 100
    while time.monotonic() < end:
        sum(range(1000))
threading.Thread(target=work, daemon=True).start()
print("ready", flush=True)
work()
"""


def shell_blocks():
    # What the README has for the shell builds the project.
    return [pytest.param(block, id=block.name) for block in blocks("sh", PAGES[1:])]


@pytest.fixture
def folder(request, tmp_path):
    """What the page has as files, and what its reader has: examples and a project of Django's."""
    page = request.getfixturevalue("block").page
    for block in blocks("python", [page]):
        if block.file:
            (tmp_path / block.file).write_text(block.text)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    for name in ("manage.py", "recorded.py"):
        shutil.copy(SCENARIOS / "programs" / name, tmp_path)
    shutil.copytree(SCENARIOS / "programs" / "mysite", tmp_path / "mysite")
    return tmp_path


@pytest.fixture
def start(folder):
    """Starts a command in a process group of its own; what is left of it at the end is killed."""
    started = []
    names = os.environ.items()
    environment = {name: value for name, value in names if "GILPROF" not in name}
    environment["PATH"] = f"{os.path.dirname(sys.executable)}:{environment['PATH']}"

    def begin(command, out):
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def wait_for(what, process, log):
    end = time.monotonic() + PATIENCE
    while not what():
        assert process.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.05)


def ask(port):
    """Whether anybody answers there, whatever it is."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE).read()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@pytest.mark.parametrize("block", shell_blocks())
def test_a_shell_block_of_the_documentation_runs(block, folder, start):
    if block.missing_programs:
        pytest.skip(f"{', '.join(block.missing_programs)} is not installed")
    text, port, log = block.text, free_port(), folder / "log"
    if PID in text:
        with open(folder / "program", "wb") as out:
            program = start([sys.executable, "-c", PROGRAM], out)
        wait_for(lambda: "ready" in (folder / "program").read_text(), program, folder / "program")
        text = text.replace(PID, str(program.pid))
    with open(log, "wb") as out:
        process = start(["sh", "-e", "-c", text.replace(PORT, str(port))], out)
    words = [word for name, word in READY.items() if name in text]
    if PORT in text or words:
        if words:
            wait_for(lambda: words[0] in log.read_text(), process, log)
        else:
            wait_for(lambda: ask(port), process, log)
            assert all(ask(port) for _ in range(REQUESTS)), log.read_text()
        os.killpg(process.pid, signal.SIGINT)
        process.wait(PATIENCE)
    else:
        assert process.wait(PATIENCE) == 0, log.read_text()
    told, saved = log.read_text(), re.search(r"-o (\S+\.json)", text)
    if saved:
        assert f"gilprof report {saved.group(1)}" in told, told
        assert gilprof.load(folder / saved.group(1)).imbalances() == []
    elif "gilprof run" in text:
        # The report's last section.
        assert "How this was measured" in told, told


def test_every_page_for_the_start_has_examples_for_the_shell():
    pages = {block.page.stem for block in blocks("sh", PAGES[1:])}
    assert {"first-answer", "servers", "test-suites"} <= pages <= {page.stem for page in PAGES}
