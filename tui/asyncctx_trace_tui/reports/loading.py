"""Read a recording into a timeline, whole or between two times."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.sources import FollowedSource, follow

if TYPE_CHECKING:
    from asyncctx_trace.analysis.timeline.selection import EventBatch
    from asyncctx_trace.recording.format import Anchor

__all__ = ["LoadedRecording", "load_recording"]

_BATCH = 64
"""Segments read at a time: about 2 MB."""


@dataclass(frozen=True, slots=True)
class LoadedRecording:
    """The timeline of a recording."""

    timeline: Timeline
    running: bool
    """Whether the program may still write to the recording."""
    anchor: Anchor
    """Converts times of the timeline to times of day."""


def load_recording(
    file: Path, since: int | time | None = None, until: int | time | None = None
) -> LoadedRecording:
    """Read the recording or OTLP JSON Lines ``file``; ``-`` is standard input.

    ``since`` and ``until`` limit what is read: ns from the start of the recording, or a local time
    of day. Raises RecordingError or OSError.
    """
    with closing(follow(file)) as source:
        if since is None and until is None:
            timeline, more = Timeline(), False
            for batch in _batches(source):
                timeline.extend(batch)
        else:
            from asyncctx_trace.analysis.timeline.selection import between  # rarely needed

            timeline, more = between(
                _batches(source),
                since if isinstance(since, int) else None,
                until if isinstance(until, int) else None,
                since_at=monotonic_at(source.anchor, since) if isinstance(since, time) else None,
                until_at=monotonic_at(source.anchor, until) if isinstance(until, time) else None,
            )
        return LoadedRecording(timeline, more or source.alive, source.anchor)


def monotonic_at(anchor: Anchor, time_of_day: time) -> int:
    """Return the monotonic time of the first ``time_of_day`` in the recording, in local time."""
    began = datetime.fromtimestamp(anchor.wall_ns / 1e9)
    then = datetime.combine(began.date(), time_of_day)
    if then < began.replace(microsecond=0):
        then += timedelta(days=1)
    return anchor.monotonic_ns + round(then.timestamp() * 1e9) - anchor.wall_ns


def _batches(source: FollowedSource) -> Iterator[EventBatch]:
    """Yield the events in batches, so that a large recording is never in memory twice."""
    yield source.poll(_BATCH)
    while source.behind:
        yield source.poll(_BATCH)
