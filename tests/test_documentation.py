import os
import re

import pytest

from pages import PAGES, ROOT, blocks

#: Asks whatever application a block has, as a server would, and prints the headers.
ASK = """
import asyncio, block, inspect

application = getattr(block, "application", None) or block.app
head, received = [], []

async def send(message):
    head.extend((key.decode(), value.decode()) for key, value in message.get("headers", ()))

async def receive():
    if received:
        # The client stays, and says nothing more.
        await asyncio.Event().wait()
    received.append({"type": "http.request", "body": b"", "more_body": False})
    return received[0]

if inspect.iscoroutinefunction(type(application).__call__):
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET"}
    scope.update(scheme="http", path="/", raw_path=b"/", query_string=b"", root_path="", headers=[])
    scope.update(client=("127.0.0.1", 1), server=("127.0.0.1", 80))
    asyncio.run(application(scope, receive, send))
else:
    from wsgiref.util import setup_testing_defaults

    environ = {}
    setup_testing_defaults(environ)
    parts = application(environ, lambda status, headers, *error: head.extend(headers))
    list(parts)
    getattr(parts, "close", lambda: None)()
print(dict((key.lower(), value) for key, value in head).get("server-timing"))
"""


def params(found):
    return [pytest.param(block, id=block.name) for block in found]


def python_blocks():
    return params(blocks("python"))


def skip_if_missing(block):
    if block.missing:
        pytest.skip(f"{', '.join(block.missing)} is not installed")


def test_the_readme_has_python_examples():
    assert [block.id for block in python_blocks()].count("README-1") == 1


@pytest.mark.parametrize("block", python_blocks())
def test_a_python_block_of_the_documentation_runs(block, run, tmp_path, monkeypatch):
    """Tests in it are run by pytest. For Django there is a project."""
    skip_if_missing(block)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests" / "scenarios" / "programs"))
    program = tmp_path / "test_block.py"
    program.write_text(block.text)
    has_tests = re.search(r"^def test_", block.text, re.M)
    runner = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=."] if has_tests else []
    ended = run(*runner, program)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def middlewares():
    """The blocks that have a middleware around an application."""
    return params(one for one in blocks("python") if re.search(r"gilprof\.[aw]sgi\.Middle", one.text))


def test_the_page_of_web_services_has_a_block_for_each_framework():
    text = "".join(block.values[0].text for block in middlewares())
    for name in ("flask", "django.core.wsgi", "django.core.asgi", "fastapi", "starlette"):
        assert re.search(rf"^(import|from) {name}\b", text, re.M), name


@pytest.mark.parametrize("block", middlewares())
def test_an_application_of_the_documentation_answers_with_server_timing(
    block, run, tmp_path, monkeypatch
):
    skip_if_missing(block)
    (tmp_path / "block.py").write_text(block.text)
    (tmp_path / "ask.py").write_text(ASK)
    paths = [str(tmp_path), str(ROOT / "tests" / "scenarios" / "programs")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    ended = run(tmp_path / "ask.py")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1].startswith("gil;dur="), ended.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_that_a_page_names_exist(page):
    named = re.findall(r"`((?:docs|examples|scripts|benches|crates|python-bindings|tests)/[^`*\s]*)`", page.read_text())
    missing = [name for name in named if not (ROOT / name).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_that_a_page_links_to_exist(page):
    linked = re.findall(r"\]\((?!http)([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    missing = [name for name in linked if not (page.parent / name).exists()]
    assert missing == []


def test_the_readme_names_every_page():
    text = (ROOT / "README.md").read_text()
    missing = [page.name for page in PAGES[1:] if f"docs/{page.name}" not in text]
    assert missing == []
