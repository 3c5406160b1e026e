"""What a recording has not kept: of which process, from when on or until when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from asyncctx_trace.analysis.timeline.table import Timeline

__all__ = ["Gap", "completeness", "is_complete", "recording_stops"]


_UNKNOWN_PROCESS = -1
"""Stands for a process of which nothing is recorded, so that no task is known to be in it."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Facts that are missing."""

    process: int | None
    """``None``: any process may be concerned; a negative number: one that defined nothing."""
    since: int | None
    """From this moment on facts are missing (monotonic ns); ``None``: from the beginning."""
    until: int | None
    """After this moment none are missing; ``None``: to the end."""
    acquisitions: int
    """How many are known to be missing as a whole."""
    stops: bool
    """Whether nothing was recorded any more after ``since``."""
    reason: str


def completeness(timeline: Timeline) -> list[Gap]:
    """What ``timeline`` lacks, in the order in which it was told; ``[]`` if it is complete.

    A gate must not pass if there is any gap: what it looks for may be in it. Recordings that are
    bounded lack their beginning; those whose disk was full, or whose recorder was switched off,
    lack everything from then on. A process whose end the launcher saw, and which never joined the
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
            process=each.process,
            since=each.at if each.later else None,
            until=None if each.later else each.at,
            acquisitions=each.acquisitions,
            stops=each.stops,
            reason=each.reason,
        )
        for each in timeline.dropped
        # Counts of printed lines say nothing about facts.
        if each.acquisitions or each.later
    ]


def is_complete(timeline: Timeline, tasks: Iterable[int], start: int, end: float) -> bool:
    """Whether all facts of the processes of ``tasks`` from ``start`` to before ``end`` are there.

    What is proven by the absence of a fact (a leak, a deadlock, a wait that never ended) is proven
    only then.
    """
    gaps = completeness(timeline)
    if not gaps:
        return True
    known = (timeline.tasks.get(task) for task in tasks)
    processes = {None if each is None else each.process for each in known}
    return not any(
        (gap.process is None or None in processes or gap.process in processes)
        and (gap.since is None or gap.since < end)
        and (gap.until is None or gap.until >= start)
        for gap in gaps
    )


def recording_stops(timeline: Timeline) -> dict[int, int]:
    """Process -> when its recording stopped before the process did."""
    return {
        each.process: each.at
        for each in timeline.dropped
        if each.stops and each.process is not None
    }
