from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

def stand_in(original: T, /) -> T:
    """What does the same as a function or class, compiled; raises LookupError."""

def suspended(function: T, /) -> T:
    """The function, with tracing suspended in this thread while it runs."""

def quietly(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call the function with tracing suspended in this thread."""
