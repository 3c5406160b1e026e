"""Starts and stops the watchdog of this process and of its event loops."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

from asyncctx_trace.instrument import sinks
from asyncctx_trace.instrument.hidden_frames import hidden, suspended
from asyncctx_trace.instrument.waits import periodic_thread
from asyncctx_trace.instrument.waits.stalls import INTERVAL_NS, RunningLoop, look
from asyncctx_trace.model.unpatched import unpatched
from asyncctx_trace.native import accelerated, extension

__all__ = [
    "IS_POSSIBLE",
    "continue_after_fork",
    "forget_after_fork",
    "is_asked_for",
    "loop_ended",
    "loop_started",
    "next_iteration",
    "observe",
    "pause_for_fork",
    "stop_observing",
    "watch",
]

_lock = unpatched.RLock()
"""Held while loops are added or removed, and while the thread is started or stopped."""
_loops: tuple[RunningLoop, ...] = ()
_observers: tuple[Callable[[], None], ...] = ()
"""Called each time as well, whether loops run or not."""
_running = False
_own: Callable[[str], bool] | None = None
"""Which files are the program's; ``None`` while nothing is to be watched."""


_native = extension("asyncctx_trace.instrument")
"""Has the thread, and counts iterations; without it, no loop is watched."""
IS_POSSIBLE = _native is not None
"""Whether loops can be watched."""
_threads: Any = _native or periodic_thread
"""Has the functions that start and stop the thread."""


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


def is_asked_for() -> bool:
    """Return whether loops that start are watched."""
    return _own is not None and _native is not None


def observe(look: Callable[[], None]) -> None:
    """Call ``look`` 25 times a second, on the watchdog's thread, until it raises."""
    global _observers
    with _lock:
        _observers = (*_observers, look)
        _set_running()


def stop_observing(look: Callable[[], None]) -> None:
    """End what :func:`observe` began; no call is running afterwards."""
    global _observers
    pause_for_fork()  # a call may be running
    with _lock:
        _observers = tuple(other for other in _observers if other != look)
        _set_running()


@suspended
def loop_started(loop: Any) -> RunningLoop | None:
    """Note that ``loop`` begins to run in this thread."""
    global _loops
    if _own is None or _native is None:
        if _observers:  # after a fork, from CPython 3.14 on
            with _lock:
                _set_running()
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
            _threads.stop_watchdog()


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
    global _lock, _loops, _observers, _running
    _lock = unpatched.RLock()  # another thread of the parent may have held it
    _loops, _observers = (), ()
    _running = False


def _set_running() -> None:
    global _running
    watched = _native is not None and bool(_loops) and _own is not None
    wanted = watched or bool(_observers)
    if wanted == _running:
        return
    _running = wanted
    try:
        if wanted:
            _threads.start_watchdog(suspended(_look), INTERVAL_NS)
        else:
            _threads.stop_watchdog()
    except Exception as error:  # no more threads: nothing is watched
        _running = False
        sinks.hook_failed(error)


def _look() -> None:
    global _observers
    own = _own
    if own is not None and _native is not None and _loops:
        try:
            look(_loops, _native.iterations(), own)
        except Exception as error:
            sinks.hook_failed(error)
    for observer in _observers:
        try:
            observer()
        except Exception as error:
            _observers = tuple(other for other in _observers if other != observer)
            _log_failure(observer, error)


def _log_failure(observer: Callable[[], None], error: Exception) -> None:
    import logging  # seldom needed

    logging.getLogger("asyncctx_trace").error(
        "asyncctx-trace: %s failed and is not called again; the program continues without it",
        getattr(observer, "__qualname__", observer),
        exc_info=error,
    )
