"""Exits that were cancelled before they had finished."""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace.analysis.findings.calling_sites import caller_sites
from asyncctx_trace.analysis.findings.exit_evidence import came_from_within, exit_sites, kind_of
from asyncctx_trace.analysis.findings.finding import Certainty, Finding, by_site, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.row_lookup import rows_with
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.outcomes import ExitFlag, Outcome

__all__ = ["CleanupCancelled"]


class CleanupCancelled(Finding):
    """A cancellation came out of an exit, so that what it awaited was not done.

    Certain if the exit was cancelled in an ``await`` that none of its handlers covers. Not reported
    if a handler had run, if nothing but a checkpoint was left, or if the exit only raised the
    body's own cancellation again. The exits of task groups and timeouts are cancelled as part of
    their work.
    """

    kind = "cleanup-cancelled"
    severity = "error"

    @classmethod
    def check(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        """Yield one for each resource and site."""
        timeline = snapshot.timeline
        by_certainty: dict[Certainty, list[int]] = {"certain": [], "possible": []}
        for row in rows_with(timeline.exit_outcome, Outcome.CANCELLED):
            flags = timeline.exit_flags[row]
            in_its_course = kind_of(snapshot, row) in ("task group", "timeout")
            done = flags & (ExitFlag.FINISHED | ExitFlag.PASSED_ON)
            if not in_its_course and not done and not came_from_within(snapshot, row):
                by_certainty["certain" if flags & ExitFlag.CUT_SHORT else "possible"].append(row)
        for certainty, rows in by_certainty.items():
            for group in by_site(snapshot, rows).values():
                row = group[0]
                before = "before it was done" if certainty == "certain" else "perhaps too early"
                yield cls.of(
                    snapshot,
                    group,
                    f"the exit of {snapshot.acquisition_label(row)} was cancelled in "
                    f"{snapshot.task_name(timeline.exit_task[row])} after "
                    f"{format_duration(snapshot.exit_length(row))}, {before}{times(len(group))}: "
                    "shield what it must finish.",
                    certainty=certainty,
                    at=timeline.exit_ended[row],
                    count=len(group),
                    sites=[*exit_sites(snapshot, group), *caller_sites(snapshot, group)],
                )
