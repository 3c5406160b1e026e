from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

def stand_in(original: T, /) -> T:
    """What does the same as a function or class, compiled; raises LookupError."""

def suspended(function: T, /) -> T:
    """The function, with tracing suspended in this thread while it runs."""

def quietly(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call the function with tracing suspended in this thread."""

def watched(
    awaitable: Awaitable[T],
    start: Callable[[], object],
    end: Callable[[Any, Any, BaseException | None], object],
    /,
) -> Awaitable[T]:
    """``awaitable``, which calls ``start()`` before its first step, and after its last
    ``end(ticket, value, error)``, where one of the latter is None; both with tracing suspended."""
