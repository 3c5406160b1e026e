"""An exception that ended a phase, described without keeping the exception."""

from __future__ import annotations

from dataclasses import dataclass
from traceback import TracebackException
from typing import TypeAlias

from asyncctx_trace.model.constants import HIDDEN_FILE

__all__ = ["ErrorInfo", "ErrorKey", "describe", "key_of"]

ErrorKey: TypeAlias = tuple[int, type, str]
"""Address, class and message of an exception."""


@dataclass(slots=True, frozen=True)
class ErrorInfo:
    """An exception that ended a phase."""

    type: str
    message: str
    recorded: bool
    """Whether this phase records it: it is an error that no inner phase has recorded."""
    traceback: TracebackException | None = None
    """``None`` if it is not recorded here, or could not be read."""


def key_of(error: BaseException) -> ErrorKey:
    """Return what identifies ``error`` as long as it is being raised."""
    try:
        message = str(error)
    except Exception:  # the program's own __str__ is broken
        message = "(its message cannot be shown)"
    return id(error), type(error), message


def describe(error: BaseException, key: ErrorKey, recorded: bool) -> ErrorInfo:
    """Describe ``error``, whose key is ``key``, with its traceback if it is ``recorded``."""
    _, cls, message = key
    name = f"{cls.__module__}.{cls.__qualname__}".removeprefix("builtins.")
    return ErrorInfo(name, message, recorded, _traceback(error) if recorded else None)


def _traceback(error: BaseException) -> TracebackException | None:
    # Our frames that the exception passes at this moment do not belong to the traceback.
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == HIDDEN_FILE:
        trace = trace.tb_next
    try:
        # Source lines are read when it is formatted, on the worker's thread.
        return TracebackException(type(error), error, trace, lookup_lines=False)
    except Exception:  # frames of a code generator may be malformed
        return None
