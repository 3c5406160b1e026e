"""How a phase of an acquisition ended."""

from __future__ import annotations

import sys
from enum import IntEnum, IntFlag

__all__ = ["EnterFlag", "ExitFlag", "Outcome", "outcome_of"]


class Outcome(IntEnum):
    """How a phase ended."""

    OK = 1
    ERROR = 2
    CANCELLED = 3
    TIMED_OUT = 4


class EnterFlag(IntFlag):
    """Further properties of an enter."""

    BY_CALL = 1
    """A method such as ``acquire()`` was called: any task may call the one that releases."""
    TRACED = 2
    """The program traces it itself, with ``traced()``."""
    BLOCKING = 4
    """It blocks its thread, and with it every task of the thread's event loop, until it has ended:
    a lock of threads."""
    BEFORE = 8
    """It began before the recording, at a time that is not known."""


class ExitFlag(IntFlag):
    """Further properties of an exit that has ended."""

    EXPIRED = 1
    """A deadline had passed, its cancellation was swallowed, and no exception was raised."""
    SKIPPED = 2
    """A generator manager's body failed past an unguarded ``yield``, so that the lines after it
    never ran."""
    PASSED_ON = 4
    """The exit raised the body's own exception, a group that contains it, or one raised from it."""
    CUT_SHORT = 8
    """A cancellation came out of an ``await`` in the exit, and no handler of the exit caught it."""
    FINISHED = 16
    """A cancellation came out of the exit after a handler of the exit had run, or at the end."""


def outcome_of(error: BaseException) -> Outcome:
    """Return the outcome of a phase that ``error`` ended; imports neither asyncio nor trio."""
    if isinstance(error, TimeoutError):
        return Outcome.TIMED_OUT
    if isinstance(error, GeneratorExit):  # the coroutine was closed from outside
        return Outcome.CANCELLED
    if _is(error, "asyncio.exceptions", "CancelledError") or _is(error, "trio", "Cancelled"):
        return Outcome.CANCELLED
    if _is(error, "trio", "TooSlowError"):
        return Outcome.TIMED_OUT
    return Outcome.ERROR


def _is(error: BaseException, module: str, name: str) -> bool:
    """Return whether ``error`` is of a class whose module may not be imported, or only in part."""
    cls = getattr(sys.modules.get(module), name, None)
    return cls is not None and isinstance(error, cls)
