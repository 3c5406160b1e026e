"""Find the frames of the running task, across greenlets in which libraries run sync code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from asyncctx_trace.instrument.hidden_frames import hidden, is_ours, program_frame
from asyncctx_trace.instrument.registry import tasks

__all__ = ["ProgramFrames", "next_frame"]

_LOOPS = frozenset({"asyncio.base_events", "asyncio.events", "asyncio.runners", "trio._core._run"})
"""Modules whose frames run tasks: frames below them belong to what started the loop."""
_OURS, _LOOP, _LIBRARY, _OWN = range(4)
"""The classes of files."""


class ProgramFrames:
    """Find the frames of the program's own code in the running task.

    Args:
        own: Decides whether a file is the program's.
        library: A top-level package whose files never are.
    """

    def __init__(self, own: Callable[[str], bool], library: str) -> None:
        self._own = own
        self._library = library
        self._files: dict[str, int] = {}

    @hidden
    def find(self, limit: int = 1) -> tuple[list[FrameType], FrameType | None]:
        """Return at most ``limit`` frames, innermost first, and the task's outermost frame.

        If ``limit`` is reached, the latter is the outermost frame that was searched.
        """
        last = getattr(tasks.running()[1], "cr_frame", None)
        known = self._files.get
        found: list[FrameType] = []
        outermost: FrameType | None = None
        frame = program_frame()
        greenlet = None
        while frame is not None:
            kind = known(frame.f_code.co_filename)
            if kind is None:
                kind = self._classify(frame)
            if kind:  # not ours
                if kind == _LOOP and frame is not last:
                    break
                outermost = frame
                if kind == _OWN:
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

    @hidden
    def _classify(self, frame: FrameType) -> int:
        module = frame.f_globals.get("__name__") or ""
        file = frame.f_code.co_filename
        if is_ours(frame):
            kind = _OURS
        elif module in _LOOPS:
            kind = _LOOP
        else:
            own = self._own(file) and module.partition(".")[0] != self._library
            kind = _OWN if own else _LIBRARY
        self._files[file] = kind
        return kind


@hidden
def next_frame(frame: FrameType) -> FrameType | None:
    """Return the frame that called or awaits ``frame``, without ours."""
    found = frame.f_back
    while found is not None and is_ours(found):
        found = found.f_back
    return found


@hidden
def _greenlet() -> Any:
    """Return the parent of the running greenlet; ``None`` if greenlet is not in use."""
    getcurrent = getattr(sys.modules.get("greenlet"), "getcurrent", None)
    return None if getcurrent is None else getcurrent().parent


@hidden
def _suspended(greenlet: Any) -> FrameType | None:
    frame = greenlet.gr_frame
    return frame if isinstance(frame, FrameType) else None
