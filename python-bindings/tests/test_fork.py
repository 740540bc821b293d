"""A forked child records itself and itself only; its parent goes on."""

import multiprocessing
import os
import sys
import threading

import gilprof
import pytest
import workloads
from balance import assert_balanced, thread


def in_child(work):
    """Forks; gives the profile that `work` returns in the child."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(read)
            with os.fdopen(write, "w") as answer:
                answer.write(work().to_json())
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read) as answer:
        text = answer.read()
    assert os.waitpid(pid, 0)[1] == 0
    return pid, gilprof._native.profile_from_json(text)


def spin_and_stop():
    workloads.together(("in the child", lambda: workloads.spin(0.05)))
    profile = gilprof.stop()
    assert not gilprof.is_running()
    return profile


@pytest.fixture
def busy_threads():
    """Threads that fight for the GIL while the test forks."""
    over = threading.Event()

    def fight():
        while not over.is_set():
            sum(range(100))

    threads = [threading.Thread(target=fight, name=f"fighter-{i}") for i in range(4)]
    for one in threads:
        one.start()
    yield
    over.set()
    for one in threads:
        one.join()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_records_itself_while_the_parents_threads_fight(busy_threads):
    gilprof.start()
    for _ in range(10):
        pid, child = in_child(spin_and_stop)
        assert child.pid == pid
        assert {row.name for row in child.threads} == {"MainThread", "in the child"}
        assert thread(child, "in the child").holding_ns > 0
        assert_balanced(child)
    parent = gilprof.stop()
    assert parent.pid == os.getpid()
    assert {f"fighter-{i}" for i in range(4)} < {row.name for row in parent.threads}
    assert_balanced(parent)


def test_a_child_that_does_nothing_leaves_the_parent_alone():
    with gilprof.profile() as p:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        workloads.spinning(2)
    assert p.pid == os.getpid()
    assert_balanced(p.result)
    assert thread(p, "spin-0").waiting_ns > 0


def test_a_childs_profile_begins_with_the_child():
    def stop():
        workloads.spin(0.01)
        return gilprof.stop()

    gilprof.start()
    workloads.spin(0.1)
    _pid, child = in_child(stop)
    parent = gilprof.stop()
    assert child.wall_ns < parent.wall_ns
    assert child.started_at > parent.started_at
    assert child.holding_ns <= child.wall_ns
    assert child.recording != parent.recording


def test_a_child_may_start_its_own_when_the_parent_has_stopped():
    def record():
        with gilprof.profile() as p:
            workloads.spinning(2)
        return p.result

    with gilprof.profile():
        pass
    pid, child = in_child(record)
    assert child.pid == pid
    assert_balanced(child)


def test_a_child_that_starts_its_own_has_no_thread_of_its_parent():
    def record():
        with gilprof.profile() as p:
            workloads.spinning(1)
        return p.result

    pid, child = in_child(record)
    main = [row for row in child.threads if row.name == "MainThread"]
    assert [row.native_id for row in main] == [pid]
    assert main[0].acquisitions > 0


def test_a_grandchild_records_itself():
    def fork_again():
        _pid, grandchild = in_child(spin_and_stop)
        gilprof.stop()
        return grandchild

    gilprof.start()
    _pid, grandchild = in_child(fork_again)
    gilprof.stop()
    assert {row.name for row in grandchild.threads} == {"MainThread", "in the child"}


def work_in_a_process(number):
    with gilprof.measure() as m:
        workloads.spin(0.01)
    return os.getpid(), gilprof.snapshot().pid, m.holding_ns


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_workers_of_multiprocessing_record_themselves():
    with gilprof.profile():
        with multiprocessing.get_context("fork").Pool(2) as pool:
            answers = pool.map(work_in_a_process, range(4))
    for pid, recorded_pid, holding_ns in answers:
        assert pid == recorded_pid != os.getpid()
        assert holding_ns > 0


FORKS = """
import os
import gilprof

def after_fork():
    sum(number for number in range(1000))

with gilprof.profile() as p:
    {hook}
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        # Somebody reads the events again, or this would be None.
        assert p.snapshot().dropped == 0
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python warns from 3.12 on")
@pytest.mark.parametrize(
    "hook", ["", "os.register_at_fork(after_in_parent=after_fork)"], ids=["alone", "with-others"]
)
def test_a_program_without_threads_of_its_own_forks_without_a_warning(python, hook):
    done = python(FORKS.format(hook=hook), "-W", "always")
    assert done.stderr == ""


def test_a_child_that_records_anew_knows_its_threads_anew():
    def record_anew():
        over = threading.Event()

        def work():
            while not over.wait(0.001):
                pass

        workloads.spinning(1)
        worker = threading.Thread(target=work, name="worker")
        worker.start()
        gilprof.stop()
        with gilprof.profile() as p:
            workloads.together(*[(f"new-{i}", lambda: workloads.spin(0.05)) for i in range(3)])
        over.set()
        worker.join()
        return p.result

    gilprof.start()
    _pid, child = in_child(record_anew)
    gilprof.stop()
    names = {"MainThread", "worker", "new-0", "new-1", "new-2"}
    assert {row.name for row in child.threads} == names
    assert len(child.threads) == len(names)
    assert_balanced(child)
