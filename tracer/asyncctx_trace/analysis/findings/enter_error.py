"""An enter that raised an error."""

from __future__ import annotations

import re
from collections.abc import Iterator

from asyncctx_trace.analysis.attempts import Attempts
from asyncctx_trace.analysis.contention.occupancy import contends
from asyncctx_trace.analysis.deadlocks.cycles import rings_of
from asyncctx_trace.analysis.findings.exits import kind_of
from asyncctx_trace.analysis.findings.finding import Finding, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.snapshot import Case
from asyncctx_trace.analysis.timeline.lookups import rows_with
from asyncctx_trace.model.events import Outcome
from asyncctx_trace.model.text import duration

__all__ = ["EnterError"]

_CONTROL_FLOW = ("closing", "exit stack", "file", "generator", "lock", "manager", "nothing")
"""Kinds whose enter may raise as part of what the program does: a file that need not be there, a
dependency that refuses a request, a lock that somebody else has."""

_FAULT = re.compile(
    r"clos|connect|exhaust|pool|refused|runtimeerror|timeout|toomany|unavailable", re.IGNORECASE
)
"""Types of errors that tell of a fault wherever they come from."""


class EnterError(Finding):
    """An enter raised something that is neither a cancellation nor a deadline.

    Left out are enters that failed because one inside them did, attempts whose task tried again
    and got in, waits that a deadlock explains, and errors that a program may raise and handle as
    part of its control flow.
    """

    kind = "enter-error"
    severity = "warning"

    @classmethod
    def check(cls, case: Case, thresholds: Thresholds) -> Iterator[Finding]:
        """Yield one for each resource, site and type of error."""
        timeline = case.timeline
        explained = {row for ring in case.once(rings_of) for row in (*ring.waits, *ring.behind)}
        groups: dict[tuple[int, int, str], list[int]] = {}
        failed = rows_with(timeline.enter_outcome, Outcome.ERROR)
        causes = {case.parents[row] for row in failed if _same_error(case, row, case.parents[row])}
        told = explained | causes
        for row in failed:
            if row not in told and _is_a_fault(case, row):
                error = timeline.errors.get((row, "enter"))
                key = timeline.resource[row], timeline.site[row], error.type if error else ""
                groups.setdefault(key, []).append(row)
        for group in groups.values():
            row = group[0]
            took = timeline.enter_ended[row] - timeline.enter_started[row]
            yield cls.of(
                case,
                group,
                f"entering {case.where(row)} raised {case.error(row, 'enter') or 'an error'} in "
                f"{case.task(timeline.task[row])} after {duration(took)}{_held(case, row)}"
                f"{times(len(group))}.",
                at=timeline.enter_ended[row],
                cost=sum(timeline.enter_ended[r] - timeline.enter_started[r] for r in group),
                count=len(group),
                sites=[site for r in group for site in _around(case, r)],
            )


def _same_error(case: Case, row: int, around: int) -> bool:
    """Whether the enter in ``around`` failed with the error of the one in ``row`` inside it."""
    timeline = case.timeline
    return (
        around >= 0
        and timeline.enter_outcome[around] == Outcome.ERROR
        and timeline.errors.get((around, "enter")) == timeline.errors.get((row, "enter"))
    )


def _around(case: Case, row: int) -> Iterator[int]:
    """Sites of the enters that failed because the one in ``row`` did."""
    inner, around = row, case.parents[row]
    while _same_error(case, inner, around):
        yield case.timeline.site[around]
        inner, around = around, case.parents[around]


def _is_a_fault(case: Case, row: int) -> bool:
    if case.once(Attempts).succeeded_later(row):
        return False
    error = case.timeline.errors.get((row, "enter"))
    if error is not None and _FAULT.search(error.type.rpartition(".")[2]):
        return True
    return kind_of(case, row) not in _CONTROL_FLOW or _ended_the_body_around(case, row)


def _ended_the_body_around(case: Case, row: int) -> bool:
    timeline = case.timeline
    error = timeline.errors.get((row, "enter"))
    return any(
        timeline.body_outcome[other] == Outcome.ERROR
        and timeline.errors.get((other, "body")) == error
        for other in case.held_around(row)
    )


def _held(case: Case, row: int) -> str:
    """Say whether anybody held what could not be entered, where that is a question."""
    timeline = case.timeline
    resource = timeline.resource[row]
    if not contends(timeline.resources.get(resource)):
        return ""
    held = len(case.holders(resource, timeline.enter_ended[row] - 1))
    return f", while {held} held it" if held else ", though nobody held it"
