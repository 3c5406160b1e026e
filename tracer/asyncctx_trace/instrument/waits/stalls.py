"""Notices when an event loop cannot go on because a callback blocks it.

A watchdog looks at the stack of each thread that runs a loop, 25 times a second. A stall is one
call of a callback that is seen, in one iteration of the loop, for longer than a tenth of a second
in which its thread did run or wait, and not only for a processor.
"""

from __future__ import annotations

import gc
import itertools
import os
import sys
import threading
from types import FrameType
from typing import Any

from asyncctx_trace.instrument import sinks
from asyncctx_trace.instrument.hidden_frames import hidden
from asyncctx_trace.instrument.registry import tasks
from asyncctx_trace.instrument.registry.callers import site_at
from asyncctx_trace.instrument.waits.quiescence import WaitingThreads, waiting_threads
from asyncctx_trace.model.unpatched import unpatched

__all__ = ["INTERVAL_NS", "RunningLoop", "look"]

INTERVAL_NS = 40_000_000
"""How often the watchdog looks."""
_THRESHOLD_NS = 100_000_000
"""How long one callback may run before it is a stall."""
_QUIET_NS = 500_000_000
"""How long a loop sleeps before it is asked whether anything can still wake it."""
_LOOKS = 3
"""How often nothing must be seen to have changed by then, that it cannot be woken."""
_DEPTH = 48
"""How many frames of a stack are kept."""
_CALLING = frozenset({"_run", "run_forever", "run_until_complete", "_run_once"})
"""The functions of asyncio that call callbacks, and those that call loops not written in Python."""
_OF_LOOPS = frozenset({"asyncio.events", "asyncio.base_events"})
_next_stall = itertools.count(1).__next__


class RunningLoop:
    """An event loop that runs, and what the watchdog saw of it."""

    __slots__ = (
        "callback",
        "collections",
        "delayed",
        "is_quiet",
        "looks",
        "loop",
        "native_thread",
        "since",
        "stall",
        "thread",
        "waiting",
    )

    def __init__(self, loop: Any, thread: int, native_thread: int) -> None:
        self.loop = loop
        self.thread = thread
        self.native_thread = native_thread
        self.callback = (0, 0)
        """The iteration, and the address of the frame of the callback that ran, when last looked;
        0 while the loop waited for events."""
        self.since = unpatched.monotonic_ns()
        """When that was seen first."""
        self.delayed = 0
        """How long the thread had waited for a processor by then, in ns."""
        self.collections = 0
        """How many full garbage collections there had been by then."""
        self.stall = 0
        """The id of the stall that goes on, ``0`` for none."""
        self.waiting: WaitingThreads | None = None
        """The threads that wait for others, when nothing was seen last that can wake the loop."""
        self.looks = 0
        """How often that has been seen since then, unchanged."""
        self.is_quiet = False
        """Whether it was published that nothing in the process can wake the loop."""


@hidden
def look(loops: tuple[RunningLoop, ...], iteration: int, own: Any) -> None:
    """Look at every loop once.

    ``iteration`` counts the iterations of all loops; ``own`` says which files are the program's.
    """
    sink: Any = sinks.active.sink
    if sink is None or not hasattr(sink, "stall_started"):
        return
    frames = sys._current_frames()
    frames.pop(threading.get_ident(), None)  # on CPython 3.11 frames cannot be hidden
    for loop in loops:
        innermost = frames.get(loop.thread)
        if innermost is None:
            continue
        at = unpatched.monotonic_ns()
        outermost = _outermost_of_callback(innermost)
        callback = iteration, 0 if outermost is None else id(outermost)
        if callback != loop.callback:
            if loop.stall:
                delayed = _delay(loop.native_thread) - loop.delayed
                sink.stall_ended(at, loop.stall, _collections() - loop.collections, delayed)
            loop.callback, loop.since, loop.stall = callback, at, 0
            loop.waiting, loop.looks, loop.is_quiet = None, 0, False
            loop.collections, loop.delayed = _collections(), _delay(loop.native_thread)
        elif outermost is None:
            if not loop.is_quiet and at - loop.since >= _QUIET_NS and _is_quiescent(loop, frames):
                loop.is_quiet = True
                tasks.note_finished(at, holders_only=False)  # who could have woken the others
                sink.quiescent(at, loop.since)
        elif not loop.stall:
            delayed = _delay(loop.native_thread) - loop.delayed
            if at - loop.since - delayed >= _THRESHOLD_NS:
                loop.stall = _publish(sink, loop, innermost, outermost, at, own)


@hidden
def _is_quiescent(loop: RunningLoop, frames: dict[int, FrameType]) -> bool:
    waiting = waiting_threads(loop.loop, loop.thread, frames)
    if waiting is None or waiting != loop.waiting:
        loop.waiting, loop.looks = waiting, 0
        return False
    loop.looks += 1
    return loop.looks >= _LOOKS


@hidden
def _outermost_of_callback(frame: FrameType) -> FrameType | None:
    """The outermost frame of what the loop has called; ``None`` while it waits for events."""
    name = frame.f_globals.get("__name__")
    if name == "selectors" or (name in _OF_LOOPS and frame.f_code.co_name in _CALLING):
        return None
    inner, outer = frame, frame.f_back
    while outer is not None:
        if outer.f_code.co_name in _CALLING and outer.f_globals.get("__name__") in _OF_LOOPS:
            return inner
        inner, outer = outer, outer.f_back
    return None


@hidden
def _publish(
    sink: Any, loop: RunningLoop, innermost: FrameType, outermost: FrameType, at: int, own: Any
) -> int:
    stack: list[tuple[str, int, str]] = []
    site = 0
    frame: FrameType | None = innermost
    while frame is not None and len(stack) < _DEPTH:
        code = frame.f_code
        stack.append((code.co_filename, frame.f_lineno or 0, code.co_qualname))
        if not site and own(code.co_filename):
            site = site_at(frame).id
        if frame is outermost:
            break
        frame = frame.f_back
    native = _task_of(loop.loop)
    task = None if native is None else tasks.of_native(native)
    stall = _next_stall()
    sink.stall_started(loop.since, at, stall, 0 if task is None else task.id, site, stack)
    return stall


@hidden
def _task_of(loop: Any) -> Any:
    """Return the task object that runs in ``loop``, in any thread, or ``None``."""
    module = sys.modules.get("asyncio.tasks")
    return None if module is None else module.current_task(loop)


@hidden
def _collections() -> int:
    found: int = gc.get_stats()[2]["collections"]
    return found


@hidden
def _delay(native_thread: int) -> int:
    """How long a thread has waited for a processor, in ns; 0 where the system does not say."""
    try:
        file = unpatched.open(f"/proc/self/task/{native_thread}/schedstat", os.O_RDONLY)
        try:
            return int(unpatched.read(file, 100).split()[1])
        finally:
            unpatched.close(file)
    except (OSError, ValueError, IndexError):
        return 0
