"""The C functions of holds, and what blocked threads block on."""

import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
import time

import pytest
import test_culprits as culprits

import gilprof

# What is asserted is about time on CPUs.
pytestmark = pytest.mark.whole_cpus


def nested(depth):
    """Lists in lists: to let go of the outermost is to let go of all."""
    return [nested(depth - 1) for _ in range(10)] if depth else []


def deallocate():
    tree = nested(5)
    del tree


# What the line is in, all of the time.
FUNCTIONS = [
    (culprits.concatenate, {"list_concat", "list_dealloc"}),
    (culprits.search, {"list_contains"}),
    (culprits.sort, {"builtin_sorted", "list_dealloc"}),
    (culprits.dump, {"encoder_call", "encoder_listencode_obj", "encoder_listencode_dict"}),
    (culprits.match, {"sre_ucs1_match"}),
    (culprits.usleep, {"usleep"}),
]


def has_symbols():
    """Whether the interpreter has its symbol table still: the shared ones have."""
    inside = ctypes.cast(ctypes.pythonapi.PyEval_SaveThread, ctypes.c_void_p).value
    with open("/proc/self/maps") as maps:
        for line in maps:
            begin, end = (int(edge, 16) for edge in line.split()[0].split("-"))
            if begin <= inside < end:
                return "libpython" in line
    return False


def blamed(profile):
    return [site for site in profile.sites("blame") if site.thread.name == "culprit"]


@pytest.fixture
def allowed():
    with gilprof.profile() as p:
        pass
    # It is found out by the first look at the stacks.
    if p.result.native_missing:
        pytest.skip(p.result.native_missing)


@pytest.mark.parametrize(
    "culprit, functions", FUNCTIONS, ids=[culprit.__name__ for culprit, _ in FUNCTIONS]
)
def test_a_hold_is_in_its_c_function(culprit, functions, allowed):
    if not has_symbols() and culprit is not culprits.usleep:
        pytest.skip("this interpreter has no symbols")
    # Long enough that each of its lines is looked at in C, which is seldom.
    sites = blamed(culprits.profile_of(culprit, 3))
    known = [site for site in sites if site.native]
    whole = sum(site.weight_ns for site in known)
    named = {frame.function for site in known for frame in site.native}
    within = [site for site in known if functions & {frame.function for frame in site.native}]
    assert sum(site.weight_ns for site in within) >= 0.95 * whole, named
    # Most of what these lines do is in C.
    assert whole >= 0.5 * sum(site.weight_ns for site in sites)
    assert all(frame.native and frame.line == 0 for site in known for frame in site.native)


def test_a_big_deallocation_is_on_its_line_in_its_c_function(allowed):
    if not has_symbols():
        pytest.skip("this interpreter has no symbols")
    sites = blamed(culprits.profile_of(deallocate, 3.0))
    line = deallocate.__code__.co_firstlineno + 2
    freeing = [
        site
        for site in sites
        if any(f.function == "deallocate" and f.line == line for f in site.stack[:1])
    ]
    assert freeing
    known = [site for site in freeing if site.native]
    within = [s for s in known if "list_dealloc" in {frame.function for frame in s.native}]
    whole = sum(site.weight_ns for site in known)
    assert sum(site.weight_ns for site in within) >= 0.95 * whole > 0


def test_without_symbols_no_function_has_the_name_of_another(allowed):
    if has_symbols():
        pytest.skip("this interpreter has its symbols")
    known = [site for site in blamed(culprits.profile_of(culprits.search, 1.0)) if site.native]
    # Those that this line is in are exported by no interpreter: a nameless one may as
    # well be the loop, so it is not known.
    innermost = {site.native[0].function for site in known}
    assert innermost <= {"PyObject_RichCompare", "PyObject_RichCompareBool"}


def test_c_functions_are_rows_of_a_query(allowed):
    profile = culprits.profile_of(culprits.usleep, 1.0)
    row = profile.query().threads("culprit").by("native").rows()[0]
    assert row.key.startswith("clock_nanosleep (") or row.key.startswith("usleep (")


# Runs what follows with one system call refused.
REFUSE = """
import ctypes, struct, sys
sys.path.insert(0, {tests!r})
code = [(0x20, 0, 0, 0), (0x15, 0, 1, {call}), (6, 0, 0, 0x50001), (6, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 4, ctypes.addressof(code)))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program) == 0
import json
import gilprof
import test_culprits as culprits
profile = culprits.profile_of(culprits.{culprit}, 1.0)
sites = [site for site in profile.sites() if site.thread.name == "culprit"]
print(json.dumps(dict(
    missing=profile.native_missing,
    lines=[frame.function for site in sites for frame in site.stack[:1]],
    native=[frame.function for site in sites for frame in site.native],
)))
"""
PERF_EVENT_OPEN = 298  # on x86-64


@pytest.mark.parametrize("culprit, native", [("search", False), ("usleep", True)])
def test_where_samples_are_refused_all_else_works(culprit, native):
    program = REFUSE.format(tests=os.path.dirname(__file__), call=PERF_EVENT_OPEN, culprit=culprit)
    said = json.loads(subprocess.check_output([sys.executable, "-c", program]))
    assert said["missing"].startswith("n/a (perf_event_open: ")
    assert culprit in said["lines"]
    # Of a holder that is blocked, /proc tells where.
    assert ("usleep" in said["native"]) == native


def recorded(block, release):
    """The profile of a thread that is in `block` until `release`."""
    thread = threading.Thread(target=block, name="blocked")
    with gilprof.profile() as p:
        thread.start()
        time.sleep(1)
        release()
        thread.join()
    rows = [row for row in p.result.blocked if row.thread.name == "blocked"]
    assert p.result.blocked_missing is None
    return p.result, rows


def mostly(profile, rows):
    """The row that nearly all of the thread's time away is in."""
    (thread,) = [thread for thread in profile.threads if thread.name == "blocked"]
    assert rows[0].state == "detached"
    assert 0.8 * thread.detached_ns < rows[0].weight_ns < 1.1 * thread.detached_ns, rows
    return rows[0]


def test_a_thread_that_queues_for_a_lock_is_blocked_on_it():
    lock = threading.Lock()
    lock.acquire()
    row = mostly(*recorded(lock.acquire, lock.release))
    assert (row.call, row.on) == ("futex", "lock")
    functions = [frame.function for frame in row.native]
    assert "PyThread_acquire_lock_timed" in functions or not has_symbols()


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="each waits on a semaphore of its own")
def test_threads_that_queue_for_one_lock_share_its_address():
    lock = threading.Lock()
    lock.acquire()

    def queue():
        with lock:
            pass

    threads = [threading.Thread(target=queue, name=f"queue-{n}") for n in range(3)]
    with gilprof.profile() as p:
        for thread in threads:
            thread.start()
        time.sleep(1)
        profile = p.snapshot()
        lock.release()
        for thread in threads:
            thread.join()
    rows = [row for row in profile.blocked if row.thread.name.startswith("queue-")]
    assert {row.on for row in rows} == {"lock"}
    assert len({row.lock for row in rows}) == 1
    assert len({row.thread.name for row in rows}) == 3


def test_a_thread_that_waits_for_a_peer_is_blocked_on_a_socket():
    here, there = socket.socketpair()
    with here, there:
        row = mostly(*recorded(lambda: here.recv(1), lambda: there.send(b"x")))
    assert (row.call, row.on, row.lock) == ("recvfrom", "socket", None)


def test_a_thread_that_waits_with_a_limit_is_blocked_on_the_same_socket():
    here, there = socket.socketpair()
    here.settimeout(60)
    with here, there:
        row = mostly(*recorded(lambda: here.recv(1), lambda: there.send(b"x")))
    assert (row.call, row.on) == ("poll", "socket")


def test_a_thread_that_sleeps_is_blocked_on_nothing_else():
    row = mostly(*recorded(lambda: time.sleep(1.2), lambda: None))
    assert row.on == "sleep"
    assert row.call in ("clock_nanosleep", "select", "pselect6")


def test_who_holds_the_gil_while_it_is_blocked_is_told():
    profile = culprits.profile_of(culprits.usleep, 1.5)
    rows = [row for row in profile.blocked if row.thread.name == "culprit"]
    holding = [row for row in rows if row.state == "holding"]
    assert {(row.call, row.on) for row in holding} == {("clock_nanosleep", "sleep")}
    assert "usleep" in {frame.function for row in holding for frame in row.native}


def test_waiting_for_the_gil_is_no_blocking():
    def spin():
        end = time.perf_counter() + 1
        while time.perf_counter() < end:
            pass

    threads = [threading.Thread(target=spin, name=f"spin-{n}") for n in range(3)]
    with gilprof.profile() as p:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    rows = [row for row in p.result.blocked if row.thread.name.startswith("spin-")]
    spins = [thread for thread in p.result.threads if thread.name.startswith("spin-")]
    waiting_ns = sum(thread.waiting_ns for thread in spins)
    assert sum(row.weight_ns for row in rows) < 0.05 * waiting_ns


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_no_file_of_ours_is_left_or_inherited():
    def ours():
        found = []
        for fd in os.listdir("/proc/self/fd"):
            try:
                link = os.readlink(f"/proc/self/fd/{fd}")
            except FileNotFoundError:
                continue
            if "perf_event" in link:
                found.append(int(fd))
        return found

    culprits.profile_of(culprits.search, 0.5)
    assert ours() == []
    over = threading.Event()

    def repeat():
        while not over.is_set():
            culprits.search()

    threads = [threading.Thread(target=repeat) for _ in range(2)]
    with gilprof.profile():
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        assert not any(os.get_inheritable(fd) for fd in ours())
        child = os.fork()
        if child == 0:
            os._exit(len(ours()))
        _, status = os.waitpid(child, 0)
        over.set()
        for thread in threads:
            thread.join()
    assert status == 0
    assert ours() == []
