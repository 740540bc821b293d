import io
import json
import os
import subprocess
import sys
from pathlib import Path

SERVICES = Path(__file__).resolve().parent / "services"
sys.path.append(str(SERVICES))

from asking import serve_lines  # noqa: E402
from fleet import FLEETS, LEAST, Work  # noqa: E402
from process import Owned, descendants  # noqa: E402
from service import SERVICES as TABLE  # noqa: E402


def test_each_service_has_a_name_of_its_own():
    names = [service.name for service in TABLE]
    assert sorted(set(names)) == sorted(names)


def test_each_fleet_has_a_name_of_its_own():
    names = [fleet.name for fleet in FLEETS]
    assert sorted(set(names)) == sorted(names)


def test_a_fleet_has_worked_once_enough_of_its_living_workers_have():
    work, asked = Work(), []

    def ask():
        asked.append(1)
        return [1, 2, 3] if len(asked) > 3 else [1]

    work.killed = 3
    work.until_all_have_worked(2, ask)
    # The first has worked enough long before, the third is dead.
    assert len(asked) == LEAST + 3
    assert work.by_pid == {1: LEAST + 3, 2: LEAST, 3: LEAST}


def test_services_listen_on_this_machine_only():
    for path in SERVICES.glob("*.py"):
        assert "0.0.0.0" not in path.read_text(), path


def test_what_processes_have_is_counted_all_together():
    this = os.getpid()
    before = Owned.by([this])
    with open(os.devnull), sleeper() as child:
        assert child.pid in descendants(this)
        now = Owned.by([this])
        # What was opened, and two pipes.
        assert now.files == before.files + 3
        both = Owned.by([this, child.pid])
        assert both.files == now.files + Owned.by([child.pid]).files
        child.communicate("\n")


def sleeper():
    """A process that has started, and opens nothing any more."""
    code = "import sys; print(flush=True); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    child = subprocess.Popen([sys.executable, "-c", code], universal_newlines=True, **pipes)
    assert child.stdout.readline() == "\n"
    return child


def test_each_answer_that_is_not_the_expected_one_is_told():
    def client(number, ask, is_over):
        ask(lambda: 1, 1)
        ask(lambda: 2, 1)
        ask(lambda: 1 / 0, 1)

    said = io.StringIO()
    serve_lines(client, 1, io.StringIO("go\nstop\n"), said)
    told = json.loads(said.getvalue())
    assert told["count"] == 3
    assert told["failed"] == ["answered 2", "ZeroDivisionError('division by zero')"]
