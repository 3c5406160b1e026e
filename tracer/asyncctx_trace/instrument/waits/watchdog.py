"""Starts and stops the watchdog of the event loops that run in this process."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

from asyncctx_trace.instrument import sinks
from asyncctx_trace.instrument.hidden_frames import hidden, suspended
from asyncctx_trace.instrument.waits.stalls import INTERVAL_NS, RunningLoop, look
from asyncctx_trace.model.unpatched import unpatched
from asyncctx_trace.native import accelerated, extension

__all__ = [
    "IS_POSSIBLE",
    "continue_after_fork",
    "forget_after_fork",
    "loop_ended",
    "loop_started",
    "next_iteration",
    "pause_for_fork",
    "watch",
]

_lock = unpatched.RLock()
"""Held while loops are added or removed, and while the thread is started or stopped."""
_loops: tuple[RunningLoop, ...] = ()
_running = False
_own: Callable[[str], bool] | None = None
"""Which files are the program's; ``None`` while nothing is to be watched."""


_native = extension("asyncctx_trace.instrument")
"""Has the thread; without it, nothing is watched."""
IS_POSSIBLE = _native is not None
"""Whether loops can be watched."""


@accelerated
@hidden
def next_iteration() -> None:
    """Count an iteration; called by every loop at the beginning of one.

    Only native code counts, since nothing is watched without it.
    """


def watch(own: Callable[[str], bool] | None) -> None:
    """Watch the loops that start from now on; ``own`` says which files are the program's."""
    global _own
    with _lock:
        _own = own
        _set_running()


@suspended
def loop_started(loop: Any) -> RunningLoop | None:
    """Note that ``loop`` begins to run in this thread."""
    global _loops
    if _own is None or _native is None:
        return None
    started = RunningLoop(loop, threading.get_ident(), threading.get_native_id())
    with _lock:
        _loops = (*_loops, started)
        _set_running()
    return started


@suspended
def loop_ended(started: RunningLoop | None) -> None:
    """Note that a loop has ended; ``started`` is what ``loop_started`` has returned."""
    global _loops
    if started is not None:
        with _lock:
            _loops = tuple(loop for loop in _loops if loop is not started)
            _set_running()


def pause_for_fork() -> None:
    """End the thread before a fork, which would warn of it, and whose child would not have it."""
    global _running
    with _lock:
        if _running:
            _running = False
            _native.stop_watchdog()


def continue_after_fork() -> None:
    """Start the thread again in the parent.

    From CPython 3.14 on the interpreter counts threads after this, to warn of them: there it
    starts with the next loop.
    """
    if sys.version_info < (3, 14):
        with _lock:
            _set_running()


def forget_after_fork() -> None:
    """Watch nothing in the child until a loop starts there."""
    global _lock, _loops, _running
    _lock = unpatched.RLock()  # another thread of the parent may have held it
    _loops = ()
    _running = False


def _set_running() -> None:
    global _running
    wanted = bool(_loops) and _own is not None
    if _native is None or wanted == _running:
        return
    _running = wanted
    try:
        if wanted:
            _native.start_watchdog(suspended(_look), INTERVAL_NS)
        else:
            _native.stop_watchdog()
    except Exception as error:  # no more threads: nothing is watched
        _running = False
        sinks.hook_failed(error)


def _look() -> None:
    own = _own
    if own is None:
        return
    try:
        look(_loops, _native.iterations(), own)
    except Exception as error:
        sinks.hook_failed(error)
