"""An error that an exit swallowed."""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace.analysis.case import Case
from asyncctx_trace.analysis.findings.finding import Finding, by_place, times
from asyncctx_trace.analysis.findings.passed_on import kind_of
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.events import Outcome

__all__ = ["SuppressedError"]


class SuppressedError(Finding):
    """The body failed and the program went on as if it had not.

    A task group swallows the cancellation that it has asked for itself; that is not told.
    """

    kind = "suppressed-error"
    severity = "warning"

    @classmethod
    def check(cls, case: Case, thresholds: Thresholds) -> Iterator[Finding]:
        """One for each resource and site."""
        timeline = case.timeline
        rows = [
            row
            for row, suppressed in enumerate(timeline.suppressed)
            if suppressed
            and not (
                timeline.body_outcome[row] == Outcome.CANCELLED
                and kind_of(case, row) == "task group"
            )
        ]
        for group in by_place(case, rows).values():
            row = group[0]
            error = case.error(row, "body") or "an error"
            yield cls.of(
                case,
                group,
                f"the exit of {case.where(row)} swallowed {error} in "
                f"{case.task(timeline.task[row])}{times(len(group))}.",
                at=timeline.exit_ended[row],
                count=len(group),
            )
