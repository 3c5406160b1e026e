from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

SCHEMA: int
SOURCES: int
ACCELERATED: list[str]

class AddressTable(dict[int, T]):
    """A dict from addresses to values, with an index for native code."""

def accelerate(name: str, original: T, /) -> T:
    """The C implementation of a function or class; raises LookupError."""

def adopt_main_thread() -> None:
    """Take this thread, which has forked, for the one that runs handlers of signals."""

def bind(**shared: object) -> None:
    """Give the C implementation all that it reads from Python, and switch it on."""

def suspended(function: T, /) -> T:
    """The function, with tracing suspended in this thread while it runs."""

def call_hidden(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call the function with tracing suspended in this thread."""

def defer_signal(number: int, /) -> bool:
    """Whether a signal interrupts our own code; it is then raised again when that is done."""

def iterations() -> int:
    """How many iterations of event loops have been counted."""

def read_running_tasks_from(tasks: dict[Any, Any], running_loop: Callable[[], Any], /) -> None:
    """Ask asyncio for the running task without a call of its function: tasks are by loop."""
