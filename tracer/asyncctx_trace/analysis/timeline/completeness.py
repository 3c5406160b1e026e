"""Events that are missing from a recording."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from asyncctx_trace.analysis.timeline.table import Timeline

__all__ = ["Gap", "completeness", "is_complete", "recording_stops"]


_UNKNOWN_PROCESS = -1
"""Stands for a process of which nothing is recorded, so that no task is known to be in it."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Missing events."""

    process: int | None
    """The process; ``None`` if any may be concerned; a negative number if it defined nothing."""
    since: int | None
    """The time from which events are missing (monotonic ns); ``None``: from the beginning."""
    until: int | None
    """The time after which none are missing; ``None``: to the end."""
    acquisitions: int
    """The number of acquisitions that are known to be missing."""
    stops: bool
    """Whether nothing at all was recorded after ``since``."""
    reason: str


def completeness(timeline: Timeline) -> list[Gap]:
    """Return the gaps of ``timeline`` in the order of the recording; none if it is complete.

    A check must not pass if there is any gap: what it looks for may be in it. Recordings with
    retention lack their beginning; if the disk was full, or the recorder was disabled, everything
    is missing from then on. A process whose end the launcher saw, but which never joined the
    recording, lacks everything.
    """
    known = {process.pid for process in timeline.processes.values()}
    return [
        Gap(
            process=_UNKNOWN_PROCESS,
            since=None,
            until=None,
            acquisitions=0,
            stops=False,
            reason=f"process {pid} was not recorded",
        )
        for pid in dict.fromkeys(ended.pid for ended in timeline.process_ended)
        if pid not in known
    ] + [
        Gap(
            process=loss.process,
            since=loss.at if loss.later else None,
            until=None if loss.later else loss.at,
            acquisitions=loss.acquisitions,
            stops=loss.stops,
            reason=loss.reason,
        )
        for loss in timeline.dropped
        # Counts of printed lines say nothing about facts.
        if loss.acquisitions or loss.later
    ]


def is_complete(timeline: Timeline, tasks: Iterable[int], start: int, end: float) -> bool:
    """Return whether no event of the processes of ``tasks`` is missing in a period.

    The period is from ``start`` to before ``end``. A finding that rests on the absence of an event
    (a leak, a deadlock, a wait that never ended) is certain only then.
    """
    gaps = completeness(timeline)
    if not gaps:
        return True
    definition = (timeline.tasks.get(task) for task in tasks)
    processes = {None if each is None else each.process for each in definition}
    return not any(
        (gap.process is None or None in processes or gap.process in processes)
        and (gap.since is None or gap.since < end)
        and (gap.until is None or gap.until >= start)
        for gap in gaps
    )


def recording_stops(timeline: Timeline) -> dict[int, int]:
    """Return process -> when its recording stopped before the process did."""
    return {
        loss.process: loss.at
        for loss in timeline.dropped
        if loss.stops and loss.process is not None
    }
