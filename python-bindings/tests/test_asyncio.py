"""Why an event loop is late: gilprof.asyncio."""

import asyncio
import ctypes
import threading
import time

import pytest

import gilprof
import gilprof.asyncio

usleep_holding = ctypes.PyDLL(None).usleep
usleep = ctypes.CDLL(None).usleep


def measured(main, **options):
    """What lag() says of a coroutine."""

    async def whole():
        with gilprof.asyncio.lag(**options) as lag:
            await main()
        return lag

    return asyncio.run(whole())


async def turns(work, count=5):
    for _ in range(count):
        await asyncio.sleep(0.005)
        work()


def test_callbacks_that_compute_are_told_from_those_that_block():
    computing = measured(lambda: turns(lambda: usleep_holding(20_000)))
    blocked = measured(lambda: turns(lambda: usleep(20_000)))
    assert computing.computing_ns >= 100e6 and blocked.blocked_ns >= 100e6
    assert computing.computing_ns > 2 * computing.blocked_ns, repr(computing)
    assert blocked.blocked_ns > 2 * blocked.computing_ns, repr(blocked)
    for lag in (computing, blocked):
        assert lag.lag_ns == lag.gil_ns + lag.computing_ns + lag.blocked_ns
        # One turn a piece of work, and some that found nothing to do.
        assert lag.turns >= 5
        assert [turn.lag_ns >= 20e6 for turn in lag.longest[:5]] == [True] * 5


def test_a_loop_that_another_thread_keeps_from_the_gil_waits_for_it():
    over = threading.Event()

    def hog():
        while not over.is_set():
            usleep_holding(20_000)

    thread = threading.Thread(target=hog)

    async def main():
        thread.start()
        await turns(lambda: None, 10)
        over.set()

    lag = measured(main)
    thread.join()
    assert lag.gil_ns > 2 * (lag.computing_ns + lag.blocked_ns), repr(lag)
    assert lag.longest[0].gil_ns > lag.longest[0].computing_ns, lag.longest
    assert "waiting for the GIL" in str(lag).split(",")[0]


def test_time_without_anything_to_do_is_no_lag():
    lag = measured(lambda: asyncio.sleep(0.3))
    assert lag.lag_ns < 0.3e9 / 2


def test_the_loop_is_as_before_afterwards():
    async def main():
        loop = asyncio.get_running_loop()
        before = dict(vars(loop._selector))
        with gilprof.asyncio.lag():
            await asyncio.sleep(0)
            assert "select" in vars(loop._selector)
        assert vars(loop._selector).keys() == before.keys()
        await asyncio.sleep(0)

    asyncio.run(main())
    assert not gilprof.is_running()


def test_an_error_of_the_block_passes():
    async def main():
        with gilprof.asyncio.lag():
            raise KeyError("why")

    with pytest.raises(KeyError, match="why"):
        asyncio.run(main())
    assert not gilprof.is_running()


def test_two_measure_the_same_turns():
    async def main():
        with gilprof.asyncio.lag() as outer:
            with gilprof.asyncio.lag() as inner:
                await turns(lambda: time.sleep(0.02))
        return outer, inner

    outer, inner = asyncio.run(main())
    assert 0.5 * outer.blocked_ns < inner.blocked_ns < 2 * outer.blocked_ns


def test_a_loop_without_a_selector_is_refused():
    class Loop:
        pass

    with pytest.raises(gilprof.UnsupportedError, match="Loop has no selector"):
        gilprof.asyncio.lag(Loop()).__enter__()


def test_a_loop_that_made_no_turn_says_so():
    assert str(gilprof.asyncio.lag()) == "The loop made no turn."
