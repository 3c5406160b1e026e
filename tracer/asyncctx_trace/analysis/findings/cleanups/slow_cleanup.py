"""Exits that took long."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import compress, count
from operator import sub

from asyncctx_trace.analysis.findings.cleanups.unfinished_exits import (
    describe_late,
    not_given_back,
)
from asyncctx_trace.analysis.findings.exit_evidence import exit_sites, kind_of, time_within
from asyncctx_trace.analysis.findings.finding import Finding, by_site, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.durations import format_duration

__all__ = ["SlowCleanup"]


class SlowCleanup(Finding):
    """An exit took longer than the threshold, without the exits inside it.

    A task group waits for its tasks in its exit, and is not reported.
    """

    kind = "slow-cleanup"
    severity = "warning"

    @classmethod
    def check(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        """Yield one for each resource and site, about the slowest exit there."""
        limit = thresholds.slow_cleanup
        rows = [
            row
            for row in _long(snapshot, limit)
            if kind_of(snapshot, row) != "task group"
            and snapshot.exit_length(row) - time_within(snapshot, row) >= limit
        ]
        for group in by_site(snapshot, rows).values():
            group.sort(key=snapshot.exit_length, reverse=True)
            row = group[0]
            late = not_given_back(snapshot, row)
            yield cls.of(
                snapshot,
                [row, *late, *group[1:]],
                f"the exit of {snapshot.acquisition_label(row)} took "
                f"{format_duration(snapshot.exit_length(row))} in "
                f"{snapshot.task_name(snapshot.timeline.exit_task[row])}"
                f"{describe_late(snapshot, late)}{times(len(group))}.",
                at=snapshot.timeline.exit_started[row],
                cost=sum(map(snapshot.exit_length, group)),
                count=len(group),
                sites=exit_sites(snapshot, group),
            )


def _long(snapshot: Snapshot, limit: int) -> list[int]:
    """Return the rows whose exit has ended and took ``limit`` ns or more."""
    timeline = snapshot.timeline
    took = map(sub, timeline.exit_ended, timeline.exit_started)
    rows = compress(count(), map(limit.__le__, took))
    return [row for row in rows if timeline.exit_ended[row] != NOT_YET]
