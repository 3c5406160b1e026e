"""Checks: findings that a recording must not contain, and budgets that it must keep.

A check passes only on complete evidence: if acquisitions are missing from the recording, it fails
with that reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from asyncctx_trace.analysis.findings import KINDS, Finding
from asyncctx_trace.analysis.summary.budgets import Budget
from asyncctx_trace.analysis.summary.grouping import FindingGroup
from asyncctx_trace.analysis.summary.report import Report
from asyncctx_trace.analysis.timeline.completeness import completeness
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.text import count, did_you_mean, plain

__all__ = ["SELECTORS", "Checks", "kinds_in", "selects", "what_is_missing"]

SELECTORS = (*KINDS, "certain", "any")
"""What ``--fail-on`` accepts: kinds of findings, the certain ones, or any."""


def kinds_in(given: str | Iterable[str]) -> frozenset[str]:
    """Parse selectors: a text with commas or blanks between them, or several texts.

    Raises ValueError if a text has no selector or an unknown one, and suggests the nearest.
    """
    texts = [given] if isinstance(given, str) else list(given)
    names: set[str] = set()
    for text in texts:
        result = [name for name in re.split(r"[,\s]+", str(text)) if name]
        if not result:
            raise ValueError(f"no kind of finding given; use {_listed()}")
        names.update(result)
    for name in sorted(names):
        if name not in SELECTORS:
            raise ValueError(
                f"unknown kind of finding {plain(name)!r}{did_you_mean(name, SELECTORS)}; "
                f"use {_listed()}"
            )
    return frozenset(names)


def selects(selectors: Iterable[str], finding: Finding | FindingGroup) -> bool:
    """Return whether one of ``selectors`` matches ``finding``."""
    return not {"any", finding.kind, finding.certainty}.isdisjoint(selectors)


@dataclass(frozen=True, slots=True)
class Checks:
    """The checks that make a command fail."""

    fail_on: frozenset[str] = frozenset()
    """A subset of :data:`SELECTORS`."""
    budgets: tuple[Budget, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.fail_on or self.budgets)

    def failures(self, report: Report) -> list[str]:
        """Return a line for each check that fails, with the reason.

        ``report`` must have been made with these budgets.
        """
        lines = [
            line
            for selector in SELECTORS
            if selector in self.fail_on and (line := _failed(report, selector))
        ]
        lines += [f"check failed: {breach.summary}" for breach in report.breaches]
        if self and (why := what_is_missing(report.snapshot.timeline)):
            lines.append(f"check failed: the evidence is incomplete: {why}")
        return lines


def _failed(report: Report, selector: str) -> str:
    groups = [group for group in report.groups if selects([selector], group)]
    groups += [
        consequence
        for group in report.groups
        for consequence in group.consequences
        if selects([selector], consequence)
    ]
    if not groups:
        return ""
    first = groups[0]
    which = "" if len(groups) == 1 else f"{len(groups)} findings, the first: "
    return (
        f"check --fail-on {selector} failed: {which}"
        f"{first.kind} ({first.certainty}): {plain(first.sentence)}"
    )


def what_is_missing(timeline: Timeline) -> str:
    """Return how many acquisitions a recording lacks, and why; ``""`` if it is complete."""
    lost: dict[str, int] = {}
    for gap in completeness(timeline):
        lost[gap.reason] = lost.get(gap.reason, 0) + gap.acquisitions
    return "; ".join(
        f"{count(number, 'acquisition')} not recorded: {plain(reason)}" if number else plain(reason)
        for reason, number in lost.items()
    )


def _listed() -> str:
    return ", ".join(SELECTORS)
