"""Deadlines that passed without a TimeoutError."""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace.analysis.findings.exit_evidence import kind_of
from asyncctx_trace.analysis.findings.finding import Finding, by_site, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.row_lookup import rows_with_flag
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.outcomes import ExitFlag, Outcome

__all__ = ["ExpiredQuietly"]


class ExpiredQuietly(Finding):
    """A deadline cancelled its body, which swallowed the cancellation, and no error was raised.

    Recorded for ``asyncio.timeout()``, whose exit finds itself expired after a body without an
    error. If the function calls ``expired()`` itself, nothing is recorded.
    """

    kind = "expired-quietly"
    severity = "error"

    @classmethod
    def check(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        """Yield one for each resource and site."""
        timeline = snapshot.timeline
        rows = [
            row
            for row in rows_with_flag(timeline.exit_flags, ExitFlag.EXPIRED)
            if kind_of(snapshot, row) == "timeout" and timeline.body_outcome[row] == Outcome.OK
        ]
        for group in by_site(snapshot, rows).values():
            row = group[0]
            yield cls.of(
                snapshot,
                group,
                f"the deadline {snapshot.acquisition_label(row)} passed in "
                f"{snapshot.task_name(timeline.task[row])}, but something inside swallowed the "
                f"cancellation: the body ended after {format_duration(snapshot.body_length(row))} "
                f"as if it had been in time, and no TimeoutError was raised{times(len(group))}.",
                at=timeline.exit_started[row],
                count=len(group),
            )
