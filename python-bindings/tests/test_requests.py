"""Requests of web services: gilprof.wsgi and gilprof.asgi."""

import asyncio
import collections
import ctypes
import functools
import gc
import io
import json
import logging
import re
import sys
import threading
import time
import types
import weakref

import pytest

import gilprof
import gilprof.asgi
import gilprof.wsgi

usleep_holding = ctypes.PyDLL(None).usleep


@pytest.fixture(autouse=True)
def recording():
    """Middlewares record for good; the last session ends with this one's process only, so
    that they share it."""
    yield
    for one in MADE:
        one._requests._window.end()
    MADE.clear()


MADE = []


def wsgi(application, **options):
    MADE.append(gilprof.wsgi.Middleware(application, **options))
    return MADE[-1]


def asgi(application, **options):
    MADE.append(gilprof.asgi.Middleware(application, **options))
    return MADE[-1]


class Answer:
    """What a server would get of a WSGI application."""

    def __init__(self, application, path="/", **environ):
        self.head = []

        def start_response(status, headers, *error):
            if error and self.head:
                raise error[0][1].with_traceback(error[0][2])
            self.head = [status, headers]
            return lambda data: self.written.append(data)

        self.written = []
        parts = application({"REQUEST_METHOD": "GET", "PATH_INFO": path, **environ}, start_response)
        try:
            self.parts = list(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()
        self.kind = type(parts)
        self.status, self.headers = self.head
        self.timing = dict(self.headers).get("Server-Timing")


def milliseconds(timing):
    found = re.fullmatch(r'gil;dur=([\d.]+);desc="GIL wait", gilhold;dur=([\d.]+)', timing)
    return tuple(map(float, found.groups()))


def hold(milliseconds):
    usleep_holding(1_000 * milliseconds)


def listing(environ, start_response):
    hold(20)
    start_response("200 OK", [("X-Own", "1")])
    return [b"one", b"two"]


def test_a_whole_answer_stays_what_it_is_and_says_how_long_it_held():
    seen = []
    answer = Answer(wsgi(listing, callback=seen.append), "/list")
    assert (answer.status, answer.parts, answer.kind) == ("200 OK", [b"one", b"two"], list)
    assert answer.headers[0] == ("X-Own", "1")
    waited, held = milliseconds(answer.timing)
    assert held >= 20
    (request,) = seen
    assert (request.method, request.path, request.status) == ("GET", "/list", 200)
    assert request.holding_ns == pytest.approx(held * 1e6, abs=1_000)
    assert request.wall_ns >= request.holding_ns and request.waiting_ns == pytest.approx(waited * 1e6, abs=1_000)


def test_an_answer_in_parts_is_measured_to_its_end():
    closed = []

    def parts(environ, start_response):
        hold(10)
        start_response("200 OK", [])
        try:
            yield b"one"
            hold(20)
            yield b"two"
        finally:
            closed.append(True)

    seen = []
    answer = Answer(wsgi(parts, callback=seen.append))
    assert answer.parts == [b"one", b"two"] and closed == [True]
    held = milliseconds(answer.timing)[1]
    assert 10 <= held < 20
    assert seen[0].holding_ns >= 30e6


def test_an_answer_that_is_written_and_an_empty_one_have_the_header():
    def written(environ, start_response):
        start_response("201 Created", [])(b"early")
        return []

    answer = Answer(wsgi(written))
    assert answer.written == [b"early"] and answer.timing

    def empty(environ, start_response):
        start_response("204 No Content", [])
        yield from ()

    assert Answer(wsgi(empty)).timing


def test_a_file_is_left_to_the_server():
    class Wrapper:
        def __init__(self, parts):
            self._parts = iter(parts)

        def __iter__(self):
            return self._parts

    def file(environ, start_response):
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"]([b"all"])

    answer = Answer(wsgi(file), **{"wsgi.file_wrapper": Wrapper})
    assert answer.kind is Wrapper and answer.parts == [b"all"] and answer.timing


def test_what_no_server_would_say_passes():
    def application(environ, start_response):
        start_response("teapot", [("A", "B")])
        return [environ["PATH_INFO"].encode()]

    told = []
    odd = Answer(wsgi(application, callback=told.append))
    assert (odd.head[0], odd.parts, told[0].status) == ("teapot", [b"/"], None)
    environ = collections.ChainMap({"PATH_INFO": "/chain"})
    heads = []
    parts = wsgi(application)(environ, lambda *head: heads.append(head))
    assert (parts, heads) == ([b"/chain"], [("teapot", [("A", "B")])])


def test_an_application_that_keeps_what_it_is_called_with_leaks_nothing():
    class Kept(dict):
        pass

    def application(environ, start_response):
        environ["start_response"] = start_response
        start_response("200 OK", [])
        return [b""]

    kept = Kept(REQUEST_METHOD="GET", PATH_INFO="/")
    wsgi(application)(kept, functools.partial(print, kept, file=io.StringIO()))
    is_alive = weakref.ref(kept)
    del kept
    gc.collect()
    assert is_alive() is None


def test_an_application_that_fails_fails_as_before_and_is_told():
    def failing(environ, start_response):
        raise KeyError("why")

    def late(environ, start_response):
        start_response("200 OK", [])
        yield b"one"
        try:
            raise KeyError("why")
        except KeyError:
            start_response("500 Error", [], sys.exc_info())

    seen = []
    for application in (failing, late):
        with pytest.raises(KeyError, match="why"):
            Answer(wsgi(application, callback=seen.append))
    assert [request.status for request in seen] == [None, 500]


def test_a_callback_that_raises_breaks_no_request(caplog):
    def callback(request):
        raise RuntimeError("mine")

    assert Answer(wsgi(listing, callback=callback)).status == "200 OK"
    assert "the callback for requests failed" in caplog.text and "mine" in caplog.text


def test_of_two_middlewares_the_outer_one_measures(caplog):
    seen = []
    both = wsgi(wsgi(listing, callback=seen.append), callback=seen.append)
    answers = [Answer(both), Answer(both)]
    assert len(seen) == 2
    assert all([name for name, _ in one.headers].count("Server-Timing") == 1 for one in answers)
    assert caplog.text.count("two middlewares") == 1


def test_a_part_of_the_requests_is_measured():
    seen = []
    application = wsgi(lambda *_: [b""], rate="20%", callback=seen.append, header=False)
    for _ in range(1_000):
        list(application({}, lambda *_: None))
    assert 100 < len(seen) < 300


@pytest.mark.parametrize(
    "wrong", [{"rate": 2}, {"slow": "20"}, {"callback": 3}]
)
def test_a_wrong_option_names_itself(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(gilprof.OptionError, match=f"{name}: .*{value}"):
        gilprof.wsgi.Middleware(listing, **wrong)


class Hog:
    """A thread that keeps the GIL for 30 ms at a time."""

    def __enter__(self):
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hog")
        self._thread.start()

    def _run(self):
        while not self._over.is_set():
            hold(30)
            time.sleep(0.001)

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


def test_a_request_that_waits_is_logged_with_the_line_that_made_it_wait(caplog):
    def sleeping(environ, start_response):
        for _ in range(5):
            time.sleep(0.001)
        start_response("200 OK", [])
        return [b""]

    application = wsgi(sleeping, slow="20ms")
    with Hog(), caplog.at_level(logging.WARNING, "gilprof.requests"):
        assert milliseconds(Answer(application, "/slow").timing)[0] >= 20
        assert milliseconds(Answer(application, "/slow").timing)[0] >= 20
    told = [record.gilprof for record in caplog.records]
    assert [one["path"] for one in told] == ["/slow", "/slow"]
    assert re.search(r"test_requests.py:\d+ in hold", told[0]["blame"])
    # It is looked up once a second.
    assert told[1]["blame"] is None
    assert json.loads(caplog.messages[0].partition(": ")[2]) == told[0]


def run_asgi(application, paths):
    """The messages of requests that share an event loop."""

    async def one(path):
        sent = []

        async def send(message):
            sent.append(message)

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        await application({"type": "http", "method": "GET", "path": path}, receive, send)
        return sent

    async def together():
        return await asyncio.gather(*[one(path) for path in paths])

    return asyncio.run(together())


async def answer(send, status=200):
    await send({"type": "http.response.start", "status": status, "headers": [(b"x-own", b"1")]})
    await send({"type": "http.response.body", "body": b"done"})


def test_requests_on_one_event_loop_are_not_mixed_up():
    async def application(scope, receive, send):
        await receive()
        for _ in range(5):
            hold(10 if scope["path"] == "/heavy" else 1)
            await asyncio.sleep(0.001)
        await answer(send)

    seen = {}
    wrapped = asgi(application, callback=lambda one: seen.update({one.path: one}))
    heavy, light = run_asgi(wrapped, ["/heavy", "/light"])
    assert heavy[1] == {"type": "http.response.body", "body": b"done"}
    headers = dict(light[0]["headers"])
    assert headers[b"x-own"] == b"1"
    assert 5 <= milliseconds(headers[b"server-timing"].decode())[1] < 25
    assert 50e6 <= seen["/heavy"].holding_ns < 100e6
    assert 5e6 <= seen["/light"].holding_ns < 25e6
    # It was away while the other one ran.
    assert seen["/light"].wall_ns > 30e6


def test_an_asgi_application_that_fails_or_is_cancelled_does_so_as_before():
    async def failing(scope, receive, send):
        await asyncio.sleep(0)
        raise KeyError("why")

    with pytest.raises(KeyError, match="why"):
        run_asgi(asgi(failing), ["/"])
    cleaned = []

    async def endless(scope, receive, send):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cleaned.append(True)
            raise

    async def cancelled():
        task = asyncio.ensure_future(asgi(endless)({"type": "http", "method": "GET", "path": "/"}, None, None))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert cleaned == [True]


def test_an_answer_from_another_task_is_an_answer():
    async def application(scope, receive, send):
        await asyncio.ensure_future(answer(send, 202))

    ((start, _),) = run_asgi(asgi(application), ["/"])
    assert start["status"] == 202 and milliseconds(dict(start["headers"])[b"server-timing"].decode())


def test_other_scopes_pass():
    scopes = []

    async def application(scope, receive, send):
        scopes.append(scope)

    asyncio.run(asgi(application)({"type": "lifespan"}, None, None))
    assert scopes == [{"type": "lifespan"}]


def test_each_process_of_a_server_that_forks_measures_its_own(python):
    done = python("""
import os
import gilprof.wsgi

def application(environ, start_response):
    sum(range(1_000_000))
    start_response("200 OK", [])
    return [b""]

seen = []
wrapped = gilprof.wsgi.Middleware(application, callback=seen.append)
list(wrapped({}, lambda *_: None))
child = os.fork()
list(wrapped({}, lambda *_: None))
assert len(seen) == 2 and all(one.holding_ns > 1_000_000 for one in seen), seen
if child:
    assert os.waitpid(child, 0)[1] == 0
    print("done")
""")
    assert done.stdout == "done\n"


def test_requests_in_greenlets_pass_unmeasured_and_that_is_said_once(monkeypatch, caplog):
    """Of two that take turns in one thread, neither would have numbers of its own."""
    child = types.SimpleNamespace(parent=object())
    fake = types.SimpleNamespace(getcurrent=lambda: child)
    monkeypatch.setitem(sys.modules, "greenlet", fake)
    seen = []
    application = wsgi(listing, callback=seen.append)
    for _ in range(2):
        answer = Answer(application)
        assert answer.parts == [b"one", b"two"] and answer.timing is None
    assert seen == [] and caplog.text.count("requests in greenlets") == 1
    # Others of the same process are measured.
    child.parent = None
    assert Answer(application).timing and len(seen) == 1


@pytest.mark.parametrize("is_patched", [True, False])
def test_the_first_greenlet_counts_as_one_only_where_gevent_has_patched(monkeypatch, is_patched):
    first = types.SimpleNamespace(parent=None)
    greenlet = types.SimpleNamespace(getcurrent=lambda: first)
    monkey = types.SimpleNamespace(is_module_patched={"threading": is_patched}.get)
    monkeypatch.setitem(sys.modules, "greenlet", greenlet)
    monkeypatch.setitem(sys.modules, "gevent.monkey", monkey)
    assert (Answer(wsgi(listing)).timing is None) == is_patched


def test_a_module_that_is_being_imported_breaks_no_request(monkeypatch):
    for name in ("greenlet", "gevent.monkey"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    assert Answer(wsgi(listing)).timing


GEVENT = """
{patch}
import gevent
import gilprof.wsgi

def application(environ, start_response):
    gevent.sleep(0.01)
    start_response("200 OK", [])
    return [b""]

heads = []
wrapped = gilprof.wsgi.Middleware(application)
ask = lambda: list(wrapped({{}}, lambda status, headers: heads.append(headers)))
gevent.joinall([gevent.spawn(ask) for _ in range(3)])
print(heads)
"""


@pytest.mark.parametrize("patch", ["", "from gevent import monkey; monkey.patch_all()"])
def test_requests_that_gevent_runs_in_turns_have_no_numbers(python, patch):
    pytest.importorskip("gevent")
    done = python(GEVENT.format(patch=patch))
    assert done.stdout == "[[], [], []]\n"
    assert done.stderr.count("requests in greenlets") == 1
