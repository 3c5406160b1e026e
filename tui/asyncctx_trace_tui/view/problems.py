"""Where something went wrong or took long: the places that a viewer jumps to."""

from __future__ import annotations

from asyncctx_trace.analysis.findings import Thresholds, find_in
from asyncctx_trace.analysis.snapshot import Case
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.events import Outcome
from asyncctx_trace.model.text import duration, shorten

__all__ = ["Place", "problems"]

_LONGEST = 5
"""How many of the longest waits count as problems."""
_NAME = 32
"""Cells of a name."""
_WORDS = {
    Outcome.ERROR: "error",
    Outcome.CANCELLED: "cancelled",
    Outcome.TIMED_OUT: "timed out",
}

Place = tuple[int, int | None, str]
"""Time, row, and what is there in a few words."""


def problems(case: Case) -> list[Place]:
    """Errors, cancellations, timeouts, the longest waits, findings, in order of time."""
    timeline = case.timeline
    places: list[Place] = []
    for row in range(len(timeline)):
        for at, outcome in (
            (timeline.enter_ended[row], timeline.enter_outcome[row]),
            (timeline.exit_started[row], timeline.body_outcome[row]),
            (timeline.exit_ended[row], timeline.exit_outcome[row]),
        ):
            if outcome not in (0, Outcome.OK):
                who = _task(case, timeline.task[row])
                what = _resource(case, timeline.resource[row])
                places.append((at, row, f"{_WORDS[Outcome(outcome)]}: {who} at `{what}`"))
    waits = sorted(((_wait(case, row), row) for row in range(len(timeline))), reverse=True)[
        :_LONGEST
    ]
    for length, row in waits:
        if case.contended(row):
            who = _task(case, timeline.task[row])
            what = _resource(case, timeline.resource[row])
            words = f"long wait: {who} for `{what}`, {duration(length)}"
            places.append((timeline.enter_started[row], row, words))
    for finding in find_in(case, Thresholds()):
        shown = finding.rows[0] if finding.rows else None
        places.append((finding.at, shown, f"{finding.kind}: {finding.summary}"))
    return sorted(places, key=lambda place: place[0])


def _wait(case: Case, row: int) -> int:
    end = case.timeline.enter_ended[row]
    return (case.now if end == NOT_YET else end) - case.timeline.enter_started[row]


def _task(case: Case, task: int) -> str:
    return shorten(case.task(task), _NAME)


def _resource(case: Case, resource: int) -> str:
    return shorten(case.resource(resource), _NAME)
