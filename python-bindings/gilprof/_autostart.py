"""Records the program that `gilprof run` has started.

`gilprof.pth` imports this at the start of every Python that finds GILPROF in its
environment (not with -S, which skips site-packages). Only a value that begins with
region= or follow=, as `gilprof run` sets it, starts anything. Whatever goes wrong in
here, the program runs.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from gilprof._native import SharedSession

#: The recording. Dropping it stops what is recorded then, so it is kept for good: child
#: processes of multiprocessing forget what their parent has to do at its end.
_session: "Optional[SharedSession]" = None

#: Set to 1 by `gilprof run --require`.
_REQUIRE = "GILPROF_REQUIRE"


def _main() -> None:
    value = os.environ.get("GILPROF", "")
    if not value.startswith(("region=", "follow=")):
        return
    from gilprof import _platform
    from gilprof._errors import UnsupportedError

    try:
        _start(value)
    except UnsupportedError:
        # The reason is in the region by now: `gilprof run` says it.
        _refuse()
    except ImportError as error:
        # A subinterpreter is in a process that has its answer already.
        if not _platform.is_subinterpreter(str(error)):
            _say(_platform.unsupported() or str(error))
            _refuse()


def _start(value: str) -> None:
    from gilprof import _native

    # Raises if this Python must not or cannot be recorded: then nothing else is
    # touched.
    global _session
    _session = _native.SharedSession(value, [])

    import atexit

    from gilprof import _fork, _names

    _names.watch()
    _names.refresh()
    _fork.watch(variable=value)
    atexit.register(_stop)


def _stop() -> None:
    from gilprof import _names

    _names.refresh()
    if _session is not None:
        _session.stop()


def _say(reason: str) -> None:
    """For what no region could be told of."""
    import sys

    print(f"gilprof: the program runs unprofiled: {reason}", file=sys.stderr, flush=True)


def _refuse() -> None:
    """With --require, ends the process before the program runs."""
    if os.environ.get(_REQUIRE) == "1":
        os._exit(2)


try:
    _main()
except Exception:
    # `gilprof run` tells its user that nothing came.
    pass
