"""Deadlines that passed."""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace.analysis.findings.exit_evidence import kind_of
from asyncctx_trace.analysis.findings.finding import Finding, by_site, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.row_lookup import rows_with
from asyncctx_trace.analysis.timeline.table import Phase
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.events import Outcome

__all__ = ["Timeout"]


class Timeout(Finding):
    """A deadline passed: in which phase of what, and what was held meanwhile."""

    kind = "timeout"
    severity = "warning"

    @classmethod
    def check(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        """Yield one for each site of a deadline, and for each enter that timed out by itself."""
        timeline = snapshot.timeline
        deadlines = [
            row
            for row in rows_with(timeline.exit_outcome, Outcome.TIMED_OUT)
            if kind_of(snapshot, row) == "timeout"
        ]
        for group in by_site(snapshot, deadlines).values():
            row = group[0]
            interrupted = _interrupted(snapshot, row)
            after = timeline.exit_started[row] - timeline.enter_ended[row]
            yield cls.of(
                snapshot,
                [row, *([interrupted[0]] if interrupted else []), *group[1:]],
                f"the deadline {snapshot.acquisition_label(row)} passed after "
                f"{format_duration(after)} in "
                f"{snapshot.task_name(timeline.task[row])}{_doing(snapshot, interrupted)}"
                f"{_holding(snapshot, row)}{times(len(group))}.",
                at=timeline.exit_started[row],
                cost=after,
                count=len(group),
            )
        given_up = rows_with(timeline.enter_outcome, Outcome.TIMED_OUT)
        for group in by_site(snapshot, given_up).values():
            row = group[0]
            after = timeline.enter_ended[row] - timeline.enter_started[row]
            yield cls.of(
                snapshot,
                group,
                f"{snapshot.task_name(timeline.task[row])} gave up waiting for "
                f"{snapshot.acquisition_label(row)} after "
                f"{format_duration(after)}{_holding(snapshot, row)}{times(len(group))}.",
                at=timeline.enter_ended[row],
                cost=after,
                count=len(group),
            )


def _interrupted(snapshot: Snapshot, deadline: int) -> tuple[int, Phase] | None:
    """Return the innermost phase inside ``deadline`` that it cancelled."""
    timeline = snapshot.timeline
    end = timeline.exit_started[deadline]
    rows = timeline.rows_of_task[timeline.task[deadline]]
    cut: list[tuple[int, int, Phase]] = []
    for row in reversed(rows):
        if row == deadline:
            break
        phases: list[tuple[Phase, int, int]] = [
            ("enter", timeline.enter_outcome[row], timeline.enter_ended[row]),
            ("body", timeline.body_outcome[row], timeline.exit_started[row]),
            ("exit", timeline.exit_outcome[row], timeline.exit_ended[row]),
        ]
        cut += [
            (-at, row, phase)
            for phase, outcome, at in phases
            if outcome == Outcome.CANCELLED and at <= end
        ]
    # The deepest is cut off first; what went wrong long before was another story, but it would
    # have ended the body of the deadline there and then.
    return max(cut)[1:] if cut else None


def _doing(snapshot: Snapshot, interrupted: tuple[int, Phase] | None) -> str:
    if interrupted is None:
        return ""
    row, phase = interrupted
    doing = {"enter": "waiting for", "body": "in the body of", "exit": "cleaning up"}[phase]
    return f", {doing} {snapshot.acquisition_label(row)}"


def _holding(snapshot: Snapshot, row: int) -> str:
    held = [other for other in snapshot.held_around(row) if kind_of(snapshot, other) != "timeout"]
    within = _held_within(snapshot, row)
    names = list(dict.fromkeys(snapshot.acquisition_label(other) for other in [*held, *within]))
    return f", while it held {', '.join(names)}" if names else ""


def _held_within(snapshot: Snapshot, deadline: int) -> list[int]:
    """Return what was entered inside ``deadline`` and whose body it cancelled."""
    interrupted = _interrupted(snapshot, deadline)
    if interrupted is None or interrupted[1] == "body":
        return []
    return [
        other
        for other in snapshot.held_around(interrupted[0])
        if snapshot.timeline.enter_started[other] >= snapshot.timeline.enter_started[deadline]
        and other != deadline
    ]
