"""An error that an exit swallowed."""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace.analysis.findings.exits import exits_within, kind_of
from asyncctx_trace.analysis.findings.finding import Finding, by_place, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.snapshot import Case
from asyncctx_trace.analysis.timeline.lookups import rows_with
from asyncctx_trace.model.events import Outcome

__all__ = ["SuppressedError"]


class SuppressedError(Finding):
    """The body failed and the program went on as if it had not.

    Not told are a task group, which swallows the cancellation that it has asked for itself, and an
    exit stack, in which something else did.
    """

    kind = "suppressed-error"
    severity = "warning"

    @classmethod
    def check(cls, case: Case, thresholds: Thresholds) -> Iterator[Finding]:
        """One for each resource and site."""
        timeline = case.timeline
        rows = [row for row in rows_with(timeline.suppressed, True) if not _by_rule(case, row)]
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


def _by_rule(case: Case, row: int) -> bool:
    cancelled = case.timeline.body_outcome[row] == Outcome.CANCELLED
    return (cancelled and kind_of(case, row) == "task group") or any(
        case.timeline.suppressed[other] for other in exits_within(case, row)
    )
