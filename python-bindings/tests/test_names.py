"""Threads are called what Python calls them."""

import _thread
import threading
import time

import gilprof
import workloads
from balance import thread

ORIGINAL = threading.Thread.__dict__["_set_native_id"]


def test_names_are_kept_after_the_thread_has_ended():
    with gilprof.profile() as p:
        workloads.together(("Zoë", int), ("with space", int))
    assert thread(p, "Zoë").acquisitions > 0
    assert thread(p, "with space").acquisitions > 0


def test_a_thread_that_never_touches_the_gil_is_there_with_its_name():
    over = threading.Event()
    asleep = threading.Thread(target=over.wait, name="asleep")
    asleep.start()
    with gilprof.profile() as p:
        workloads.spin(0.01)
    over.set()
    asleep.join()
    row = thread(p, "asleep")
    assert (row.acquisitions, row.detached_ns) == (0, row.lifetime_ns)
    assert row.native_id == asleep.native_id


def test_a_new_name_is_seen_at_the_snapshot():
    def rename():
        threading.current_thread().name = "renamed"
        assert thread(gilprof.snapshot(), "renamed").native_id == threading.get_native_id()

    with gilprof.profile():
        workloads.together(("first", rename))


def test_the_thread_that_starts_is_named():
    def record():
        with gilprof.profile() as p:
            pass
        profiles.append(p)

    profiles = []
    workloads.together(("recorder", record))
    assert thread(profiles[0], "recorder").acquisitions > 0


def test_a_thread_unknown_to_threading_has_the_kernels_name():
    seen = _thread.allocate_lock()
    seen.acquire()

    def anonymous():
        with open("/proc/thread-self/comm", "w") as comm:
            comm.write("by-the-kernel")
        names.append(gilprof.snapshot())
        seen.release()

    names = []
    with gilprof.profile():
        _thread.start_new_thread(anonymous, ())
        seen.acquire()
    assert thread(names[0], "by-the-kernel").acquisitions > 0


def test_threading_is_as_before_after_the_last_stop():
    gilprof.start()
    gilprof.start()
    assert threading.Thread.__dict__["_set_native_id"] is not ORIGINAL
    gilprof.stop()
    assert threading.Thread.__dict__["_set_native_id"] is not ORIGINAL
    gilprof.stop()
    assert threading.Thread.__dict__["_set_native_id"] is ORIGINAL


def test_a_patch_that_others_put_over_ours_stays(monkeypatch):
    def theirs(self):
        called.append(self.name)
        ours(self)

    called = []
    gilprof.start()
    ours = threading.Thread._set_native_id
    monkeypatch.setattr(threading.Thread, "_set_native_id", theirs)
    gilprof.stop()
    assert threading.Thread.__dict__["_set_native_id"] is theirs
    with gilprof.profile() as p:
        workloads.together(("covered", int))
    assert called == ["covered"]
    assert thread(p, "covered").acquisitions > 0
    monkeypatch.undo()
    with gilprof.profile():
        pass
    assert threading.Thread.__dict__["_set_native_id"] is ORIGINAL


def test_threads_that_begin_while_recordings_come_and_go_are_unharmed():
    end = time.monotonic() + 0.5
    failed = []
    previous, threading.excepthook = threading.excepthook, failed.append

    def begin_threads():
        while time.monotonic() < end:
            one = threading.Thread(target=int)
            one.start()
            one.join()

    def come_and_go():
        while time.monotonic() < end:
            gilprof.start()
            gilprof.stop()

    try:
        workloads.together(("a", begin_threads), ("b", begin_threads), ("c", come_and_go))
    finally:
        threading.excepthook = previous
    assert failed == []
