"""Tells whether anything inside the process could still wake a sleeping event loop."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # typeshed knows only `signal`, slower to import
import functools
from collections.abc import Mapping
from types import FrameType
from typing import Any

from asyncctx_trace.instrument.hidden_frames import hidden

__all__ = ["is_quiescent"]


@hidden
def is_quiescent(loop: Any, thread: int, frames: Mapping[int, FrameType]) -> bool:
    """Whether ``loop``, asleep in ``thread``, can be woken by nothing in this process.

    That is proven only for asyncio's own loops: nothing is ready or scheduled, no file descriptor
    is watched but its own, no signal has a handler of the program's, and all other threads, by
    ``frames``, are idle workers of executors.
    """
    try:
        selector = loop._selector
        return (
            not loop._ready
            and all(handle._cancelled for handle in loop._scheduled)
            and len(selector.get_map()) == loop._internal_fds
            and not loop._signal_handlers
            and not _has_signal_handlers()
            and all(number == thread or _is_idle(frame) for number, frame in frames.items())
        )
    except (AttributeError, RuntimeError):  # another kind of loop, or one that is being changed
        return False


@hidden
def _has_signal_handlers() -> bool:
    for number in _signal.valid_signals():
        handler = _signal.getsignal(number)
        if callable(handler) and handler is not _signal.default_int_handler:
            if type(handler) is functools.partial and _is_of_runner(handler.func):
                continue  # it cancels the main task, as Ctrl-C does
            return True
    return False


@hidden
def _is_of_runner(function: Any) -> bool:
    return getattr(function, "__qualname__", "") == "Runner._on_sigint"


@hidden
def _is_idle(frame: FrameType) -> bool:
    """Whether a thread is a worker of an executor that waits for work."""
    code = frame.f_code
    return (
        code.co_name == "_worker" and frame.f_globals.get("__name__") == "concurrent.futures.thread"
    )
