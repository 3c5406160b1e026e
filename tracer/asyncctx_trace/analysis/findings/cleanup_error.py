"""A cleanup that failed."""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace.analysis.findings.callers import caller_sites
from asyncctx_trace.analysis.findings.exits import exit_sites
from asyncctx_trace.analysis.findings.failed_cleanups import (
    failed_cleanups,
    left_by_failed_cleanups,
)
from asyncctx_trace.analysis.findings.finding import EVIDENCE, Finding, by_place, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.snapshot import Case

__all__ = ["CleanupError"]


class CleanupError(Finding):
    """An exit raised an error of its own; where the body had failed, it masks that error.

    What stays open because of it is part of it, and no leak of its own.
    """

    kind = "cleanup-error"
    severity = "error"

    @classmethod
    def check(cls, case: Case, thresholds: Thresholds) -> Iterator[Finding]:
        """One for each resource and site."""
        timeline = case.timeline
        open_ = case.once(left_by_failed_cleanups)
        for group in by_place(case, case.once(failed_cleanups)).values():
            row = group[0]
            left = [each for each, around in open_.items() if around in group]
            masked = case.error(row, "body")
            yield cls.of(
                case,
                [*group[: EVIDENCE // 2], *left, *group[EVIDENCE // 2 :]],
                f"the exit of {case.where(row)} raised {case.error(row, 'exit')}"
                + (f", which masks {masked} of the body" if masked else "")
                + f"{_left(case, left)}{times(len(group))}.",
                at=timeline.exit_ended[row],
                count=len(group),
                sites=[*exit_sites(case, group), *caller_sites(case, group)],
            )


def _left(case: Case, left: list[int]) -> str:
    if not left:
        return ""
    timeline = case.timeline
    more = f" and {len(left) - 1} more" if len(left) > 1 else ""
    return (
        f"; what {case.task(timeline.task[left[0]])} took from {case.where(left[0])}{more} was "
        "never given back"
    )
