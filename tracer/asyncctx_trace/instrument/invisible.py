"""Keeps our frames out of the program's tracebacks, warnings and debugger."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import TypeVar, cast

__all__ = ["invisible"]

F = TypeVar("F", bound=Callable[..., object])


def invisible(function: F) -> F:
    """Make the frames of ``function`` pass unnoticed.

    - ``warnings.warn(stacklevel=2)`` skips frames whose file name has both ``importlib`` and
      ``_bootstrap`` in it, as it does for the import system's own.
    - A debugger stops at lines, and the code is left without any.
    - A traceback gets an entry for a frame when an exception comes up into it. The function
      takes that entry off and re-raises with a bare ``raise``, which adds none::

          except BaseException as error:
              error.__traceback__ = error.__traceback__.tb_next
              raise
    """
    plain = cast(FunctionType, function)
    plain.__code__ = plain.__code__.replace(
        co_filename="<importlib._bootstrap of asyncctx_trace>", co_linetable=b""
    )
    return function
