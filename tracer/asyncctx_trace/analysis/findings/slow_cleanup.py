"""A cleanup that took long."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import compress, count
from operator import sub

from asyncctx_trace.analysis.findings.exits import exit_sites, kind_of, time_within
from asyncctx_trace.analysis.findings.finding import Finding, by_place, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.findings.unfinished_exits import (
    describe_late,
    not_given_back,
)
from asyncctx_trace.analysis.snapshot import Case
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.text import duration

__all__ = ["SlowCleanup"]


class SlowCleanup(Finding):
    """An exit took longer than the threshold, by itself.

    A task group's exit is where it waits for its tasks, and an exit that mostly waits for others
    inside it, as an exit stack's does, is not to blame.
    """

    kind = "slow-cleanup"
    severity = "warning"

    @classmethod
    def check(cls, case: Case, thresholds: Thresholds) -> Iterator[Finding]:
        """One for each resource and site, about the slowest exit there."""
        limit = thresholds.slow_cleanup
        rows = [
            row
            for row in _long(case, limit)
            if kind_of(case, row) != "task group"
            and case.exit_length(row) - time_within(case, row) >= limit
        ]
        for group in by_place(case, rows).values():
            group.sort(key=case.exit_length, reverse=True)
            row = group[0]
            late = not_given_back(case, row)
            yield cls.of(
                case,
                [row, *late, *group[1:]],
                f"the exit of {case.where(row)} took {duration(case.exit_length(row))} in "
                f"{case.task(case.timeline.exit_task[row])}{describe_late(case, late)}"
                f"{times(len(group))}.",
                at=case.timeline.exit_started[row],
                cost=sum(map(case.exit_length, group)),
                count=len(group),
                sites=exit_sites(case, group),
            )


def _long(case: Case, limit: int) -> list[int]:
    """Rows whose exit took ``limit`` ns or more and is over; others are still waiting."""
    timeline = case.timeline
    took = map(sub, timeline.exit_ended, timeline.exit_started)
    rows = compress(count(), map(limit.__le__, took))
    return [row for row in rows if timeline.exit_ended[row] != NOT_YET]
