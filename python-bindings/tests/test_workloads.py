"""What known programs come out as."""

import re

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
    # Of those that ended, some may be in the row of all that are called alike.
    alike = {row.name for row in profile.threads if row.members > 1}
    missing = [n for n in expected if n not in found and re.sub(r"\d+", "*", n) not in alike]
    assert missing == []


def test_every_profile_survives_its_file(recorded, tmp_path):
    profile, _names = recorded
    profile.save(tmp_path / "p.json")
    assert gilprof.load(tmp_path / "p.json") == profile


def test_cpu_threads_share_the_gil_and_wait_the_rest():
    with gilprof.profile() as p:
        names = workloads.spinning(4)
    gil = p.gils[0]
    assert gil.holding_ns > 0.8 * p.wall_ns
    for name in names:
        row = thread(p, name)
        assert row.holding_ns < 0.5 * row.lifetime_ns
        assert row.waiting_ns > 0.5 * row.lifetime_ns
        assert row.detached_ns < 0.1 * row.lifetime_ns
    assert p.verdict.id == "gil-bound"


def test_sleeping_threads_are_detached_and_it_is_not_the_gil():
    with gilprof.profile() as p:
        names = workloads.sleeping()
    for name in names:
        row = thread(p, name)
        assert row.detached_ns > 0.9 * row.lifetime_ns
        assert row.acquisitions >= 10
    assert p.verdict.id == "not-the-gil"


def test_a_thread_alone_never_waits():
    with gilprof.profile() as p:
        workloads.spin(0.1)
    assert p.waiting_ns == 0
    assert p.blame == ()
    assert p.holding_ns > 0.99 * p.wall_ns


@pytest.fixture(scope="module")
def long_hold():
    with gilprof.profile() as p:
        workloads.one_long_hold(200)
    return p.result


def test_a_hold_of_200_ms_is_one_hold_of_200_ms(long_hold):
    longest = thread(long_hold, "holder").hold.max_ns
    assert 196e6 <= longest <= 204e6
    worst = long_hold.holds[0]
    assert worst.thread.name == "holder"
    assert 196e6 <= worst.duration_ns <= 204e6
    assert worst.requested


def test_the_ticker_waited_for_the_holder_and_that_is_blamed_on_it(long_hold):
    rows = [r for r in long_hold.blame if (r.waiter.name, r.holder.name) == ("ticker", "holder")]
    assert len(rows) == 1
    worst = long_hold.holds[0]
    # It sleeps for a millisecond at most before it wants the GIL back.
    assert rows[0].longest_ns > 0.98 * worst.duration_ns
    assert rows[0].waiting_ns > 0.98 * worst.duration_ns
    top = long_hold.query().threads("ticker").by("holder").top(1).rows()[0]
    assert top.key == "holder"


def test_short_lived_threads_do_not_fill_the_table():
    with gilprof.profile(threads=16) as p:
        workloads.short_lived(400)
    assert_balanced(p)
    assert sum(row.members for row in p.threads) == 1 + 4 + 400
    groups = [row for row in p.threads if row.members > 1]
    assert all(row.ended and "*" in row.name for row in groups)
