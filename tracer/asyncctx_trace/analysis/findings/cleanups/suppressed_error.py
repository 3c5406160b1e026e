"""Errors that an exit suppressed."""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace.analysis.findings.exit_evidence import exits_within, kind_of
from asyncctx_trace.analysis.findings.finding import Finding, by_site, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.row_lookup import rows_with
from asyncctx_trace.model.events import Outcome

__all__ = ["SuppressedError"]


class SuppressedError(Finding):
    """The body failed and the program went on as if it had not.

    Not reported are a task group, which suppresses the cancellation that it requested itself, and
    an exit stack in which another exit did it.
    """

    kind = "suppressed-error"
    severity = "warning"

    @classmethod
    def check(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        """Yield one for each resource and site."""
        timeline = snapshot.timeline
        rows = [row for row in rows_with(timeline.suppressed, True) if not _by_rule(snapshot, row)]
        for group in by_site(snapshot, rows).values():
            row = group[0]
            error = snapshot.error_text(row, "body") or "an error"
            yield cls.of(
                snapshot,
                group,
                f"the exit of {snapshot.acquisition_label(row)} swallowed {error} in "
                f"{snapshot.task_name(timeline.task[row])}{times(len(group))}.",
                at=timeline.exit_ended[row],
                count=len(group),
            )


def _by_rule(snapshot: Snapshot, row: int) -> bool:
    cancelled = snapshot.timeline.body_outcome[row] == Outcome.CANCELLED
    return (cancelled and kind_of(snapshot, row) == "task group") or any(
        snapshot.timeline.suppressed[other] for other in exits_within(snapshot, row)
    )
