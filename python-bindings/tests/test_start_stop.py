"""Starting, stopping, and the profile that comes out."""

import copy
import functools
import os
import pickle
import threading
import time

import gilprof
import pytest
import workloads
from balance import assert_balanced, thread
from forked import holds_in_a_child


def test_stop_gives_the_profile_of_this_process():
    gilprof.start()
    assert gilprof.is_running()
    workloads.spin(0.01)
    profile = gilprof.stop()
    assert not gilprof.is_running()
    assert profile.pid == os.getpid()
    assert profile.mode == "exact"
    assert profile.ended_how == "stopped"
    assert profile.wall_ns >= 10_000_000
    assert_balanced(profile)


def test_stop_without_start_says_so():
    with pytest.raises(gilprof.NotRunningError, match=r"call gilprof\.start\(\)"):
        gilprof.stop()


def test_snapshot_without_start_says_so():
    with pytest.raises(gilprof.NotRunningError, match="no profiler runs"):
        gilprof.snapshot()


def test_each_start_needs_its_stop():
    gilprof.start()
    gilprof.start()
    inner = gilprof.stop()
    assert gilprof.is_running()
    outer = gilprof.stop()
    assert not gilprof.is_running()
    assert inner.wall_ns < outer.wall_ns


def test_recordings_of_several_sizes_leave_no_more_than_the_first_of_each():
    def record():
        for threads in (64, 128, 256):
            gilprof.start(threads=threads)
            gilprof.stop()

    def left():
        with open("/proc/self/maps") as maps:
            return len(os.listdir("/proc/self/fd")), len(maps.readlines())

    record()
    descriptors, mappings = left()
    for _ in range(20):
        record()
    assert left()[0] == descriptors and left()[1] <= mappings + 5


def test_an_inner_profile_has_only_what_happened_inside():
    with gilprof.profile() as outer:
        workloads.spin(0.05)
        with gilprof.profile() as inner:
            workloads.spin(0.01)
    assert inner.holding_ns < 0.5 * outer.holding_ns
    assert_balanced(inner.result)
    assert_balanced(outer.result)


def test_inside_the_block_there_are_snapshots_and_no_result():
    with gilprof.profile() as p:
        assert p.snapshot().ended_how == "running"
        with pytest.raises(gilprof.NotRunningError, match=r"use snapshot\(\)"):
            p.result
        assert not hasattr(p, "threads")
    assert p.threads == p.result.threads
    with pytest.raises(gilprof.NotRunningError):
        p.snapshot()


def test_an_exception_in_the_block_leaves_its_profile():
    with pytest.raises(KeyError):
        with gilprof.profile() as p:
            raise KeyError
    assert p.result.ended_how == "stopped"


def test_later_minus_earlier_is_what_happened_between():
    gilprof.start()
    workloads.spin(0.05)
    earlier = gilprof.snapshot()
    workloads.together(("window", lambda: workloads.spin(0.02)))
    later = gilprof.snapshot()
    gilprof.stop()
    window = later - earlier
    assert window.wall_ns == later.wall_ns - earlier.wall_ns
    assert thread(window, "window").holding_ns >= 10_000_000
    assert window.holding_ns <= window.wall_ns
    assert_balanced(window)


def test_profiles_of_two_recordings_have_no_difference():
    with gilprof.profile() as first:
        pass
    with gilprof.profile() as second:
        pass
    with pytest.raises(gilprof.Error, match="two recordings"):
        second.result - first.result


def test_merging_adds_up():
    with gilprof.profile() as first:
        workloads.spinning(2)
    with gilprof.profile() as second:
        workloads.handing_off(2, 100)
    merged = gilprof.merge(first.result, second.result)
    assert merged.waiting_ns == first.waiting_ns + second.waiting_ns
    assert merged.holding_ns == first.holding_ns + second.holding_ns
    assert len(merged.threads) == len(first.threads) + len(second.threads)
    assert merged.imbalances() == []
    with pytest.raises(gilprof.Error, match="at least one"):
        gilprof.merge()


def test_a_profile_can_be_saved_pickled_and_copied(tmp_path):
    with gilprof.profile() as p:
        workloads.handing_off(2, 10)
    path = tmp_path / "profile.json"
    p.save(str(path))
    assert gilprof.load(path) == p.result
    assert pickle.loads(pickle.dumps(p.result)) == p.result
    assert copy.deepcopy(p.result) is p.result


def test_a_file_that_is_no_profile_is_named(tmp_path):
    path = tmp_path / "other.json"
    path.write_text('{"format": 1}')
    with pytest.raises(gilprof.FormatError, match=r"other\.json: "):
        gilprof.load(path)
    path.write_bytes(b"\xff\x00")
    with pytest.raises(gilprof.FormatError, match=r"other\.json: "):
        gilprof.load(path)


def test_a_profile_of_a_newer_gilprof_says_which_format_is_understood(tmp_path):
    with gilprof.profile() as p:
        pass
    path = tmp_path / "newer.json"
    path.write_text(p.to_json().replace('"format":2', '"format":99', 1))
    with pytest.raises(gilprof.FormatError, match="99.*newest understood is 3"):
        gilprof.load(path)


def test_a_missing_file_is_the_usual_error(tmp_path):
    path = str(tmp_path / "none.json")
    with pytest.raises(FileNotFoundError) as caught:
        gilprof.load(path)
    assert caught.value.filename == path
    with gilprof.profile() as p:
        pass
    with pytest.raises(FileNotFoundError):
        p.save(tmp_path / "no" / "folder.json")


@pytest.mark.parametrize(
    "options, parts",
    [
        ({"threads": 0}, ["threads", "0", "1 to 4096"]),
        ({"threads": "many"}, ["threads", "many", "1 to 4096"]),
        ({"ring": 1000}, ["ring", "1000", "power of two"]),
        ({"stacks": "1us"}, ["stacks", "1us", "off, or 100us to 1s"]),
        ({"clock": "sun"}, ["clock", "sun", "auto or monotonic"]),
        ({"color": "red"}, ["color", "red", "clock, stacks, timeline and counters"]),
        ({"counters": "on"}, ["counters", "on", "off or hardware"]),
    ],
)
def test_a_wrong_option_names_itself_its_value_and_what_is_allowed(options, parts):
    with pytest.raises(gilprof.OptionError) as caught:
        gilprof.start(**options)
    assert all(part in str(caught.value) for part in parts), caught.value
    assert isinstance(caught.value, (gilprof.Error, ValueError))


def test_options_cannot_change_while_a_recording_is_on():
    gilprof.start(threads=32)
    with pytest.raises(gilprof.OptionError, match="threads=32.*threads=64"):
        gilprof.start(threads=64)
    gilprof.start(threads=32)
    gilprof.start()
    for _ in range(3):
        gilprof.stop()


def test_the_kernels_clock_can_be_chosen():
    with gilprof.profile(clock="monotonic") as p:
        workloads.spinning(2)
    assert p.clock == "monotonic"
    assert_balanced(p.result)


def test_repr_says_it_in_a_line():
    with gilprof.profile() as p:
        workloads.spinning(2)
    text = repr(p.result)
    assert text.startswith("<Profile wall=0.")
    assert text.endswith("s threads=3 dropped=0>")
    assert "holding=0." in text and "waiting=0." in text
    assert repr(p) == text


def test_results_cannot_be_changed():
    with gilprof.profile() as p:
        workloads.handing_off(2, 10)
    for value in (p.result, p.threads[0], p.gils[0], p.verdict, p.threads[0].hold):
        name = next(name for name in dir(value) if not name.startswith("_"))
        with pytest.raises(AttributeError):
            setattr(value, name, 1)


def test_many_threads_start_and_stop_at_once():
    def nest():
        for _ in range(20):
            gilprof.start()
            gilprof.stop()

    workloads.together(*[(f"nest-{i}", nest) for i in range(4)])
    assert not gilprof.is_running()


def sleep_often(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(100))
        time.sleep(0.0005)


def together_to_the_end(*jobs):
    """As workloads.together, and the system has none of the threads any more: one that has been
    joined still has its last steps to go."""
    tasks = []

    def noted(function):
        tasks.append(f"/proc/self/task/{threading.get_native_id()}")
        function()

    workloads.together(*[(name, functools.partial(noted, function)) for name, function in jobs])
    while any(os.path.exists(task) for task in tasks):
        time.sleep(0.001)


def numbers(profile, name):
    """What can be added up of threads with this name, and of where they held the GIL."""
    rows = [row for row in profile.threads if row.name == name]
    sites = [site for site in profile.sites("hold") if site.thread.name == name]
    sums = {
        key: sum(getattr(row, key) for row in rows)
        for key in ("holding_ns", "waiting_ns", "detached_ns", "acquisitions", "waits")
    }
    sums["holds counted"] = sum(row.hold.count for row in rows)
    sums["weight of sites"] = sum(site.weight_ns for site in sites)
    return sums


def test_laps_add_up_to_the_whole():
    with gilprof.profile() as p:
        laps = []
        for _ in range(3):
            jobs = [("worker", lambda: sleep_often(0.1)), ("spinner", lambda: workloads.spin(0.1))]
            together_to_the_end(*jobs)
            laps.append(p.lap())
        whole = gilprof.snapshot()
    for name in ("worker", "spinner"):
        parts = [numbers(lap, name) for lap in laps]
        added = {key: sum(part[key] for part in parts) for key in parts[0]}
        assert added == numbers(whole, name)
        assert all(part["holding_ns"] > 0 for part in parts)
    for lap in (*laps, p.result):
        assert_balanced(lap)
    assert [hold for hold in p.result.holds if hold.thread.name == "spinner"] == []


def test_each_lap_begins_where_the_last_has_ended():
    with gilprof.profile() as p:
        laps = [p.lap() for _ in range(3)]
        begun = p.snapshot().start_ns
    ends = [lap.start_ns + lap.wall_ns for lap in laps]
    assert ends == [laps[1].start_ns, laps[2].start_ns, begun]
    assert p.result.start_ns == begun


def test_who_joins_a_recording_has_laps_of_their_own():
    with gilprof.profile() as outer:
        with gilprof.profile() as inner:
            first = inner.lap()
            second = outer.lap()
            third = inner.lap()
    assert third.start_ns == first.start_ns + first.wall_ns
    assert second.wall_ns > first.wall_ns
    assert outer.result.start_ns == second.start_ns + second.wall_ns


def test_a_block_that_has_ended_has_no_more_laps():
    with gilprof.profile() as p:
        pass
    with pytest.raises(gilprof.NotRunningError, match="inside the block"):
        p.lap()


def test_the_child_of_a_fork_has_laps_of_its_own_recording():
    with gilprof.profile() as p:
        p.lap()

        def in_child():
            first, second = p.lap(), p.lap()
            return first.pid == second.pid == os.getpid()

        assert holds_in_a_child(in_child)
