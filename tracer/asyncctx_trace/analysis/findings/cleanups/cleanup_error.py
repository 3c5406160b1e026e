"""Exits that raised an error."""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace.analysis.findings.calling_sites import caller_sites
from asyncctx_trace.analysis.findings.cleanups.failed_cleanups import (
    failed_cleanups,
    left_by_failed_cleanups,
)
from asyncctx_trace.analysis.findings.exit_evidence import exit_sites
from asyncctx_trace.analysis.findings.finding import EVIDENCE, Finding, by_site, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.snapshot import Snapshot

__all__ = ["CleanupError"]


class CleanupError(Finding):
    """An exit raised an error of its own, which masks the error of the body if there is one.

    What stays open because of it belongs to this finding, and is not a leak of its own.
    """

    kind = "cleanup-error"
    severity = "error"

    @classmethod
    def check(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        """Yield one for each resource and site."""
        timeline = snapshot.timeline
        open_ = snapshot.once(left_by_failed_cleanups)
        for group in by_site(snapshot, snapshot.once(failed_cleanups)).values():
            row = group[0]
            left = [each for each, around in open_.items() if around in group]
            masked = snapshot.error_text(row, "body")
            yield cls.of(
                snapshot,
                [*group[: EVIDENCE // 2], *left, *group[EVIDENCE // 2 :]],
                f"the exit of {snapshot.acquisition_label(row)} raised "
                f"{snapshot.error_text(row, 'exit')}"
                + (f", which masks {masked} of the body" if masked else "")
                + f"{_left(snapshot, left)}{times(len(group))}.",
                at=timeline.exit_ended[row],
                count=len(group),
                sites=[*exit_sites(snapshot, group), *caller_sites(snapshot, group)],
            )


def _left(snapshot: Snapshot, left: list[int]) -> str:
    if not left:
        return ""
    timeline = snapshot.timeline
    more = f" and {len(left) - 1} more" if len(left) > 1 else ""
    return (
        f"; what {snapshot.task_name(timeline.task[left[0]])} took from "
        f"{snapshot.acquisition_label(left[0])}{more} was "
        "never given back"
    )
