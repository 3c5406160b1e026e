"""Note when a signal or Ctrl-C begins to end the program.

A Python handler of such a signal begins with a hidden call that notes the time, whichever code
registers it (the program, asyncio, trio, a server), before the handler has any effect. Where the
default handler raises KeyboardInterrupt, the time is that at which an event loop ends with it.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # typeshed knows only `signal`, slower to import
import functools
from itertools import pairwise
from types import CodeType, FrameType, FunctionType, MethodType
from typing import Any

from asyncctx_trace.instrument import sinks
from asyncctx_trace.instrument.hidden_frames import call_hidden, hidden, program_frame, suspended
from asyncctx_trace.instrument.registry import tasks
from asyncctx_trace.instrument.rewriting.bytecode import UnsupportedCode
from asyncctx_trace.instrument.rewriting.code_rewriter import Original, original_of
from asyncctx_trace.instrument.rewriting.patching import beginning_with, returning_if
from asyncctx_trace.model.unpatched import unpatched
from asyncctx_trace.native import extension

__all__ = [
    "loop_failed",
    "watch_handler",
    "watch_present_handlers",
]

_native = extension("asyncctx_trace.instrument")
_NAMES = {
    int(number): name
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK")
    if (number := getattr(_signal, name, None)) is not None
}
"""Signals that ask a program to end -> their names."""

_GENERATES = 0x20 | 0x80 | 0x200
"""Flags of code whose call does not run it: generators and coroutines."""


def watch_present_handlers() -> None:
    """Watch the handlers that are registered already."""
    for number in _signal.valid_signals():
        watch_handler(number, _signal.getsignal(number))


@suspended
def watch_handler(number: object, handler: Any) -> None:
    """Have ``handler``, which is being registered for signal ``number``, note its calls.

    It is also kept from running in the middle of our own code. Handlers that are not written in
    Python are left unchanged.
    """
    try:
        if isinstance(number, int):
            call_hidden(_watch, handler, number in _NAMES)
    except Exception as error:
        sinks.hook_failed(error)


def _watch(handler: Any, ends: bool) -> None:
    while isinstance(handler, functools.partial):
        handler = handler.func
    if isinstance(handler, MethodType):
        handler = handler.__func__
    if not isinstance(handler, FunctionType):
        handler = type(handler).__dict__.get("__call__")
    if not isinstance(handler, FunctionType):
        return
    code = handler.__code__
    if code.co_flags & _GENERATES or not {_handler_called, _is_deferred}.isdisjoint(
        filter(callable, code.co_consts)
    ):
        return
    original = Original(original_of(code))
    try:
        if code.co_names or code.co_freevars:
            handler.__code__ = returning_if(code, _is_deferred, original)
        elif ends:  # it does nothing: a file descriptor notifies the event loop, and only once
            handler.__code__ = beginning_with(code, _handler_called, original)
    except (UnsupportedCode, ValueError):  # its time is unknown then; the launcher may know it
        return


@suspended
def _handler_called() -> None:
    _is_deferred_or_noted(may_defer=False)


@suspended
def _is_deferred() -> bool:
    """Whether the handler is to return at once, because it is called again when we are done.

    It may raise: pytest-timeout and many others end what runs in this way. In the middle of our
    code, the exception would end the recording, or leave something half defined.
    """
    return _is_deferred_or_noted(may_defer=_native is not None)


@hidden
def _is_deferred_or_noted(*, may_defer: bool) -> bool:
    try:
        frame = program_frame()
        number = None if frame is None else _delivered(frame)
        if number is None:
            return False
        if may_defer and _native.defer_signal(number):
            return True
        if number in _NAMES:
            call_hidden(_note, _NAMES[number])
    except Exception as error:
        sinks.hook_failed(error)
    return False


@hidden
def _delivered(handler: FrameType) -> int | None:
    """Return the signal that is being handled; ``None`` if the program calls the function itself.

    The interpreter passes the frame that the handler interrupts, which is the one below it.
    """
    code = handler.f_code
    names = code.co_varnames[: code.co_argcount]
    variables = handler.f_locals
    arguments = [variables.get(name) for name in names]
    if code.co_flags & 0x04:  # *args
        arguments += variables.get(code.co_varnames[code.co_argcount + code.co_kwonlyargcount], ())
    for number, below in pairwise(arguments):
        if below is handler.f_back and isinstance(number, int):
            return int(number)
    return None


# -- without a handler of its own -------------------------------------------------------------


@suspended
def loop_failed(error: BaseException) -> None:
    """Note that an event loop ended with ``error``."""
    if type(error) is KeyboardInterrupt:
        handler = _signal.getsignal(_signal.SIGINT)
        # Any other handler has noted its call.
        if handler is _signal.default_int_handler:
            call_hidden(_note, "KeyboardInterrupt")


def _note(reason: str) -> None:
    at = unpatched.monotonic_ns()
    # With the same time: these tasks had ended before the signal had any effect.
    tasks.note_finished(at)
    sinks.interrupted(at, unpatched.getpid(), reason)


def code_of_handler(code: CodeType, *consts: object) -> CodeType:
    """Return ``code``, of ``signal.signal``, that passes each handler to :func:`watch_handler`."""
    return beginning_with(code, watch_handler, *consts, arguments=("signalnum", "handler"))
