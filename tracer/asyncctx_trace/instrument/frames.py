"""The frames of the running task, across the greenlets that libraries run sync code in."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from asyncctx_trace.instrument import tasks
from asyncctx_trace.instrument.invisible import is_ours, program_frame, unobserved

__all__ = ["next_frame", "program_frames"]

_LOOPS = frozenset({"asyncio.base_events", "asyncio.events", "asyncio.runners", "trio._core._run"})
"""Modules whose frames run tasks: below them is not the task, but who started the loop."""


@unobserved
def program_frames(
    own: Callable[[str], bool], library: str, limit: int = 1
) -> tuple[list[FrameType], FrameType | None]:
    """Find the running task's innermost frames of the program's own code.

    ``own`` tells of a file whether it is the program's; frames of the top-level package
    ``library`` never count. Returns at most ``limit`` frames, innermost first, and the
    outermost frame of the task.
    """
    last = _root()
    found: list[FrameType] = []
    outermost: FrameType | None = None
    frame = program_frame()
    greenlet = None
    while frame is not None:
        if not is_ours(frame):
            module = frame.f_globals.get("__name__") or ""
            if module in _LOOPS and frame is not last:
                break
            outermost = frame
            if own(frame.f_code.co_filename) and module.partition(".")[0] != library:
                found.append(frame)
                if len(found) == limit:
                    break
            if frame is last:
                break
        frame = frame.f_back
        if frame is None:
            # SQLAlchemy's asyncio extension runs its sync code in a greenlet of its own; the
            # coroutine that started it is suspended in the parent.
            greenlet = _greenlet() if greenlet is None else greenlet.parent
            frame = None if greenlet is None else _suspended(greenlet)
    return found, outermost


@unobserved
def next_frame(frame: FrameType) -> FrameType | None:
    """Return the frame that called or awaits ``frame``, ours left out."""
    found = frame.f_back
    while found is not None and is_ours(found):
        found = found.f_back
    return found


@unobserved
def _root() -> FrameType | None:
    """The frame of the running task's coroutine, where that is a plain one."""
    try:
        task: Any = tasks.native_task()
    except RuntimeError:
        task = None
    if task is not None:
        coroutine = task.get_coro()
    else:
        task = tasks._trio_task()
        coroutine = None if task is None else task.coro
    frame = getattr(coroutine, "cr_frame", None)
    return frame if isinstance(frame, FrameType) else None


@unobserved
def _greenlet() -> Any:
    """The parent of the running greenlet; ``None`` where greenlet is not in use."""
    getcurrent = getattr(sys.modules.get("greenlet"), "getcurrent", None)
    return None if getcurrent is None else getcurrent().parent


@unobserved
def _suspended(greenlet: Any) -> FrameType | None:
    frame = greenlet.gr_frame
    return frame if isinstance(frame, FrameType) else None
