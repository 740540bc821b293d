"""`with gilprof.span("label"):` and `@gilprof.span("label")`"""

import asyncio
import functools
import gc
import inspect
import json
import subprocess
import sys
import threading
import time

import gilprof
import pytest
import workloads
from balance import assert_balanced, thread
from test_fork import in_child


def row(profile, label):
    """The one row of this label."""
    found = [one for one in profile.spans if one.label == label]
    assert len(found) == 1, profile.spans
    return found[0]


def labels(profile):
    return [one.label for one in profile.spans]


def recorded(work):
    with gilprof.profile() as p:
        work()
    assert_balanced(p.result)
    return p.result


def test_a_span_is_what_its_thread_went_through():
    with gilprof.profile() as p:
        with gilprof.measure() as outer:
            with gilprof.span("load"):
                with gilprof.measure() as inner:
                    workloads.spin(0.01)
                    time.sleep(0.01)
    load = row(p, "load")
    assert load.spans == 1
    assert load.holding_ns + load.waiting_ns + load.detached_ns == load.wall_ns
    for name in ("wall_ns", "holding_ns", "waiting_ns", "detached_ns", "acquisitions", "waits"):
        assert getattr(inner, name) <= getattr(load, name) <= getattr(outer, name), name
    assert load.detached_ns >= 10_000_000
    assert_balanced(p.result)


def test_spans_of_a_label_are_added_up_over_threads():
    def work():
        for _ in range(3):
            with gilprof.span("work"):
                workloads.spin(0.02)

    profile = recorded(lambda: workloads.together(*[(f"w-{i}", work) for i in range(3)]))
    work = row(profile, "work")
    assert work.spans == 9
    assert work.wall_ns >= 9 * 20_000_000
    threads = [thread(profile, f"w-{i}") for i in range(3)]
    for name in ("holding_ns", "waiting_ns", "detached_ns", "caused_ns", "acquisitions", "waits"):
        assert getattr(work, name) <= sum(getattr(one, name) for one in threads), name
    assert work.waiting_ns > 0


def test_a_call_that_keeps_the_gil_is_the_waiting_that_its_label_caused():
    usleep = workloads.ctypes.PyDLL(None).usleep
    ticking, over = threading.Event(), threading.Event()

    def hold():
        ticking.wait()
        with gilprof.span("before"):
            time.sleep(0.02)
        with gilprof.span("hold"):
            usleep(100_000)
        over.set()

    def tick():
        while not over.is_set():
            time.sleep(0.001)
            ticking.set()

    profile = recorded(lambda: workloads.together(("holder", hold), ("ticker", tick)))
    held = row(profile, "hold")
    assert held.holding_ns >= 100_000_000
    assert 0.5 * held.holding_ns < held.caused_ns <= thread(profile, "holder").caused_ns
    # Who sleeps makes nobody wait.
    assert row(profile, "before").caused_ns < 0.5 * held.caused_ns


def test_a_span_within_another_is_in_both():
    def work():
        with gilprof.span("outer"):
            with gilprof.span("inner"):
                time.sleep(0.01)
            with gilprof.span("inner"):
                time.sleep(0.01)

    profile = recorded(work)
    outer, inner = row(profile, "outer"), row(profile, "inner")
    assert (outer.spans, inner.spans) == (1, 2)
    assert 20_000_000 <= inner.detached_ns <= outer.detached_ns
    assert inner.wall_ns < outer.wall_ns


def test_a_span_within_one_of_its_label_counts_once():
    @gilprof.span("down")
    def down(depth):
        if depth:
            return down(depth - 1)
        time.sleep(0.01)
        return threading.get_ident()

    with gilprof.profile() as p:
        with gilprof.measure() as m:
            assert down(20) == threading.get_ident()
            down(0)
    assert row(p, "down").spans == 2
    assert 20_000_000 <= row(p, "down").wall_ns <= m.wall_ns


def test_spans_of_a_label_that_overlap_are_the_time_in_which_there_was_one():
    first, second = gilprof.span("x"), gilprof.span("x")
    with gilprof.profile() as p:
        with gilprof.measure() as outer:
            first.__enter__()
            with gilprof.measure() as inner:
                second.__enter__()
                first.__exit__(None, None, None)
                time.sleep(0.01)
            second.__exit__(None, None, None)
    assert row(p, "x").spans == 2
    assert inner.wall_ns <= row(p, "x").wall_ns <= outer.wall_ns


def test_one_span_may_be_used_by_many_threads_at_once():
    label = gilprof.span("shared")
    barrier = threading.Barrier(4)

    def work():
        with label:
            barrier.wait()
            with label:
                barrier.wait()

    profile = recorded(lambda: workloads.together(*[(f"t-{i}", work) for i in range(4)]))
    assert row(profile, "shared").spans == 4


def test_an_exception_passes_through():
    @gilprof.span("function")
    def fails():
        raise KeyError("mine")

    with gilprof.profile() as p:
        with pytest.raises(KeyError, match="mine"):
            with gilprof.span("block"):
                raise KeyError("mine")
        with pytest.raises(KeyError, match="mine"):
            fails()
    assert [(one.label, one.spans) for one in p.spans] == [("block", 1), ("function", 1)]


def test_while_nothing_is_recorded_nothing_happens():
    with gilprof.span("off"):
        pass
    assert gilprof.span("off")(len)("four") == 4
    with gilprof.profile() as p:
        pass
    assert p.spans == ()


def test_what_was_recorded_in_part_adds_nothing():
    with gilprof.span("begun before"):
        gilprof.start()
        with gilprof.span("whole"):
            pass
    with gilprof.span("ends after"):
        first = gilprof.stop()
        gilprof.start()
    with gilprof.span("whole"):
        pass
    second = gilprof.stop()
    assert labels(first) == labels(second) == ["whole"]


def test_a_span_that_ends_in_another_thread_adds_nothing_and_stands_in_nobodys_way():
    moved = gilprof.span("moved")
    with gilprof.profile() as p:
        moved.__enter__()
        mover = threading.Thread(target=moved.__exit__, args=(None, None, None))
        mover.start()
        mover.join()
        middle = p.snapshot()
        with gilprof.span("moved"):
            pass
        forgotten = gilprof.span("moved")
        forgotten.__enter__()
        del forgotten
        gc.collect()
        with gilprof.span("moved"):
            pass
    assert middle.spans == ()
    assert row(p, "moved").spans == 2


def test_a_coroutine_is_labelled_while_it_runs_itself():
    spun = []

    @gilprof.span("waits")
    async def waits(event):
        await event.wait()
        return "done"

    async def plain(event):
        with gilprof.span("plain"):
            await event.wait()

    async def spin(event):
        await asyncio.sleep(0)
        with gilprof.measure() as m:
            workloads.spin(0.1)
        spun.append(m)
        event.set()

    async def main():
        event = asyncio.Event()
        return await asyncio.gather(waits(event), waits(event), plain(event), spin(event))

    assert inspect.iscoroutinefunction(waits)
    with gilprof.profile() as p:
        assert asyncio.run(main())[:2] == ["done", "done"]
    assert row(p, "waits").spans == 2
    assert row(p, "waits").wall_ns < spun[0].wall_ns
    # What the loop runs in between is in a block that waits for it.
    assert row(p, "plain").spans == 1
    assert row(p, "plain").wall_ns > spun[0].wall_ns


def test_a_coroutine_that_awaits_another_of_its_label_counts_once():
    @gilprof.span("down")
    async def down(depth):
        if depth:
            await down(depth - 1)
        await asyncio.sleep(0)

    with gilprof.profile() as p:
        with gilprof.measure() as m:
            asyncio.run(down(10))
    assert row(p, "down").spans == 1
    assert row(p, "down").wall_ns <= m.wall_ns


def test_an_exception_reaches_a_coroutine_and_leaves_it():
    seen = []

    @gilprof.span("asked")
    async def asked():
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise ValueError("mine")

    async def main():
        task = asyncio.ensure_future(asked())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(ValueError, match="mine"):
            await task

    with gilprof.profile() as p:
        asyncio.run(main())
    assert seen == ["cancelled"]
    assert row(p, "asked").spans == 1


def test_a_generator_is_labelled_while_it_runs_itself():
    @gilprof.span("gives")
    def gives(count):
        received = []
        for number in range(count):
            try:
                received.append((yield number))
            except KeyError as error:
                received.append(error.args[0])
        return received

    with gilprof.profile() as p:
        made = gives(3)
        assert [next(made), made.send("a"), made.throw(KeyError("b"))] == [0, 1, 2]
        with gilprof.measure() as between:
            workloads.spin(0.05)
        with pytest.raises(StopIteration) as ended:
            made.send("c")
        closed = gives(3)
        next(closed)
        closed.close()
        assert row(p.snapshot(), "gives").spans == 2
    assert ended.value.value == ["a", "b", "c"]
    assert inspect.isgeneratorfunction(gives)
    assert row(p, "gives").wall_ns < between.wall_ns


def test_a_labelled_function_is_still_itself():
    class Counter:
        @gilprof.span("method")
        def add(self, number, *, times=1):
            """Adds."""
            return self, number * times

    counter = Counter()
    with gilprof.profile() as p:
        assert counter.add(3, times=2) == (counter, 6)
        assert gilprof.span("part")(functools.partial(max, 1))(2) == 2
    assert (Counter.add.__name__, Counter.add.__doc__) == ("add", "Adds.")
    assert labels(p) == ["method", "part"]


@pytest.mark.parametrize(
    "label, error, said",
    [
        (5, TypeError, "label: 5 is not allowed: a string"),
        (b"x", TypeError, "label: b'x' is not allowed: a string"),
        (None, TypeError, "label: None is not allowed: a string"),
        ("", gilprof.OptionError, "label: '' is not allowed"),
    ],
)
def test_a_label_that_is_none_is_named(label, error, said):
    with pytest.raises(error, match=said):
        gilprof.span(label)


def test_what_cannot_be_labelled_is_named():
    async def steps():
        yield 1

    with pytest.raises(TypeError, match="function: 5 is not allowed: a function"):
        gilprof.span("x")(5)
    with pytest.raises(TypeError, match="steps.* is not allowed: an asynchronous generator"):
        gilprof.span("x")(steps)


def test_a_long_label_is_cut_and_any_text_is_one():
    with gilprof.profile() as p:
        for label in ("x" * 100, "größe", "\udcff", "a\nb"):
            with gilprof.span(label):
                pass
    assert labels(p) == sorted(["x" * 63, "größe", "\ufffd\ufffd\ufffd", "a\nb"])
    assert gilprof.span("x" * 100).label == "x" * 100


def test_labels_beyond_those_that_have_a_place_are_added_up():
    with gilprof.profile() as p:
        for number in range(300):
            with gilprof.span(f"label {number}"):
                pass
    assert len(p.spans) == 256
    assert row(p, "(others)").spans == 45
    assert_balanced(p.result)


def test_a_window_has_the_spans_that_ended_in_it():
    with gilprof.profile() as p:
        with gilprof.span("a"), gilprof.span("b"):
            pass
        before = p.snapshot()
        with gilprof.span("a"):
            time.sleep(0.01)
    window = p.result - before
    assert [(one.label, one.spans) for one in window.spans] == [("a", 1)]
    assert 10_000_000 <= window.spans[0].wall_ns <= row(p, "a").wall_ns
    assert_balanced(window)


def test_merged_and_saved_profiles_have_the_spans_of_all(tmp_path):
    def work():
        with gilprof.span("a"):
            time.sleep(0.001)

    first, second = recorded(work), recorded(work)
    merged = gilprof.merge(first, second)
    assert row(merged, "a").spans == 2
    assert row(merged, "a").wall_ns == row(first, "a").wall_ns + row(second, "a").wall_ns
    merged.save(tmp_path / "merged.json")
    assert gilprof.load(tmp_path / "merged.json") == merged
    assert merged.imbalances() == []


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_of_a_fork_has_its_own_spans():
    def child():
        with gilprof.span("child"):
            pass
        return gilprof.stop()

    gilprof.start()
    with gilprof.span("parent"):
        with gilprof.span("over the fork"):
            _pid, forked = in_child(child)
    parent = gilprof.stop()
    assert labels(forked) == ["child"]
    assert labels(parent) == ["over the fork", "parent"]


KILLED = """
import os, signal, gilprof
for _ in range(3):
    with gilprof.span("GET /x"):
        sum(range(10_000))
open_one = gilprof.span("open")
open_one.__enter__()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_program_that_is_killed_leaves_its_spans(tmp_path):
    def gilprof_says(*line):
        return subprocess.run(
            [sys.executable, "-m", "gilprof", *map(str, line)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
        )

    path = tmp_path / "profile.json"
    done = gilprof_says("run", "-o", path, "--", sys.executable, "-c", KILLED)
    assert done.returncode == -9
    profile = gilprof.load(path)
    assert [(one.label, one.spans) for one in profile.spans] == [("GET /x", 3)]
    assert 0 < row(profile, "GET /x").holding_ns <= row(profile, "GET /x").wall_ns
    assert profile.imbalances() == []
    for form, begin in (("text", "GET /x 3 "), ("md", "| GET /x | 3 | ")):
        report = gilprof_says("report", path, "--format", form).stdout
        lines = [" ".join(line.split()) for line in report.splitlines()]
        assert [line.startswith(begin) for line in lines].count(True) == 1, report
    report = json.loads(gilprof_says("report", path, "--format", "json").stdout)
    assert [(one["label"], one["spans"]) for one in report["spans"]] == [("GET /x", 3)]


def test_where_nothing_can_be_recorded_labels_do_nothing(python):
    done = python(
        """
import sys
sys.platform = "darwin"
import gilprof
with gilprof.span("block"):
    print("block")
@gilprof.span("function")
def function():
    return "function"
print(function())
"""
    )
    assert done.stdout.split() == ["block", "function"]


def test_a_span_costs_two_microseconds_at_most():
    def best_of(rounds, work):
        times = []
        for _ in range(rounds):
            begin = time.perf_counter_ns()
            work()
            times.append(time.perf_counter_ns() - begin)
        return min(times)

    def spans():
        for _ in range(1_000):
            with gilprof.span("cost"):
                pass

    with gilprof.profile():
        assert best_of(20, spans) / 1_000 < 2_000
