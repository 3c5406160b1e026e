"""A cleanup that failed."""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace.analysis.case import Case
from asyncctx_trace.analysis.columns import rows_with
from asyncctx_trace.analysis.findings.finding import Finding, by_place, times
from asyncctx_trace.analysis.findings.passed_on import came_from_within, kind_of
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.events import Outcome

__all__ = ["CleanupError"]

_SPEAKING = ("task group", "timeout")
"""Kinds whose exit raises to tell of others, not because it failed."""


class CleanupError(Finding):
    """An exit raised an error of its own; where the body had failed, it masks that error."""

    kind = "cleanup-error"
    severity = "error"

    @classmethod
    def check(cls, case: Case, thresholds: Thresholds) -> Iterator[Finding]:
        """One for each resource and site."""
        timeline = case.timeline
        rows = [
            row
            for row in rows_with(timeline.exit_outcome, Outcome.ERROR, Outcome.TIMED_OUT)
            if _is_its_own(case, row)
        ]
        for group in by_place(case, rows).values():
            row = group[0]
            masked = case.error(row, "body")
            yield cls.of(
                case,
                group,
                f"the exit of {case.where(row)} raised {case.error(row, 'exit')}"
                + (f", which masks {masked} of the body" if masked else "")
                + f"{times(len(group))}.",
                at=timeline.exit_ended[row],
                count=len(group),
            )


def _is_its_own(case: Case, row: int) -> bool:
    errors = case.timeline.errors
    if kind_of(case, row) in _SPEAKING or came_from_within(case, row):
        return False
    return errors.get((row, "exit")) != errors.get((row, "body"))
