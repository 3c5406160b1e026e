"""Reading a ring from its beginning again, once it has given up much of what was read."""

from __future__ import annotations

from typing import Any

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.recording.reading.reader import Recording

__all__ = ["SEGMENTS", "has_turned_over", "read_all"]

SEGMENTS = 16
"""Segments read at a time while a recording is opened: about 11,000 acquisitions."""
_FEW = 20_000
"""Acquisitions that take so little memory that a ring need not be read again."""


def has_turned_over(recording: Any, timeline: Timeline) -> bool:
    """Return whether about half of the many acquisitions in ``timeline`` left the recording."""
    is_file = isinstance(recording, Recording)
    return is_file and recording.turned_over and len(timeline) > _FEW


def read_all(recording: Recording) -> Timeline:
    """Return what the file contains now."""
    timeline = Timeline()
    while True:
        timeline.extend(recording.poll(SEGMENTS))
        if not recording.behind:
            return timeline
