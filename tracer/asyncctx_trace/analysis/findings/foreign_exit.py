"""Exited in another task than entered."""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace.analysis.case import Case
from asyncctx_trace.analysis.columns import differing
from asyncctx_trace.analysis.findings.finding import Finding, by_place, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.timeline import NOT_YET

__all__ = ["ForeignExit"]


class ForeignExit(Finding):
    """Timeouts, task groups and context variables break that way."""

    kind = "foreign-exit"
    severity = "warning"

    @classmethod
    def check(cls, case: Case, thresholds: Thresholds) -> Iterator[Finding]:
        """One for each resource and site."""
        timeline = case.timeline
        rows = [
            row
            for row in differing(timeline.exit_task, timeline.task)
            if timeline.exit_started[row] != NOT_YET and not case.abandoned(row)
        ]
        for group in by_place(case, rows).values():
            row = group[0]
            yield cls.of(
                case,
                group,
                f"{case.where(row)} was entered in {case.task(timeline.task[row])} and exited in "
                f"{case.task(timeline.exit_task[row])}{times(len(group))}.",
                at=timeline.exit_started[row],
                count=len(group),
                tasks=[timeline.exit_task[row] for row in group],
            )
