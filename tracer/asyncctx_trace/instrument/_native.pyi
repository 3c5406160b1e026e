from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

SCHEMA: int
SOURCES: int
ACCELERATED: list[str]

def accelerate(name: str, original: T, /) -> T:
    """The C implementation of a function or class; raises LookupError."""

def bind(**shared: object) -> None:
    """Give the C implementation all that it reads from Python, and switch it on."""

def suspended(function: T, /) -> T:
    """The function, with tracing suspended in this thread while it runs."""

def call_hidden(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call the function with tracing suspended in this thread."""

def defer_signal(number: int, /) -> bool:
    """Whether a signal interrupts our own code; it is then raised again when that is done."""
