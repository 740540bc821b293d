"""What known programs come out as."""

import re
from functools import partial

import gilprof
import pytest
import workloads
from balance import assert_balanced, thread

CASES = {
    "two_cpu_threads": lambda: workloads.spinning(2),
    "four_cpu_threads": lambda: workloads.spinning(4),
    "five_sleeping_threads": workloads.sleeping,
    "one_long_hold": workloads.one_long_hold,
    "short_lived_threads": workloads.short_lived,
    "four_threads_handing_off": workloads.handing_off,
    "lock_ping_pong": workloads.lock_ping_pong,
}


@pytest.fixture(scope="module", params=list(CASES))
def recorded(request):
    """A profile of each program, and the names of the threads it started."""
    with gilprof.profile() as p:
        names = CASES[request.param]()
    return p.result, names


def test_every_sum_balances_to_the_nanosecond(recorded):
    profile, _names = recorded
    assert_balanced(profile)


def test_no_thread_is_missing_and_each_has_its_name(recorded):
    profile, names = recorded
    expected = ["MainThread", *names]
    assert sum(row.members for row in profile.threads) == len(expected)
    found = {row.name for row in profile.threads}
    # Those that ended may be in the row of all that are called alike.
    assert [n for n in expected if not found & {n, re.sub(r"\d+", "*", n)}] == []


def test_every_profile_survives_its_file(recorded, tmp_path):
    profile, _names = recorded
    profile.save(tmp_path / "p.json")
    assert gilprof.load(tmp_path / "p.json") == profile


def test_cpu_threads_share_the_gil_and_wait_the_rest():
    measured, queueing_ns = {}, {}

    def spin(name):
        before = workloads.queueing_for_a_cpu_ns()
        with gilprof.measure(name) as measured[name]:
            workloads.spin()
        queueing_ns[name] = workloads.queueing_for_a_cpu_ns() - before

    with gilprof.profile() as p:
        names = workloads.together(*[(f"cpu-{i}", partial(spin, f"cpu-{i}")) for i in range(4)])
    for name in names:
        m = measured[name]
        assert m.holding_ns + m.waiting_ns + m.detached_ns == m.wall_ns
        assert m.waiting_ns > 0
        # Between losing the GIL and asking for it, others can have the CPU.
        assert m.detached_ns < 0.01 * m.wall_ns + queueing_ns[name]
        row = thread(p, name)
        assert m.holding_ns <= row.holding_ns <= row.lifetime_ns - m.waiting_ns
    # One GIL: how four threads share it is the scheduler's business, but never twice.
    assert sum(measured[name].holding_ns for name in names) <= p.wall_ns
    assert p.verdict.id == "gil-bound"


def test_sleeping_threads_are_detached_and_it_is_not_the_gil():
    with gilprof.profile() as p:
        names = workloads.sleeping()
    for name in names:
        row = thread(p, name)
        assert row.detached_ns > 0.9 * row.lifetime_ns
        assert row.acquisitions >= 10
    assert p.verdict.id == "io-bound"


def test_a_thread_alone_never_waits():
    with gilprof.profile() as p:
        workloads.spin(0.1)
    assert p.waiting_ns == 0
    assert p.blame == ()
    assert p.holding_ns >= 100_000_000


@pytest.fixture(scope="module")
def long_hold():
    truth = {}
    with gilprof.profile() as p:
        workloads.one_long_hold(200, truth)
    return p.result, truth["queueing_ns"]


def test_a_hold_of_200_ms_is_one_hold_of_200_ms(long_hold):
    profile, queueing_ns = long_hold
    longest = thread(profile, "holder").hold.max_ns
    assert 196e6 <= longest <= 204e6 + queueing_ns
    worst = profile.holds[0]
    assert worst.thread.name == "holder"
    assert worst.duration_ns == longest
    assert worst.requested


def test_the_ticker_waited_for_the_holder_and_that_is_blamed_on_it(long_hold):
    profile, _queueing_ns = long_hold
    rows = [r for r in profile.blame if (r.waiter.name, r.holder.name) == ("ticker", "holder")]
    assert len(rows) == 1
    # It sleeps for a millisecond or so before it wants the GIL back.
    assert 0.98 * profile.holds[0].duration_ns < rows[0].longest_ns <= rows[0].waiting_ns
    top = profile.query().threads("ticker").by("holder").top(1).rows()[0]
    assert top.key == "holder"


def test_short_lived_threads_do_not_fill_the_table():
    with gilprof.profile(threads=16) as p:
        workloads.short_lived(400)
    assert_balanced(p)
    assert sum(row.members for row in p.threads) == 1 + 4 + 400
    groups = [row for row in p.threads if row.members > 1]
    assert all(row.ended and "*" in row.name for row in groups)
