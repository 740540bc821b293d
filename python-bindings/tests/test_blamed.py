"""Who made others wait in a block: `with gilprof.measure("label", blame=True) as m:`"""

import ctypes
import functools
import operator
import threading

import gilprof
import pytest
import workloads

usleep_holding = ctypes.PyDLL(None).usleep


def hog(milliseconds):
    usleep_holding(milliseconds * 1_000)


def earlier(milliseconds):
    usleep_holding(milliseconds * 1_000)


def measured(work, *arguments):
    with gilprof.measure("block", blame=True) as m:
        work(*arguments)
    return m


def test_the_line_that_kept_others_waiting_is_to_blame_for_as_long(ticker):
    with gilprof.profile():
        m = measured(hog, 50)
    line = hog.__code__.co_firstlineno + 1
    assert (m.blamed.stack[0].function, m.blamed.stack[0].line) == ("hog", line)
    assert 25_000_000 <= m.blamed.worst_hold_ns <= 1.5 * m.process.waiting_ns
    assert 0.5 * m.process.waiting_ns <= m.blamed.weight_ns


def test_what_came_before_a_block_is_not_to_blame_for_it(ticker):
    with gilprof.profile():
        for _ in range(3):
            earlier(60)
            m = measured(hog, 20)
            assert m.blamed.stack[0].function == "hog"
            assert m.blamed.worst_hold_ns < 60_000_000 or m.wall_ns >= 60_000_000


def test_a_hold_that_had_begun_before_a_block_counts_from_there_on(ticker):
    block = gilprof.measure("block", blame=True)
    usleep = functools.partial(usleep_holding, 60_000)
    call = operator.methodcaller("__call__")
    with gilprof.profile():
        # From C to C: nobody can make this thread give the GIL up in between.
        list(map(call, [usleep, block.__enter__, usleep]))
        block.__exit__(None, None, None)
    (within_ns, blamed) = (block.wall_ns, block.blamed)
    assert 55_000_000 <= blamed.worst_hold_ns < within_ns + 30_000_000
    assert 30_000_000 <= blamed.weight_ns < within_ns + 30_000_000


def test_blocks_within_each_other_have_each_their_own(ticker):
    with gilprof.profile():
        with gilprof.measure("outer", blame=True) as outer:
            earlier(60)
            inner = measured(hog, 20)
    assert inner.blamed.stack[0].function == "hog"
    assert outer.blamed.stack[0].function == "earlier"
    assert outer.blamed.worst_hold_ns >= inner.blamed.worst_hold_ns


def test_where_nobody_waits_nobody_is_to_blame():
    with gilprof.profile():
        m = measured(hog, 5)
    blamed = m.blamed
    assert (blamed.stack, blamed.native, blamed.weight_ns, blamed.worst_hold_ns) == ([], [], 0, 0)
    assert repr(blamed) == "<Blamed (unknown) weight=0ns worst_hold=0ns>"


def test_what_was_not_asked_for_or_not_recorded_is_none():
    assert measured(hog, 1).blamed is None
    with gilprof.profile():
        with gilprof.measure("block") as m:
            pass
        assert m.blamed is None
        begun = gilprof.measure("not ended", blame=True).__enter__()
        assert begun.blamed is None
    begun.__exit__(None, None, None)
    assert (begun.wall_ns, begun.blamed) == (None, None)
    with gilprof.profile():
        begun.__exit__(None, None, None)
        assert begun.blamed is None


def test_a_block_that_never_ends_harms_nobody(ticker):
    with gilprof.profile() as p:
        for _ in range(100):
            gilprof.measure("forgotten", blame=True).__enter__()
        hog(5)
    assert p.waiting_ns > 0


def test_threads_and_a_recording_that_ends_do_not_disturb_each_other(ticker):
    over = threading.Event()
    seen = []

    def measure_on():
        while not over.is_set():
            seen.append(measured(hog, 1).blamed)

    def start_and_stop():
        for _ in range(50):
            with gilprof.profile():
                hog(2)
        over.set()

    workloads.together(*[(f"m-{i}", measure_on) for i in range(3)], ("starter", start_and_stop))
    assert any(blamed is not None for blamed in seen)


def test_the_child_of_a_fork_has_no_numbers_of_a_block_of_its_parents(python):
    done = python("""
import os, gilprof

gilprof.start()
with gilprof.measure("parent", blame=True) as m:
    if os.fork() == 0:
        m.__exit__(None, None, None)
        assert m.blamed is None, m.blamed
        with gilprof.profile(), gilprof.measure("child", blame=True) as own:
            pass
        os._exit(0 if own.blamed is not None else 3)
    assert os.wait()[1] == 0
assert m.blamed is not None
gilprof.stop()
print("well")
""")
    assert done.stdout == "well\n"


def test_blame_is_a_keyword():
    with pytest.raises(TypeError):
        gilprof.measure("block", True)


def test_a_block_that_waits_for_less_than_is_asked_for_blames_nobody(ticker):
    with gilprof.profile():
        with gilprof.measure("short", blame="20s") as short:
            hog(30)
        with gilprof.measure("long", blame="10ms") as long:
            hog(50)
    assert short.process.waiting_ns > 0 and short.blamed is None
    assert long.process.waiting_ns >= 10_000_000
    assert long.blamed.stack[0].function == "hog"


def test_a_threshold_that_is_none_names_itself():
    for wrong in ("5", 5, "much"):
        with pytest.raises(gilprof.OptionError, match=f"blame: {wrong!r} is not allowed"):
            gilprof.measure("block", blame=wrong)
    assert gilprof.measure("block", blame=False).blamed is None
