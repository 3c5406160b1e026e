"""A cleanup that failed."""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace.analysis.case import Case
from asyncctx_trace.analysis.columns import rows_with
from asyncctx_trace.analysis.findings.callers import caller_sites
from asyncctx_trace.analysis.findings.exits import exit_sites, kind_of, own_error
from asyncctx_trace.analysis.findings.finding import Finding, by_place, times
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
                sites=[*exit_sites(case, group), *caller_sites(case, group)],
            )


def _is_its_own(case: Case, row: int) -> bool:
    return kind_of(case, row) not in _SPEAKING and own_error(case, row)
