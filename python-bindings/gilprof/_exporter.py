"""serve_metrics: the metrics of this process for Prometheus, without the GIL."""

from gilprof import _recording

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import List, Optional, Tuple, Type, Union

    from gilprof import _native


class Exporter:
    """Serves the metrics of this process over HTTP, until it is closed or the process ends.

    A thread of gilprof's own answers, which never takes the GIL: there is an answer also
    while a thread holds the GIL for long. After a fork it goes on in the parent only.
    """

    def __init__(self, address: str = "127.0.0.1:9464", **options: "Union[int, str]") -> None:
        def listen(
            options: "List[Tuple[str, str]]", threads: "List[Tuple[int, str]]"
        ) -> "_native.Exporter":
            from gilprof import _native

            return _native.Exporter(address, options, threads)

        self._exporter: "Optional[_native.Exporter]" = _recording.opened(listen, options)
        self._address = self._exporter.address

    @property
    def address(self) -> str:
        """Where it listens, with the port that was found: "127.0.0.1:9464" or "unix:/PATH"."""
        return self._address

    def close(self) -> None:
        """Ends it, and its recording. Nothing happens the second time."""
        exporter, self._exporter = self._exporter, None
        if exporter is not None:
            _recording.discard_session(exporter)

    def __enter__(self) -> "Exporter":
        return self

    def __exit__(
        self,
        kind: "Optional[Type[BaseException]]",
        error: "Optional[BaseException]",
        traceback: "Optional[TracebackType]",
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._exporter is None else "open"
        return f"<Exporter {self._address} {state}>"


Exporter.__module__ = "gilprof"


def serve_metrics(address: str = "127.0.0.1:9464", **options: "Union[int, str]") -> Exporter:
    """Records this process, and serves its metrics at http://ADDRESS/metrics.

    The address is "127.0.0.1:PORT" or "[::1]:PORT", where port 0 is any that is free, or
    "unix:/PATH", a socket that replaces one nobody listens at. Other options are those of
    gilprof.start().
    """
    return Exporter(address, **options)
