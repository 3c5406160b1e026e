"""Find out whether anything inside the process can still wake a sleeping event loop."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # typeshed knows only `signal`, slower to import
import functools
from collections.abc import Mapping
from types import FrameType
from typing import Any

from asyncctx_trace.instrument.hidden_frames import hidden

__all__ = ["WaitingThreads", "waiting_threads"]

WaitingThreads = frozenset[tuple[int, int, int]]
"""Threads that wait for other ones: the number of the thread, the address of its innermost frame
and the instruction. As long as they are the same, none of them has run."""


@hidden
def waiting_threads(
    loop: Any, thread: int, frames: Mapping[int, FrameType]
) -> WaitingThreads | None:
    """Return the threads that wait for other ones, if nothing else could wake ``loop``.

    ``loop`` is asleep in ``thread``; ``frames``: thread -> its innermost frame. ``None`` if it may
    be woken. That it cannot is proven only for asyncio's own loops: nothing is ready or scheduled,
    no file descriptor is watched but its own, no signal has a handler of the program's, and all
    other threads are idle workers of executors, or wait for another thread without a deadline.
    """
    try:
        selector = loop._selector
        can_be_woken = (
            loop._ready
            or not all(handle._cancelled for handle in loop._scheduled)
            or len(selector.get_map()) != loop._internal_fds
            or loop._signal_handlers
            or _has_signal_handlers()
        )
    except (AttributeError, RuntimeError):  # another kind of loop, or one that is being changed
        return None
    if can_be_woken:
        return None
    waiting = []
    for number, frame in frames.items():
        if number == thread or _is_idle(frame):
            continue
        if not _waits_without_deadline(frame):
            return None
        waiting.append((number, id(frame), frame.f_lasti))
    return frozenset(waiting)


@hidden
def _has_signal_handlers() -> bool:
    for number in _signal.valid_signals():
        handler = _signal.getsignal(number)
        if callable(handler) and handler is not _signal.default_int_handler:
            if getattr(handler, "__asyncctx_trace__", False):
                continue  # ours: it wakes nothing
            if type(handler) is functools.partial and _is_of_runner(handler.func):
                continue  # it cancels the main task, as Ctrl-C does
            return True
    return False


@hidden
def _is_of_runner(function: Any) -> bool:
    return getattr(function, "__qualname__", "") == "Runner._on_sigint"


@hidden
def _waits_without_deadline(frame: FrameType) -> bool:
    """Whether a thread waits in ``threading`` until another one wakes it.

    Queues, events, semaphores, and futures of executors and of ``run_coroutine_threadsafe`` all
    wait there for a condition.
    """
    if frame.f_globals.get("__name__") != "threading":
        return False
    name = frame.f_code.co_name
    return (name == "wait" or name == "join") and frame.f_locals.get("timeout", 0) is None


@hidden
def _is_idle(frame: FrameType) -> bool:
    """Whether a thread is a worker of an executor that waits for work."""
    code = frame.f_code
    return (
        code.co_name == "_worker" and frame.f_globals.get("__name__") == "concurrent.futures.thread"
    )
