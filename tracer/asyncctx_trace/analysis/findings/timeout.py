"""A deadline that passed."""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace.analysis.findings.exits import kind_of
from asyncctx_trace.analysis.findings.finding import Finding, by_place, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.snapshot import Case
from asyncctx_trace.analysis.timeline.lookups import rows_with
from asyncctx_trace.analysis.timeline.table import Phase
from asyncctx_trace.model.events import Outcome
from asyncctx_trace.model.text import duration

__all__ = ["Timeout"]


class Timeout(Finding):
    """Which deadline, in which phase of what, and what was held meanwhile."""

    kind = "timeout"
    severity = "warning"

    @classmethod
    def check(cls, case: Case, thresholds: Thresholds) -> Iterator[Finding]:
        """One for each deadline's site, and for each enter that gave up by itself."""
        timeline = case.timeline
        deadlines = [
            row
            for row in rows_with(timeline.exit_outcome, Outcome.TIMED_OUT)
            if kind_of(case, row) == "timeout"
        ]
        for group in by_place(case, deadlines).values():
            row = group[0]
            interrupted = _interrupted(case, row)
            after = timeline.exit_started[row] - timeline.enter_ended[row]
            yield cls.of(
                case,
                [row, *([interrupted[0]] if interrupted else []), *group[1:]],
                f"the deadline {case.where(row)} passed after {duration(after)} in "
                f"{case.task(timeline.task[row])}{_doing(case, interrupted)}"
                f"{_holding(case, row)}{times(len(group))}.",
                at=timeline.exit_started[row],
                cost=after,
                count=len(group),
            )
        given_up = rows_with(timeline.enter_outcome, Outcome.TIMED_OUT)
        for group in by_place(case, given_up).values():
            row = group[0]
            after = timeline.enter_ended[row] - timeline.enter_started[row]
            yield cls.of(
                case,
                group,
                f"{case.task(timeline.task[row])} gave up waiting for {case.where(row)} after "
                f"{duration(after)}{_holding(case, row)}{times(len(group))}.",
                at=timeline.enter_ended[row],
                cost=after,
                count=len(group),
            )


def _interrupted(case: Case, deadline: int) -> tuple[int, Phase] | None:
    """The innermost phase inside ``deadline`` that it cut off."""
    timeline = case.timeline
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


def _doing(case: Case, interrupted: tuple[int, Phase] | None) -> str:
    if interrupted is None:
        return ""
    row, phase = interrupted
    doing = {"enter": "waiting for", "body": "in the body of", "exit": "cleaning up"}[phase]
    return f", {doing} {case.where(row)}"


def _holding(case: Case, row: int) -> str:
    held = [other for other in case.held_around(row) if kind_of(case, other) != "timeout"]
    within = _held_within(case, row)
    names = list(dict.fromkeys(case.where(other) for other in [*held, *within]))
    return f", while it held {', '.join(names)}" if names else ""


def _held_within(case: Case, deadline: int) -> list[int]:
    """What was entered inside the deadline and whose body the deadline cut off."""
    interrupted = _interrupted(case, deadline)
    if interrupted is None or interrupted[1] == "body":
        return []
    return [
        other
        for other in case.held_around(interrupted[0])
        if case.timeline.enter_started[other] >= case.timeline.enter_started[deadline]
        and other != deadline
    ]
