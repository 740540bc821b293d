"""Where gilprof works, told without loading its compiled part."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional


def unsupported() -> "Optional[str]":
    """Why the GIL of this interpreter cannot be profiled; None if it may be."""
    return _implementation() or _system() or _version() or _build() or _compiled()


def _implementation() -> "Optional[str]":
    name = sys.implementation.name
    if name == "cpython":
        return None
    return (
        f"this is {name}: gilprof watches the GIL of CPython and knows no other;"
        " run the program with CPython 3.9 or newer"
    )


def _system() -> "Optional[str]":
    if sys.platform == "linux":
        return None
    return (
        f"this is {sys.platform}: gilprof works on Linux only;"
        " run the program there, in a container for example"
    )


def _version() -> "Optional[str]":
    if sys.version_info >= (3, 9):
        return None
    version = ".".join(map(str, sys.version_info[:3]))
    return f"this is Python {version}: gilprof works with CPython 3.9 and newer"


def _build() -> "Optional[str]":
    # Py_GIL_DISABLED, without the time that sysconfig takes.
    if "t" not in sys.abiflags:
        return None
    return (
        "this is a free-threaded build of Python: where its GIL is off there is none to profile;"
        " where it is on (PYTHON_GIL=1), run the program with a build that has a GIL instead"
    )


def _compiled() -> "Optional[str]":
    try:
        from gilprof import _native  # noqa: F401
    except ImportError as error:
        return _not_loaded(str(error))
    return None


def _not_loaded(error: str) -> str:
    if is_subinterpreter(error):
        return (
            "this is a subinterpreter: start gilprof in the main interpreter,"
            " which records the GILs of subinterpreters as well"
        )
    return f"the compiled part of gilprof does not load: {error}"


def is_subinterpreter(error: str) -> bool:
    """Whether this is what an extension says that loads in the main one only."""
    return "subinterpreter" in error
