"""The times at which something went wrong or took long."""

from __future__ import annotations

from typing import NamedTuple

from asyncctx_trace.analysis.findings import Thresholds, find_in
from asyncctx_trace.analysis.findings.limits.blocked_loop import BlockedLoop
from asyncctx_trace.analysis.loop_stalls import stalls_of
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.grouping import group_findings
from asyncctx_trace.analysis.timeline.table import NOT_YET, Phase
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.events import Outcome
from asyncctx_trace.model.names import resource_name, task_name

__all__ = ["Problem", "problems"]

_LONGEST_WAITS = 5
"""The number of longest waits that count as problems."""
_NAME_WIDTH = 32
"""Maximum length of a name in a description."""
_OUTCOMES = {
    Outcome.ERROR: "error",
    Outcome.CANCELLED: "cancelled",
    Outcome.TIMED_OUT: "timed out",
}


class Problem(NamedTuple):
    """A time at which something went wrong or took long."""

    at: int
    row: int | None
    """The acquisition to show."""
    description: str
    task: int | None = None
    """The task to show if there is no acquisition."""
    stall: int | None = None
    """The id of the stall to show."""


def problems(snapshot: Snapshot) -> list[Problem]:
    """Return errors, cancellations, timeouts, the longest waits and findings, sorted by time.

    Of findings with a common cause, only the worst is included.
    """
    timeline = snapshot.timeline
    result: list[Problem] = []
    for row in range(len(timeline)):
        phases: tuple[tuple[int, int, Phase], ...] = (
            (timeline.enter_ended[row], timeline.enter_outcome[row], "enter"),
            (timeline.exit_started[row], timeline.body_outcome[row], "body"),
            (timeline.exit_ended[row], timeline.exit_outcome[row], "exit"),
        )
        for at, outcome, phase in phases:
            if outcome not in (0, Outcome.OK):
                who = _task(snapshot, timeline.task[row])
                what = _resource(snapshot, timeline.resource[row])
                description = f"{_OUTCOMES[Outcome(outcome)]}: {who} at `{what}`"
                if outcome == Outcome.ERROR and (error := snapshot.error_text(row, phase)):
                    description += f", {error}"
                result.append(Problem(at, row, description))
    waits = sorted(((_wait(snapshot, row), row) for row in range(len(timeline))), reverse=True)[
        :_LONGEST_WAITS
    ]
    for length, row in waits:
        if snapshot.blocked_time(row):
            who = _task(snapshot, timeline.task[row])
            what = _resource(snapshot, timeline.resource[row])
            description = f"long wait: {who} for `{what}`, {format_duration(length)}"
            result.append(Problem(timeline.enter_started[row], row, description))
    stalls = {each.since: each.started.stall for each in stalls_of(timeline, snapshot.now)}
    for group in group_findings(snapshot, find_in(snapshot, Thresholds())):
        worst = group.findings[0]
        result.append(
            Problem(
                worst.at,
                worst.rows[0] if worst.rows else None,
                f"{group.kind}: {group.sentence}",
                worst.tasks[0] if worst.tasks else None,
                stalls.get(worst.at) if group.kind == BlockedLoop.kind else None,
            )
        )
    return sorted(result, key=lambda problem: problem.at)


def _wait(snapshot: Snapshot, row: int) -> int:
    end = snapshot.timeline.enter_ended[row]
    return (snapshot.now if end == NOT_YET else end) - snapshot.timeline.enter_started[row]


def _task(snapshot: Snapshot, task: int) -> str:
    return task_name(snapshot.timeline, task)


def _resource(snapshot: Snapshot, resource: int) -> str:
    return resource_name(snapshot.timeline, resource)
