"""Keeps our frames out of the program's tracebacks, stacks, warnings and debugger."""

from __future__ import annotations

import opcode
import sys
from collections.abc import Callable
from functools import update_wrapper
from types import CodeType, FrameType, FunctionType
from typing import ParamSpec, TypeVar, cast

__all__ = ["invisible", "program_frame", "quietly", "unobserve", "unobserved"]

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., object])

_FILE = "<importlib._bootstrap of asyncctx_trace>"
_RESUME = opcode.opmap["RESUME"]
_NOP = opcode.opmap["NOP"]
_CACHE = opcode.opmap["CACHE"]


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
    plain.__code__ = plain.__code__.replace(co_filename=_FILE, co_linetable=b"")
    return function


def unobserved(function: F) -> F:
    """Make calls of ``function``, no generator, pass unnoticed altogether.

    The interpreter takes a frame for complete, and shows it, once it has passed the instruction
    RESUME. Without one it is in no traceback and on no stack (``sys._getframe`` skips it), and
    neither ``sys.settrace`` nor ``sys.setprofile`` nor ``sys.monitoring`` hears of it.
    CPython 3.11 would tell a profiler of the return alone, so there the function is seen.
    """
    if sys.version_info < (3, 12):
        return function
    plain = cast(FunctionType, function)
    code = _without_resume(plain.__code__)
    # A new function, for the interpreter never again calls one fast that has had its code changed.
    made = FunctionType(
        code, plain.__globals__, plain.__name__, plain.__defaults__, plain.__closure__
    )
    made.__kwdefaults__ = plain.__kwdefaults__
    return cast(F, update_wrapper(made, plain, updated=("__dict__",)))


def unobserve(function: FunctionType) -> None:
    """The same for a function that somebody may hold already."""
    if sys.version_info >= (3, 12):
        function.__code__ = _without_resume(function.__code__)


def _without_resume(code: CodeType) -> CodeType:
    raw = bytearray(code.co_code)
    start = next((i for i in range(0, len(raw), 2) if raw[i] == _RESUME), None)
    if start is None:
        return code
    end = start + 2
    while raw[end] == _CACHE:  # CPython 3.15 keeps something behind it
        end += 2
    raw[start:end] = bytes((_NOP, 0)) * ((end - start) // 2)
    return code.replace(co_code=bytes(raw))


@unobserved
def quietly(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call ``function`` without a debugger's hearing of what it calls in its turn.

    For what happens seldom: while somebody traces, turning that off and on takes its time.
    """
    trace = sys.gettrace()
    if trace is None:
        return function(*args, **kwargs)
    sys.settrace(None)
    try:
        return function(*args, **kwargs)
    finally:
        sys.settrace(trace)


def program_frame() -> FrameType | None:
    """The innermost frame that is not ours."""
    frame: FrameType | None = sys._getframe(0)
    while frame is not None and _ours(frame):
        frame = frame.f_back
    return frame


def _ours(frame: FrameType) -> bool:
    name = frame.f_globals.get("__name__", "")
    return frame.f_code.co_filename == _FILE or name.startswith("asyncctx_trace.instrument.")
