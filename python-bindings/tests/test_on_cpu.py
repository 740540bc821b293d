"""Whether threads ran, were preempted or were blocked, against what Linux says of them."""

import ctypes
import hashlib
import os
import subprocess
import sys
import threading
import time
import zlib

import gilprof
import pytest
from balance import assert_balanced, thread
from workloads import schedstat, stolen_ns

# What is asserted is about time on CPUs.
pytestmark = pytest.mark.whole_cpus

# A /proc number of a running thread is as old as its last timer tick: with works of
# half a second, that is below a hundredth.
TOLERANCE = 0.05

HOG = "import os; os.sched_setaffinity(0, {{{}}}); print(flush=True)\nwhile True: pass"


def test_what_the_host_kept_from_the_machine_is_what_linux_counted():
    outside = stolen_ns()
    with gilprof.profile() as p:
        inside = stolen_ns()
        time.sleep(0.5)
        inside = stolen_ns() - inside
    outside = stolen_ns() - outside
    assert inside <= p.stolen_ns <= outside


def hold_and_compute(rounds=30_000_000):
    """One call of a C function that does not let go of the GIL."""
    sum(range(rounds))


def recorded(work, prepare=lambda: None):
    """The row of a thread that does it, and what Linux counted meanwhile."""
    truth = []

    def worker():
        prepare()
        before = schedstat()
        work()
        truth.extend(now - then for now, then in zip(schedstat(), before))

    with gilprof.profile() as p:
        one = threading.Thread(target=worker, name="worker")
        one.start()
        one.join()
    assert_balanced(p)
    return thread(p, "worker"), truth


def test_a_thread_that_sleeps_while_it_holds_is_blocked():
    usleep = ctypes.PyDLL(None).usleep
    row, _truth = recorded(lambda: usleep(200_000))
    assert row.hold.max_ns >= 200_000_000
    assert row.holding_blocked_ns >= 0.95 * row.hold.max_ns
    assert row.voluntary_switches >= 1


def test_a_thread_that_computes_while_it_holds_is_on_cpu_for_what_it_was_given():
    row, (on_cpu, queueing) = recorded(hold_and_compute)
    assert row.holding_cpu_ns >= 0.95 * on_cpu
    off = row.holding_preempted_ns + row.holding_blocked_ns
    assert off <= queueing + TOLERANCE * row.holding_ns
    assert row.holding_cpu_ns <= row.cpu_ns


def test_a_preempted_holder_is_preempted_for_as_long_as_it_queued():
    cpu = min(os.sched_getaffinity(0))
    command = [sys.executable, "-c", HOG.format(cpu)]
    hogs = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
    try:
        for hog in hogs:
            hog.stdout.readline()
        # Of the calling thread only.
        row, (on_cpu, queueing) = recorded(
            lambda: hold_and_compute(10_000_000), lambda: os.sched_setaffinity(0, {cpu})
        )
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
            hog.stdout.close()
    held = row.holding_cpu_ns + row.holding_preempted_ns + row.holding_blocked_ns
    truth = queueing / (on_cpu + queueing)
    assert truth > 0.2
    assert abs(row.holding_preempted_ns / held - truth) <= 0.05
    assert row.involuntary_switches >= 1


def test_a_thread_that_sleeps_away_from_the_gil_is_blocked():
    row, (on_cpu, _queueing) = recorded(lambda: time.sleep(0.2))
    assert row.detached_ns >= 200_000_000
    assert row.detached_cpu_ns <= 0.05 * row.detached_ns
    assert row.voluntary_switches >= 1


DATA = bytes(64 << 20)


@pytest.mark.parametrize(
    "compute", [lambda: hashlib.sha512(DATA), lambda: zlib.compress(DATA)], ids=["hash", "compress"]
)
def test_a_thread_that_computes_away_from_the_gil_is_on_cpu(compute):
    row, (on_cpu, queueing) = recorded(compute)
    # Some of it is the call's own: making and freeing the buffers.
    assert row.detached_cpu_ns >= 0.95 * (on_cpu - row.holding_cpu_ns)
    blocked = row.detached_ns - row.detached_cpu_ns
    assert blocked <= queueing + TOLERANCE * row.lifetime_ns


def compute_for_long():
    """Away from the GIL."""
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000)


def wait_for_cpu_time(native_id, nanoseconds):
    end = schedstat(native_id)[0] + nanoseconds
    while schedstat(native_id)[0] < end:
        time.sleep(0.001)


def test_what_a_thread_computes_away_from_the_gil_is_known_before_it_is_back():
    with gilprof.profile():
        one = threading.Thread(target=compute_for_long, name="worker")
        one.start()
        wait_for_cpu_time(one.native_id, 100_000_000)
        row = thread(gilprof.snapshot(), "worker")
        one.join()
    assert row.detached_cpu_ns >= 0.95 * 100_000_000
    assert row.cpu_ns >= row.detached_cpu_ns


def test_of_threads_that_never_touch_the_gil_linux_tells():
    lock = threading.Lock()
    lock.acquire()
    busy = threading.Thread(target=compute_for_long, name="busy")
    idle = threading.Thread(target=lock.acquire, name="idle")
    busy.start()
    idle.start()
    wait_for_cpu_time(busy.native_id, 1_000_000)
    with gilprof.profile() as p:
        wait_for_cpu_time(busy.native_id, 100_000_000)
    busy_row, idle_row = thread(p, "busy"), thread(p, "idle")
    lock.release()
    busy.join()
    idle.join()
    assert busy_row.acquisitions == idle_row.acquisitions == 0
    assert 0.95 * 100_000_000 <= busy_row.cpu_ns <= busy_row.lifetime_ns
    assert idle_row.cpu_ns <= 0.05 * idle_row.lifetime_ns
    assert (idle_row.holding_cpu_ns, idle_row.holding_blocked_ns) == (0, 0)


def test_a_window_has_no_more_on_cpu_than_it_has_time():
    with gilprof.profile():
        one = threading.Thread(target=hold_and_compute, name="worker")
        one.start()
        snapshots = []
        while one.is_alive():
            snapshots.append(gilprof.snapshot())
            time.sleep(0.002)
        one.join()
        snapshots.append(gilprof.snapshot())
    for earlier, later in zip(snapshots, snapshots[1:]):
        assert (later - earlier).imbalances() == []


def test_a_thread_that_did_too_little_to_be_read_is_not_known():
    with gilprof.profile() as p:
        pass
    row = thread(p, "MainThread")
    known = {row.cpu_ns is None, row.holding_cpu_ns is None, row.voluntary_switches is None}
    assert len(known) == 1


def test_a_program_that_is_run_has_its_cpu_time_too(tmp_path):
    path = tmp_path / "profile.json"
    line = [sys.executable, "-m", "gilprof", "run", "-o", str(path), "--format", "text", "--"]
    done = subprocess.run(
        [*line, sys.executable, "-c", "sum(range(10_000_000))"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    row = thread(gilprof.load(path), "MainThread")
    held = row.holding_cpu_ns + row.holding_preempted_ns
    assert held >= 0.95 * row.hold.max_ns
    _sentence, *report = done.stderr.splitlines()
    assert any(line.startswith("On and off CPU") for line in report)
    assert max(map(len, report)) <= 80


def test_what_the_cpus_count_is_there_or_the_reason_why_not():
    with gilprof.profile(counters="hardware") as p:
        one = threading.Thread(target=hold_and_compute, name="worker")
        one.start()
        one.join()
    row = thread(p, "worker")
    if p.counters_missing is None:
        assert row.instructions > 30_000_000 and row.cycles > 0
        assert 0 < row.counted_ns <= 1.05 * row.cpu_ns
    else:
        assert p.counters_missing.startswith("n/a (")
        assert (row.instructions, row.cycles, row.counted_ns) == (None, None, None)


def test_what_the_cpus_count_is_asked_for_or_not_mentioned():
    with gilprof.profile() as p:
        hold_and_compute(1_000_000)
    assert p.counters_missing is None
    assert all(row.instructions is None for row in p.threads)
    with pytest.raises(gilprof.OptionError, match="counters=on is not allowed: off or hardware"):
        gilprof.start(counters="on")
