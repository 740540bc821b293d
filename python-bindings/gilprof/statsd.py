"""statsd and the like: the GIL's numbers, pushed through a function of yours.

    import gilprof.statsd

    def send(name, value, kind):
        if kind == "counter":
            client.incr(name, value)
        else:
            client.gauge(name, value)

    pusher = gilprof.statsd.Pusher(send, interval="10s")
"""

from gilprof._errors import OptionError
from gilprof._pushing import Pushing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Optional, Union

    import gilprof

    _Number = Union[int, float]


class Pusher(Pushing):
    """Calls `send(name, value, kind)` for each metric: of a "counter" with what it has gone up
    by since the last time, of a "gauge" with what it is.

    Who makes it calls push(), or gives an interval as in "10s", and a thread does, the first
    time at once. close() sends a last time. A `send` that raises is told of in the log, once,
    and what it was to send comes with the next time. In the child of a fork the numbers are
    the child's own, and there is no thread: call push() there, or make another one. Other
    options are those of gilprof.start().
    """

    def __init__(
        self,
        send: "Callable[[str, _Number, str], object]",
        *,
        interval: "Optional[str]" = None,
        **options: "Union[int, str]",
    ) -> None:
        if not callable(send):
            raise OptionError(f"send: {send!r} is not allowed: a function")
        self._call = send
        super().__init__(interval, options)

    def _send(self, metric: "gilprof.Metric", value: "_Number") -> None:
        self._call(metric.name, value, metric.kind)
