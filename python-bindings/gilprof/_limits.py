"""Limits of what a piece of a program may do with the GIL."""

from gilprof import _recording
from gilprof._units import duration, duration_ns, percent, ratio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Callable, List, Optional, Tuple, Type, TypeVar, Union

    from gilprof._native import Blamed, Hold, Profile, Site, Thread

    _Function = TypeVar("_Function", bound=Callable[..., Any])

#: So many frames of the culprit's stack are told.
_FRAMES = 5


class LimitExceeded(AssertionError):
    """Threads waited for the GIL more than was allowed; says who made them wait, where."""

    __module__ = "gilprof"


class Limits:
    """What is allowed of one window of time; None is no limit."""

    def __init__(
        self,
        hold: "Optional[str]" = None,
        wait: "Optional[str]" = None,
        wait_ratio: "Union[str, float, None]" = None,
        contention: "Union[str, float, None]" = None,
        what: str = "limit",
    ) -> None:
        self.hold_ns = None if hold is None else duration_ns(f"{what} hold", hold)
        self.wait_ns = None if wait is None else duration_ns(f"{what} wait", wait)
        self.wait_ratio = None if wait_ratio is None else ratio(f"{what} wait_ratio", wait_ratio)
        self.contention = None if contention is None else ratio(f"{what} contention", contention)

    def excess(self, profile: "Profile") -> "Optional[str]":
        """What of this window is not allowed, in words; None if it is all allowed."""
        told = [self._hold(profile), self._wait(profile), self._ratio(profile), self._share(profile)]
        found = [one for one in told if one is not None]
        return "\n".join(found) if found else None

    def _hold(self, profile: "Profile") -> "Optional[str]":
        worst = worst_hold(profile)
        if self.hold_ns is None or worst is None or kept_waiting_ns(profile, worst) <= self.hold_ns:
            return None
        return "\n".join(
            [
                f"GIL limit exceeded: thread {worst.thread.name!r} held the GIL for "
                f"{duration(worst.duration_ns)}, and kept others waiting for "
                f"{duration(worst.contended_ns)} of it; the limit is {duration(self.hold_ns)}.",
                *_stack(culprit(profile, worst.thread)),
                *_waiters(profile, worst.thread),
            ]
        )

    def _wait(self, profile: "Profile") -> "Optional[str]":
        if self.wait_ns is None or profile.waiting_ns <= self.wait_ns:
            return None
        return _queue(
            profile,
            f"threads waited {duration(profile.waiting_ns)} for the GIL; "
            f"the limit is {duration(self.wait_ns)}.",
        )

    def _ratio(self, profile: "Profile") -> "Optional[str]":
        share = profile.waiting_ns / max(1, profile.wall_ns)
        if self.wait_ratio is None or share <= self.wait_ratio:
            return None
        return _queue(
            profile,
            f"threads waited for the GIL {percent(share)} of the time "
            f"({duration(profile.waiting_ns)} of {duration(profile.wall_ns)}); "
            f"the limit is {percent(self.wait_ratio)}.",
        )

    def _share(self, profile: "Profile") -> "Optional[str]":
        contention = profile.contention
        if self.contention is None or contention is None or contention <= self.contention:
            return None
        return _queue(
            profile,
            f"of the time that threads wanted the GIL they waited for it {percent(contention)} "
            f"({duration(profile.waiting_ns)} of waiting beside {duration(profile.holding_ns)} "
            f"of holding); the limit is {percent(self.contention)}.",
        )


class limit:
    """Fails where a block, or each call of a function, exceeds limits of the GIL:

        with gilprof.limit(hold="20ms"):
            work()

        @gilprof.limit(wait="50ms", contention=0.2)
        def work(): ...

    hold: for how long one hold may keep others waiting. wait: for how long threads may
    wait, all together; wait_ratio: the same as a part of the time of the block.
    contention: waiting, as a part of waiting and holding. Durations are written with their
    unit (ns, us, ms, s), ratios as 0.2 or "20%".

    Raises LimitExceeded, which is an AssertionError, at the end of the block; an exception
    of the block's own is not replaced.
    """

    def __init__(
        self,
        *,
        hold: "Optional[str]" = None,
        wait: "Optional[str]" = None,
        wait_ratio: "Union[str, float, None]" = None,
        contention: "Union[str, float, None]" = None,
    ) -> None:
        self._limits = Limits(hold, wait, wait_ratio, contention)
        self._windows: "List[_recording.profile]" = []

    def __enter__(self) -> "limit":
        window = _recording.profile()
        window.__enter__()
        self._windows.append(window)
        return self

    def __exit__(
        self,
        kind: "Optional[Type[BaseException]]",
        error: "Optional[BaseException]",
        traceback: "Optional[TracebackType]",
    ) -> None:
        window = self._windows.pop()
        window.__exit__(kind, error, traceback)
        excess = None if error is not None else self._limits.excess(window.result)
        if excess is not None:
            raise LimitExceeded(excess)

    def __call__(self, function: "_Function") -> "_Function":
        # Each call has a window of its own: calls may overlap.
        limits = self._limits

        def fresh() -> "limit":
            one = limit()
            one._limits = limits
            return one

        # Who imports gilprof does not pay for these.
        import functools
        import inspect

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def limited_async(*arguments: "Any", **named: "Any") -> "Any":
                with fresh():
                    return await function(*arguments, **named)

            return limited_async  # type: ignore[return-value]

        @functools.wraps(function)
        def limited(*arguments: "Any", **named: "Any") -> "Any":
            with fresh():
                return function(*arguments, **named)

        return limited  # type: ignore[return-value]


def worst_hold(profile: "Profile") -> "Optional[Hold]":
    """The hold that kept others waiting for longest; None where none did. One that had begun
    before is no fault of this time."""
    own = [hold for hold in profile.holds if hold.start_ns >= profile.start_ns]
    waited_for = [hold for hold in own if hold.contended_ns > 0]
    return max(waited_for, key=lambda hold: hold.contended_ns, default=None)


def kept_waiting_ns(profile: "Profile", hold: "Hold") -> int:
    """For how long a hold kept others waiting, without what its thread lacked a CPU for: that
    is for as long as it was preempted in the window at all, as it is not known in which hold."""
    lacked_ns = (hold.thread.holding_preempted_ns or 0) + (profile.stolen_ns or 0)
    return max(0, hold.contended_ns - lacked_ns)


def culprit(profile: "Profile", thread: "Optional[Thread]" = None) -> "Optional[Site]":
    """Where a thread, or any, made others wait for longest."""
    sites = [one for one in profile.sites("blame") if thread is None or one.thread.id == thread.id]
    return max(sites, key=lambda site: site.weight_ns, default=None)


def place(site: "Union[Site, Blamed]") -> str:
    """The innermost line of Python, and the C function in it, if that is known."""
    if not site.stack:
        return "(unknown)"
    frame = site.stack[0]
    function = _c_function(site)
    native = "" if function is None else f"{function}, called at "
    return f"{native}{frame.file}:{frame.line} in {frame.function}"


def _c_function(site: "Union[Site, Blamed]") -> "Optional[str]":
    """The innermost C function that has a name; None where none is known."""
    named = (one.function for one in site.native if not one.function.startswith("("))
    return next(named, None)


def _stack(site: "Optional[Site]") -> "List[str]":
    if site is None or not site.stack:
        return ["  where is not known"]
    function = _c_function(site)
    lines = [] if function is None else [f"  in {function}"]
    lines += [f"  at {one.file}:{one.line} in {one.function}" for one in site.stack[:_FRAMES]]
    more = len(site.stack) - _FRAMES
    return lines + ([f"  … {more} more frames"] if more > 0 else [])


def _waiters(profile: "Profile", holder: "Thread") -> "List[str]":
    rows: "List[Tuple[int, str]]" = [
        (row.waiting_ns, row.waiter.name) for row in profile.blame if row.holder.id == holder.id
    ]
    rows.sort(reverse=True)
    return [f"  thread {name!r} waited {duration(ns)} for it" for ns, name in rows[:3]]


def _queue(profile: "Profile", sentence: str) -> str:
    site = culprit(profile)
    lines = [f"GIL limit exceeded: {sentence}"]
    if site is not None:
        lines.append(
            f"  thread {site.thread.name!r} made them wait {duration(site.weight_ns)} of that"
        )
        lines += _stack(site)
    return "\n".join(lines)
