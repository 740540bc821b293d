"""Labels around functions."""

import functools
import inspect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Coroutine, Generator, Union

    from gilprof._native import Span

    _Steps = Union[Coroutine[Any, Any, Any], Generator[Any, Any, Any]]


def labelled(span: "Span", function: "Callable[..., Any]") -> "Callable[..., Any]":
    """The function, each call of which is a span."""
    if not callable(function):
        raise TypeError(f"function: {function!r} is not allowed: a function or a coroutine function")
    if inspect.isasyncgenfunction(function):
        raise TypeError(
            f"function: {function!r} is not allowed: an asynchronous generator has no span of its"
            " own; label the blocks inside of it"
        )
    if inspect.iscoroutinefunction(function):
        return _coroutine_function(span, function)
    if inspect.isgeneratorfunction(function):
        return _generator_function(span, function)

    @functools.wraps(function)
    def call(*arguments: "Any", **named: "Any") -> "Any":
        with span:
            return function(*arguments, **named)

    return call


def _coroutine_function(span: "Span", function: "Callable[..., Any]") -> "Callable[..., Any]":
    @functools.wraps(function)
    async def call(*arguments: "Any", **named: "Any") -> "Any":
        return await _Awaited(span, function(*arguments, **named))

    return call


def _generator_function(span: "Span", function: "Callable[..., Any]") -> "Callable[..., Any]":
    @functools.wraps(function)
    def call(*arguments: "Any", **named: "Any") -> "Generator[Any, Any, Any]":
        return (yield from _steps(span, function(*arguments, **named)))

    return call


class _Awaited:
    """A coroutine, each step of which is a part of a span."""

    def __init__(self, span: "Span", coroutine: "Coroutine[Any, Any, Any]") -> None:
        self._span, self._coroutine = span, coroutine

    def __await__(self) -> "Generator[Any, Any, Any]":
        return _steps(self._span, self._coroutine)


def _steps(span: "Span", steps: "_Steps") -> "Generator[Any, Any, Any]":
    """Passes on what is sent and thrown, and what comes back; what goes on in between is in
    no span."""
    step: "Callable[[Any], Any]" = steps.send
    value: "Any" = None
    while True:
        span.__enter__()
        try:
            given = step(value)
        except BaseException as ended:
            span.__exit__(None, None, None)
            # Else the traceback would keep itself alive.
            value = None
            if isinstance(ended, StopIteration):
                return ended.value
            raise
        span._pause()
        try:
            step, value = steps.send, (yield given)
        except BaseException as error:
            step, value = steps.throw, error
