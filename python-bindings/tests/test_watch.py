"""Holds that are told while they last: gilprof.watch()."""

import ctypes
import logging
import os
import re
import signal
import threading
import time

import pytest

import gilprof

libc = ctypes.PyDLL(None, use_errno=True)
ROOM = 65_536


def hold_until_told(told):
    """Keeps the GIL until there is something to read. Gives back what there was."""
    text = ctypes.create_string_buffer(ROOM)
    length = libc.read(told, text, ROOM)
    assert length > 0, f"nothing was told: errno {ctypes.get_errno()}"
    return text.raw[:length].decode()


LINE = hold_until_told.__code__.co_firstlineno + 3


def usleep_holding(microseconds):
    libc.usleep(microseconds)


@pytest.fixture(autouse=True)
def patience():
    """A read for which nobody writes ends with an error."""
    previous = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    yield reader, os.fdopen(writer, "w")
    os.close(reader)


def test_a_hold_is_told_while_it_lasts(ticker, pipe):
    told, log = pipe
    # The hold ends when it was told: else it would last for ever.
    with gilprof.watch(hold="50ms", log=log):
        entry = hold_until_told(told)
    first, *places = entry.splitlines()
    when = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    what = r"thread 'MainThread' has held the GIL for \S+ ms, and 1 thread waits for it"
    assert re.fullmatch(rf"{when} gilprof\[{os.getpid()}\]: {what}", first), entry
    assert f"  at {__file__}:{LINE} in hold_until_told" in places, entry
    assert re.match(r"  in (__libc_|__GI_|_*)read(64)?\b.* \(libc\b.*\)", places[0]), entry


def test_its_end_is_told_with_its_exact_length(ticker, pipe):
    told, log = pipe
    stalls = []
    over = threading.Event()

    def callback(stall):
        stalls.append(stall)
        if stall.is_over:
            over.set()

    with gilprof.profile() as p, gilprof.watch(hold="50ms", log=log, callback=callback):
        hold_until_told(told)
        assert over.wait(60)
        end = os.read(told, ROOM).decode()
    first, last = stalls
    assert not first.is_over and last.is_over
    assert first.thread == last.thread == "MainThread" and first.waiters >= 1
    assert first.native_id == threading.get_native_id()
    assert 50e6 <= first.held_ns <= last.held_ns
    assert last.held_ns in [hold.duration_ns for hold in p.holds]
    assert [frame.line for frame in first.stack][0] == LINE
    assert first.stack[0].function == "hold_until_told" and first.native
    assert "let go of the GIL after" in str(last) and str(last) in end
    assert repr(last).startswith("<Stall \"MainThread\" held=") and repr(last).endswith(" over>")


def test_a_hold_that_nobody_waits_for_is_not_told(tmp_path):
    path = tmp_path / "stalls.log"
    with gilprof.watch(hold="10ms", log=path):
        usleep_holding(100_000)
    assert path.read_text() == ""


def test_a_shorter_hold_is_not_told(ticker):
    stalls = []
    with gilprof.watch(hold="10s", callback=stalls.append):
        for _ in range(5):
            usleep_holding(30_000)
            time.sleep(0.002)
    assert stalls == []


def test_each_of_several_is_told(ticker, pipe):
    told, log = pipe
    other, other_log = os.pipe()
    with os.fdopen(other_log, "w") as second:
        with gilprof.watch(hold="20ms", log=log), gilprof.watch(hold="40ms", log=second):
            hold_until_told(other)
            assert "has held the GIL" in os.read(told, ROOM).decode()
    os.close(other)


def test_the_log_may_be_a_path_and_is_written_to_at_its_end(ticker, tmp_path):
    path = tmp_path / "stalls.log"
    path.write_text("before\n")
    over = threading.Event()
    with gilprof.watch(hold="20ms", log=path, callback=lambda stall: stall.is_over and over.set()):
        usleep_holding(200_000)
        assert over.wait(60)
    lines = path.read_text().splitlines()
    assert lines[0] == "before" and "has held the GIL" in lines[1]


def test_standard_error_is_where_it_goes_by_default(python):
    done = python("""
import ctypes, threading, time
import gilprof

gilprof.watch(hold="20ms")
over = threading.Event()

def tick():
    while not over.is_set():
        time.sleep(0.001)

thread = threading.Thread(target=tick)
thread.start()
ctypes.PyDLL(None).usleep(200_000)
over.set()
thread.join()
""")
    assert "thread 'MainThread' has held the GIL for" in done.stderr
    assert done.stdout == ""


def test_a_callback_that_fails_is_logged_and_called_again(ticker, caplog):
    calls = threading.Semaphore(0)

    def callback(stall):
        calls.release()
        raise KeyError("why")

    with caplog.at_level(logging.ERROR), gilprof.watch(hold="20ms", callback=callback):
        usleep_holding(100_000)
        assert calls.acquire(timeout=60) and calls.acquire(timeout=60)
    assert "the callback for stalls failed" in caplog.text and "KeyError: 'why'" in caplog.text


def test_a_callback_may_close_it(ticker):
    closed = threading.Event()

    def callback(stall):
        one.close()
        closed.set()

    one = gilprof.watch(hold="20ms", callback=callback)
    usleep_holding(100_000)
    assert closed.wait(60)
    assert repr(one) == "<watch closed>" and not gilprof.is_running()


def test_closing_leaves_nothing_behind():
    threads = set(os.listdir("/proc/self/task"))
    files = set(os.listdir("/proc/self/fd"))
    one = gilprof.watch(hold="1s", callback=print)
    assert gilprof.is_running() and repr(one) == "<watch open>"
    one.close()
    one.close()
    assert not gilprof.is_running()
    assert set(os.listdir("/proc/self/task")) <= threads
    assert len(os.listdir("/proc/self/fd")) <= len(files)


def test_the_child_of_a_fork_is_watched_too(pipe):
    told, log = pipe
    with gilprof.watch(hold="20ms", log=log):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                tick = threading.Thread(target=lambda: [time.sleep(0.001) for _ in range(10**6)])
                tick.daemon = True
                tick.start()
                status = 0 if f"gilprof[{os.getpid()}]" in hold_until_told(told) else 2
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0


def test_a_program_may_end_with_a_watch_open(python):
    done = python("""
import threading
import gilprof

gilprof.watch(hold="50ms", callback=print)
gilprof.watch(hold="50ms", log="/dev/null")
threading.Thread(target=sum, args=(range(1000),)).start()
print("done")
""")
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_wrong_use_is_told(tmp_path):
    with pytest.raises(gilprof.OptionError, match="watch hold: '100' is not allowed"):
        gilprof.watch(hold="100")
    with pytest.raises(gilprof.OptionError, match="hold=1µs is not allowed: 1ms to 1 hour"):
        gilprof.watch(hold="1us")
    with pytest.raises(gilprof.OptionError, match="callback: 3 is not allowed: a function"):
        gilprof.watch(callback=3)
    with pytest.raises(FileNotFoundError):
        gilprof.watch(log=tmp_path / "missing" / "stalls.log")
    with pytest.raises(gilprof.OptionError, match="threads"):
        gilprof.watch(threads=0)
    closed = open(tmp_path / "closed", "w")
    closed.close()
    with pytest.raises(ValueError):
        gilprof.watch(log=closed)
    assert not gilprof.is_running()
