"""Why an event loop is late: because of the GIL, or because of its own callbacks.

    import gilprof.asyncio

    async def main():
        with gilprof.asyncio.lag() as lag:
            await serve()
        print(lag)

A turn of the loop is from one look for events to the next. While a turn lasts everything
else that is ready has to wait, for one of three reasons: the loop's thread waits for the GIL,
callbacks compute, or callbacks are blocked in calls that they should have awaited.
"""

import asyncio
import heapq

import gilprof
from gilprof._units import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Callable, List, Optional, Tuple, Type, Union

    from gilprof._native import Measure

#: So many of the longest turns are kept.
_KEPT = 10


class Turn:
    """One turn of an event loop, without the time in which there was nothing to do."""

    __slots__ = ("blocked_ns", "computing_ns", "gil_ns", "started_ns")

    def __init__(self, started_ns: int, gil_ns: int, computing_ns: int, blocked_ns: int) -> None:
        #: When it began, since lag() did.
        self.started_ns = started_ns
        #: The loop's thread waited for the GIL: to see what was ready, or in a callback.
        self.gil_ns = gil_ns
        #: Callbacks, and the loop itself, held the GIL.
        self.computing_ns = computing_ns
        #: Callbacks were in calls that let go of the GIL, and that nobody awaited.
        self.blocked_ns = blocked_ns

    @property
    def lag_ns(self) -> int:
        """How much later the last thing that was ready had its turn."""
        return self.gil_ns + self.computing_ns + self.blocked_ns

    def __repr__(self) -> str:
        return (
            f"<Turn lag={duration(self.lag_ns)} gil={duration(self.gil_ns)} "
            f"computing={duration(self.computing_ns)} blocked={duration(self.blocked_ns)}>"
        )


class lag:
    """Measures the turns of an event loop while a block lasts, in the loop's own thread. The
    process is recorded meanwhile; options are those of gilprof.start()."""

    def __init__(
        self, loop: "Optional[asyncio.AbstractEventLoop]" = None, **options: "Union[int, str]"
    ) -> None:
        self._loop, self._options = loop, options
        #: How many turns there were.
        self.turns = 0
        #: The sums of all turns.
        self.gil_ns = self.computing_ns = self.blocked_ns = 0
        #: With numbers that tell the younger of two equal ones.
        self._longest: "List[Tuple[int, int, Turn]]" = []
        self._recording: "Optional[gilprof.profile]" = None
        self._restore: "Optional[Callable[[], None]]" = None
        self._turn: "Optional[Measure]" = None
        #: What the turn under way spent in looking for events.
        self._idle_ns = 0
        self._passed_ns = 0

    @property
    def lag_ns(self) -> int:
        """The sum of all turns."""
        return self.gil_ns + self.computing_ns + self.blocked_ns

    @property
    def longest(self) -> "List[Turn]":
        """The ten longest turns, the longest first."""
        return [turn for _, _, turn in sorted(self._longest, key=lambda one: -one[0])]

    def __enter__(self) -> "lag":
        loop = asyncio.get_running_loop() if self._loop is None else self._loop
        selector = getattr(loop, "_selector", None)
        if selector is None:
            raise gilprof.UnsupportedError(
                f"{type(loop).__name__} has no selector that can be measured: "
                "use asyncio's own event loop, or gilprof.profile() for the whole thread"
            )
        self._recording = gilprof.profile(**self._options)
        self._recording.__enter__()
        self._measure(selector)
        self._begin()
        return self

    def __exit__(
        self,
        kind: "Optional[Type[BaseException]]",
        error: "Optional[BaseException]",
        traceback: "Optional[TracebackType]",
    ) -> None:
        self._end()
        if self._restore is not None:
            self._restore()
        if self._recording is not None:
            self._recording.__exit__(kind, error, traceback)

    def _measure(self, selector: "Any") -> None:
        """From now on, each look for events ends a turn."""
        select, others = selector.select, selector.__dict__.get("select")

        def measured(timeout: "Optional[float]" = None) -> "Any":
            self._end()
            self._begin()
            with gilprof.measure("select") as idle:
                found = select(timeout)
            self._idle_ns = idle.detached_ns or 0
            return found

        def restore() -> None:
            # Somebody may have put theirs over ours; it calls ours for good, then.
            if selector.__dict__.get("select") is not measured:
                return
            del selector.select
            if others is not None:
                selector.select = others

        selector.select = measured
        self._restore = restore

    def _begin(self) -> None:
        self._idle_ns = 0
        self._turn = gilprof.measure("turn")
        self._turn.__enter__()

    def _end(self) -> None:
        turn, self._turn = self._turn, None
        if turn is None:
            return
        turn.__exit__(None, None, None)
        blocked_ns = max(0, (turn.detached_ns or 0) - self._idle_ns)
        one = Turn(self._passed_ns, turn.waiting_ns or 0, turn.holding_ns or 0, blocked_ns)
        self._passed_ns += turn.wall_ns or 0
        self.turns += 1
        self.gil_ns += one.gil_ns
        self.computing_ns += one.computing_ns
        self.blocked_ns += one.blocked_ns
        keep = heapq.heappush if len(self._longest) < _KEPT else heapq.heappushpop
        keep(self._longest, (one.lag_ns, self.turns, one))

    def __str__(self) -> str:
        """One sentence."""
        if not self.turns:
            return "The loop made no turn."
        parts = [
            (self.gil_ns, "waiting for the GIL"),
            (self.computing_ns, "computing in its callbacks"),
            (self.blocked_ns, "blocked in its callbacks"),
        ]
        parts.sort(reverse=True)
        told = ", ".join(f"{duration(ns)} {what}" for ns, what in parts)
        worst = self.longest[0]
        return (
            f"In {self.turns} turns the loop was {told}; the longest turn took "
            f"{duration(worst.lag_ns)}, {duration(worst.gil_ns)} of it waiting for the GIL."
        )

    def __repr__(self) -> str:
        return f"<lag turns={self.turns} lag={duration(self.lag_ns)} gil={duration(self.gil_ns)}>"
