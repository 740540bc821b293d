"""Upper bounds on the speed-up."""

import json
import time

import gilprof
import pytest
import workloads

# What is asserted is about time on CPUs.
pytestmark = pytest.mark.whole_cpus


@pytest.fixture(scope="module")
def spinning():
    """Two threads that queue for the GIL all the time, and main, which waits for them."""
    with gilprof.profile() as p:
        workloads.spinning(2)
    return p.result


@pytest.fixture(scope="module")
def alone():
    with gilprof.profile() as p:
        workloads.spin(0.2)
    return p.result


def test_two_threads_that_queue_could_run_at_once_on_two_cpus(spinning):
    # While one waits for the other, two CPUs would halve what that takes; but where one
    # has got more of the GIL, the rest of it is its own.
    contended = sum(spinning.gils[0].held_by_waiters_ns[1:])
    halved = spinning.wall_ns - contended / 2
    busiest = max(thread.holding_ns for thread in spinning.threads)
    bound = spinning.without_gil(cpus=2).speed_up
    assert 0.95 * spinning.wall_ns / max(halved, busiest) < bound
    # Two CPUs do two things at once and no more, but the GIL is no longer passed on.
    assert bound <= 2 * spinning.wall_ns / needed_cpu_ns(spinning) + 1e-9
    assert spinning.without_gil(cpus=1).speed_up < bound


def needed_cpu_ns(profile):
    """How long threads that held the GIL ran or were ready to."""
    blocked, read = 0, 0
    for thread in profile.threads:
        if thread.holding_cpu_ns is not None:
            ready = thread.holding_cpu_ns + thread.holding_preempted_ns
            blocked += thread.holding_blocked_ns
            read += ready + thread.holding_blocked_ns
    return sum(thread.holding_ns for thread in profile.threads) * (1 - blocked / read)


def test_a_thread_that_does_all_gains_from_processes_only(alone):
    assert alone.without_gil(cpus=8).speed_up < 1.1
    assert alone.as_processes(2, cpus=2).speed_up > 1.8


def test_a_sleep_gains_from_nothing():
    with gilprof.profile() as p:
        time.sleep(0.2)
    for row in p.what_if(cpus=4):
        assert row.speed_up < 1.1, str(row)


def test_rows_say_what_is_supposed_and_assumed(spinning):
    rows = spinning.what_if(cpus=2)
    assert [row.supposed for row in rows][:3] == ["no-gil", "processes", "half-hold"]
    assert rows[0].what == "no GIL, on 2 CPUs"
    assert str(rows[0]).startswith("no GIL, on 2 CPUs: at most ")
    for row in rows:
        assert row.speed_up >= 1.0
        assert row.missing is None and row.assumption


def test_without_a_number_it_is_for_the_cpus_that_may_be_used(spinning):
    assert spinning.what_if()[0].what.startswith("no GIL, on ")


def test_half_the_hold_of_all_saves_half(spinning):
    spinners = [thread for thread in spinning.threads if thread.name.startswith("spin-")]
    held = sum(thread.holding_ns for thread in spinners) / spinning.wall_ns
    bound = spinning.half_hold_of("spin-*").speed_up
    assert bound == pytest.approx(1 / (1 - held / 2))
    assert spinning.half_hold(functions="no_such_function").speed_up == 1.0


def test_a_thread_that_lets_go_by_itself_gains_from_a_shorter_interval():
    def reads(times=40):
        for _ in range(times):
            time.sleep(0.001)
        over.append(True)

    def spins():
        while not over:
            pass

    over = []
    with gilprof.profile() as p:
        workloads.together(("reads", reads), ("spins", spins))
    row = p.with_switch_interval(500_000)
    assert (row.supposed, row.thread.name) == ("switch-interval", "reads")
    assert row.speed_up > 1.5


def test_a_gil_knows_how_many_wanted_it(spinning):
    (gil,) = spinning.gils
    assert sum(gil.held_by_waiters_ns) == pytest.approx(gil.holding_ns, rel=0.01)
    caused = sum(waiters * ns for waiters, ns in enumerate(gil.held_by_waiters_ns))
    assert caused == pytest.approx(gil.caused_ns, rel=0.01)
    assert len(gil.held_by_waiters_ns) == 1 + gil.waiters_max


def test_a_profile_saved_without_a_count_of_who_waited_says_so(spinning, tmp_path):
    saved = json.loads(spinning.to_json())
    for gil in saved["gils"]:
        del gil["demand"]
    path = tmp_path / "old.json"
    path.write_text(json.dumps(saved))
    row = gilprof.load(path).without_gil(cpus=2)
    assert row.speed_up is None
    assert row.missing.startswith("n/a (")
