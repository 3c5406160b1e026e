"""Generator-based managers whose cleanup was skipped."""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace.analysis.findings.calling_sites import caller_sites
from asyncctx_trace.analysis.findings.exit_evidence import exit_sites
from asyncctx_trace.analysis.findings.finding import Finding, by_site, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.row_lookup import rows_with_flag
from asyncctx_trace.model.outcomes import ExitFlag, Outcome

__all__ = ["SkippedCleanup"]


class SkippedCleanup(Finding):
    """The body failed at a bare ``yield``, so that the cleanup after the ``yield`` never ran.

    Recorded if no ``try`` and no ``with`` is around the ``yield`` of an ``@asynccontextmanager``,
    and something is called after it that releases or ends something.
    """

    kind = "skipped-cleanup"
    severity = "error"

    @classmethod
    def check(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        """Yield one for each resource and site."""
        timeline = snapshot.timeline
        rows = rows_with_flag(timeline.exit_flags, ExitFlag.SKIPPED)
        for group in by_site(snapshot, rows).values():
            row = group[0]
            bare = timeline.exit_site[row]
            at = f" at {snapshot.site_label(bare)}" if bare else ""
            cancelled = timeline.body_outcome[row] == Outcome.CANCELLED
            how = (
                "was cancelled" if cancelled else f"failed with {snapshot.error_text(row, 'body')}"
            )
            yield cls.of(
                snapshot,
                group,
                f"the body of {snapshot.acquisition_label(row)} {how} in "
                f"{snapshot.task_name(timeline.task[row])}, so that the lines after the bare "
                f"`yield`{at} never ran{times(len(group))}: put the `yield` in a `try` with a "
                "`finally`.",
                at=timeline.exit_started[row],
                count=len(group),
                sites=[*exit_sites(snapshot, group), *caller_sites(snapshot, group)],
            )
