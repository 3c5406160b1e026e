"""Enters that raised an error."""

from __future__ import annotations

import re
from collections.abc import Iterator

from asyncctx_trace.analysis.deadlocks.cycles import cycles_of
from asyncctx_trace.analysis.findings.exit_evidence import kind_of
from asyncctx_trace.analysis.findings.finding import Finding, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.occupancy import contends
from asyncctx_trace.analysis.retries import Retries
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.row_lookup import rows_with
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.events import Outcome
from asyncctx_trace.model.names import class_name

__all__ = ["EnterError"]

_CONTROL_FLOW = ("closing", "exit stack", "file", "generator", "lock", "manager", "nothing")
"""Kinds whose enter may raise as part of the control flow: a file that need not exist, a dependency
that refuses a request, a lock that another task holds."""

_FAULT = re.compile(
    r"clos|connect|exhaust|pool|refused|runtimeerror|timeout|toomany|unavailable", re.IGNORECASE
)
"""Types of errors that are a fault wherever they come from."""


class EnterError(Finding):
    """An enter raised an error that is neither a cancellation nor a deadline.

    Left out are enters that failed because one inside them did, those whose task tried again and
    entered, waits that a deadlock explains, and errors that a program may raise and handle as part
    of its control flow.
    """

    kind = "enter-error"
    severity = "warning"

    @classmethod
    def check(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        """Yield one for each resource, site and type of error."""
        timeline = snapshot.timeline
        explained = {
            row for cycle in snapshot.once(cycles_of) for row in (*cycle.waits, *cycle.behind)
        }
        groups: dict[tuple[int, int, str], list[int]] = {}
        failed = rows_with(timeline.enter_outcome, Outcome.ERROR)
        causes = {
            snapshot.parents[row]
            for row in failed
            if _same_error(snapshot, row, snapshot.parents[row])
        }
        reported = explained | causes
        for row in failed:
            if row not in reported and _is_a_fault(snapshot, row):
                error = timeline.errors.get((row, "enter"))
                key = timeline.resource[row], timeline.site[row], error.type if error else ""
                groups.setdefault(key, []).append(row)
        for group in groups.values():
            row = group[0]
            took = timeline.enter_ended[row] - timeline.enter_started[row]
            yield cls.of(
                snapshot,
                group,
                f"entering {snapshot.acquisition_label(row)} raised "
                f"{snapshot.error_text(row, 'enter') or 'an error'} in "
                f"{snapshot.task_name(timeline.task[row])} after "
                f"{format_duration(took)}{_held(snapshot, row)}"
                f"{times(len(group))}.",
                at=timeline.enter_ended[row],
                cost=sum(timeline.enter_ended[r] - timeline.enter_started[r] for r in group),
                count=len(group),
                sites=[site for r in group for site in _around(snapshot, r)],
            )


def _same_error(snapshot: Snapshot, row: int, around: int) -> bool:
    """Return whether the enter of ``around`` failed with the error of ``row`` inside it."""
    timeline = snapshot.timeline
    return (
        around >= 0
        and timeline.enter_outcome[around] == Outcome.ERROR
        and timeline.errors.get((around, "enter")) == timeline.errors.get((row, "enter"))
    )


def _around(snapshot: Snapshot, row: int) -> Iterator[int]:
    """Yield the sites of the enters that failed because the one of ``row`` did."""
    inner, around = row, snapshot.parents[row]
    while _same_error(snapshot, inner, around):
        yield snapshot.timeline.site[around]
        inner, around = around, snapshot.parents[around]


def _is_a_fault(snapshot: Snapshot, row: int) -> bool:
    if snapshot.once(Retries).succeeded_later(row):
        return False
    error = snapshot.timeline.errors.get((row, "enter"))
    if error is not None and _FAULT.search(class_name(error.type)):
        return True
    return kind_of(snapshot, row) not in _CONTROL_FLOW or _ended_the_body_around(snapshot, row)


def _ended_the_body_around(snapshot: Snapshot, row: int) -> bool:
    timeline = snapshot.timeline
    error = timeline.errors.get((row, "enter"))
    return any(
        timeline.body_outcome[other] == Outcome.ERROR
        and timeline.errors.get((other, "body")) == error
        for other in snapshot.held_around(row)
    )


def _held(snapshot: Snapshot, row: int) -> str:
    """Describe whether any task held what could not be entered, if that is limited."""
    timeline = snapshot.timeline
    resource = timeline.resource[row]
    if not contends(timeline.resources.get(resource)):
        return ""
    held = len(snapshot.holders(resource, timeline.enter_ended[row] - 1))
    return f", while {held} held it" if held else ", though nobody held it"
