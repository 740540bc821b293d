"""Limits for a block or a function: gilprof.limit()."""

import asyncio
import ctypes
import time

import pytest

import gilprof

usleep_holding = ctypes.PyDLL(None).usleep


def hog(microseconds=200_000):
    usleep_holding(microseconds)


def test_a_hold_that_keeps_others_waiting_exceeds_the_limit_and_is_told_with_its_line(ticker):
    with pytest.raises(gilprof.LimitExceeded) as caught:
        with gilprof.limit(hold="20ms"):
            hog()
    told = str(caught.value)
    assert "the limit is 20.0 ms" in told and "thread 'MainThread' held the GIL for" in told
    line = hog.__code__.co_firstlineno + 1
    assert f"{__file__}:{line} in hog" in told
    assert "thread 'ticker' waited" in told


def test_a_hold_that_nobody_waits_for_is_allowed():
    with gilprof.limit(hold="20ms", wait="20ms", contention=0.2):
        hog(60_000)


def test_a_hold_before_the_block_is_no_fault_of_it(ticker):
    with gilprof.profile():
        hog()
        with gilprof.limit(hold="100ms"):
            time.sleep(0.01)


def test_a_hold_in_the_block_is_found_though_many_were_worse_before(ticker):
    with gilprof.profile() as p:
        for _ in range(40):
            hog(10_000)
        with pytest.raises(gilprof.LimitExceeded), gilprof.limit(hold="3ms"):
            hog(5_000)
    # Of all holds of the recording it is none of the worst.
    assert len(p.holds) == 32


def test_waiting_has_limits_of_its_own(ticker):
    with pytest.raises(gilprof.LimitExceeded, match="threads waited .* the limit is 50.0 ms"):
        with gilprof.limit(wait="50ms"):
            hog()
    with pytest.raises(gilprof.LimitExceeded, match="of the time .* the limit is 20 %"):
        with gilprof.limit(wait_ratio="20%"):
            hog()
    with pytest.raises(gilprof.LimitExceeded, match="of the time that threads wanted the GIL"):
        with gilprof.limit(contention=0.2):
            hog()
    with gilprof.limit(wait="10s", wait_ratio=1.0, contention="100%"):
        hog()


def test_each_call_of_a_function_has_the_limit(ticker):
    @gilprof.limit(hold="20ms")
    def work(microseconds):
        """What it does."""
        hog(microseconds)
        return microseconds

    assert work(1_000) == 1_000 and work.__doc__ == "What it does."
    with pytest.raises(gilprof.LimitExceeded):
        work(200_000)
    assert work(1_000) == 1_000


def test_each_call_of_a_coroutine_has_the_limit(ticker):
    @gilprof.limit(hold="20ms")
    async def work(microseconds):
        await asyncio.sleep(0)
        hog(microseconds)
        return microseconds

    assert asyncio.run(work(1_000)) == 1_000
    with pytest.raises(gilprof.LimitExceeded):
        asyncio.run(work(200_000))


def test_an_exception_of_the_block_is_not_replaced(ticker):
    with pytest.raises(KeyError):
        with gilprof.limit(hold="20ms"):
            hog()
            raise KeyError


@pytest.mark.parametrize(
    "wrong", [{"hold": "20"}, {"hold": 20}, {"wait": "2 weeks"}, {"contention": 1.5}, {"wait_ratio": "x"}]
)
def test_a_wrong_limit_names_itself_its_value_and_what_is_allowed(wrong):
    with pytest.raises(gilprof.Error) as caught:
        gilprof.limit(**wrong)
    ((name, value),) = wrong.items()
    assert f"limit {name}: {value!r} is not allowed" in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_a_hold_says_for_how_long_anybody_waited(ticker):
    with gilprof.profile() as p:
        hog(50_000)
    worst = max(p.holds, key=lambda hold: hold.contended_ns)
    assert 0 < worst.contended_ns <= worst.duration_ns
    # One waits, at most.
    assert abs(worst.contended_ns - worst.waiter_time_ns) <= 1_000
