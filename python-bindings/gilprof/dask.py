"""Dask clusters: each worker profiles itself, and one profile has them all.

    import gilprof.dask

    with gilprof.dask.profile(client) as p:
        client.gather(futures)
    print(p.result.verdict)

    client.register_plugin(gilprof.dask.GilPlugin())
    ...
    gilprof.dask.snapshot(client)   # since the plugin was registered
"""

import gilprof

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Dict, List, Optional, Type, Union

    class WorkerPlugin: ...

else:
    try:
        from distributed.diagnostics.plugin import WorkerPlugin
    except ImportError:
        # Without Dask there is no cluster to register a plugin with.
        class WorkerPlugin: ...

#: By the name of the plugin, the recordings that its workers in this process began.
_recordings: "Dict[str, List[gilprof.profile]]" = {}


class GilPlugin(WorkerPlugin):
    """Records each worker, from when it is registered or the worker starts until the worker
    ends. Options are those of gilprof.start()."""

    def __init__(self, name: str = "gilprof", **options: "Union[int, str]") -> None:
        self.name = name
        self._options = options
        #: Each worker has a copy of the plugin.
        self._recording: "Optional[gilprof.profile]" = None

    def setup(self, worker: "Any") -> None:
        self._recording = gilprof.profile(**self._options)
        self._recording.__enter__()
        _recordings.setdefault(self.name, []).append(self._recording)

    def teardown(self, worker: "Any") -> None:
        if self._recording is not None:
            _recordings[self.name].remove(self._recording)
            self._recording.__exit__(None, None, None)
            self._recording = None


def snapshot(client: "Any", name: str = "gilprof") -> "gilprof.Profile":
    """All workers that a plugin of this name records, up to now: one profile, which has each
    process for itself in `processes`."""
    return _merged(client.run(_snapshot, name))


class profile:
    """Records all workers of a cluster for the time of a block; `result` has them in one
    profile. Workers that join meanwhile are recorded from then on; of those that leave,
    nothing is known."""

    def __init__(self, client: "Any", **options: "Union[int, str]") -> None:
        self._client, self._options = client, options
        self._name = f"gilprof-{id(self):x}"
        self._result: "Optional[gilprof.Profile]" = None

    def __enter__(self) -> "profile":
        self._client.register_plugin(GilPlugin(self._name, **self._options))
        return self

    def __exit__(
        self,
        kind: "Optional[Type[BaseException]]",
        error: "Optional[BaseException]",
        traceback: "Optional[TracebackType]",
    ) -> None:
        try:
            self._result = snapshot(self._client, self._name)
        finally:
            self._client.unregister_worker_plugin(self._name)

    @property
    def result(self) -> "gilprof.Profile":
        """The profile of the whole block, once it has ended."""
        if self._result is None:
            raise gilprof.NotRunningError("the block has not ended: inside of it, use snapshot()")
        return self._result

    def snapshot(self) -> "gilprof.Profile":
        """The profile from the begin of the block to now."""
        return snapshot(self._client, self._name)


def _snapshot(name: str) -> "Optional[gilprof.Profile]":
    """In a worker: what it went through. Workers in one process share the recording."""
    recordings = _recordings.get(name)
    return recordings[0].snapshot() if recordings else None


def _merged(answers: "Dict[str, Optional[gilprof.Profile]]") -> "gilprof.Profile":
    found = {one.recording: one for one in answers.values() if one is not None}
    if not found:
        raise gilprof.NotRunningError(
            f"none of {len(answers)} workers is recorded: "
            "client.register_plugin(gilprof.dask.GilPlugin()) first"
        )
    return gilprof.merge(*found.values())
