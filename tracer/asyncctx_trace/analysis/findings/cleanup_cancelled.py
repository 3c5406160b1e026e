"""A cleanup that was cut off."""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace.analysis.case import Case
from asyncctx_trace.analysis.columns import rows_with
from asyncctx_trace.analysis.findings.exits import came_from_within, kind_of
from asyncctx_trace.analysis.findings.finding import Certainty, Finding, by_place, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.words import duration
from asyncctx_trace.events import Outcome

__all__ = ["CleanupCancelled"]

_GENERATOR = "contextlib._AsyncGeneratorContextManager"


class CleanupCancelled(Finding):
    """A cancellation came out of an exit: what it awaited was not done.

    Only possible where the body was cancelled already and the exit may just have raised that
    again. The exits of task groups and timeouts are cancelled in the course of their work.
    """

    kind = "cleanup-cancelled"
    severity = "error"

    @classmethod
    def check(cls, case: Case, thresholds: Thresholds) -> Iterator[Finding]:
        """One for each resource and site."""
        judged: dict[Certainty, list[int]] = {"certain": [], "possible": []}
        for row in rows_with(case.timeline.exit_outcome, Outcome.CANCELLED):
            speaking = kind_of(case, row) in ("task group", "timeout")
            if not speaking and not came_from_within(case, row):
                judged[_judge(case, row)].append(row)
        for certainty, rows in judged.items():
            for group in by_place(case, rows).values():
                row = group[0]
                yield cls.of(
                    case,
                    group,
                    f"the exit of {case.where(row)} was cancelled in "
                    f"{case.task(case.timeline.exit_task[row])} after "
                    f"{duration(case.exit_length(row))}, before it was done{times(len(group))}: "
                    "shield what it must finish.",
                    certainty=certainty,
                    at=case.timeline.exit_ended[row],
                    count=len(group),
                )


def _judge(case: Case, row: int) -> Certainty:
    # A generator's manager never raises the body's own error again: this is another one.
    if case.timeline.body_outcome[row] != Outcome.CANCELLED:
        return "certain"
    return "certain" if case.timeline.manager[row] == _GENERATOR else "possible"
