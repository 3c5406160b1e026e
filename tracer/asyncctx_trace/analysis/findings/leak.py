"""Entered and never exited."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from asyncctx_trace.analysis.case import Case
from asyncctx_trace.analysis.completeness import is_complete
from asyncctx_trace.analysis.findings.finding import Certainty, Finding, by_place, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.permits import handed_over, is_anonymous

__all__ = ["Leak"]


class Leak(Finding):
    """What was entered was never left: the task is gone, or the program over.

    Certain where nobody is left who could exit it. What was in its body when the program was
    killed is no leak.
    """

    kind = "leak"
    severity = "error"

    @classmethod
    def check(cls, case: Case, thresholds: Thresholds) -> Iterator[Finding]:
        """One for each resource and site."""
        judged: dict[Certainty, list[int]] = {"certain": [], "possible": []}
        for row in case.timeline.in_flight:
            certainty = _judge(case, row)
            if certainty is not None:
                judged[certainty].append(row)
        for certainty, rows in judged.items():
            for group in by_place(case, rows).values():
                yield cls.of(
                    case,
                    group,
                    _say(case, group),
                    certainty=certainty,
                    at=case.timeline.enter_ended[group[0]],
                    cost=sum(case.now - case.timeline.enter_ended[row] for row in group),
                    count=len(group),
                )


def _judge(case: Case, row: int) -> Certainty | None:
    if not case.timeline.entered(row):
        return None
    task = case.timeline.task[row]
    if is_anonymous(case.timeline, row):
        resource = case.timeline.resource[row]
        always = case.once(handed_over).get(resource)
        if always is not None:  # others give back what is taken here
            return None if always else _handed_over(case, task)
        if case.timeline.resources[resource].kind == "signal":
            return None  # released by others first, as often as there is something to take
    end = case.end_of(task)
    gone = task in case.timeline.task_ended
    if end == "ended" or (gone and end in ("closed", "killed")):
        # Once its task is gone nobody exits it: what is missing afterwards does not matter.
        until = case.timeline.task_ended.get(task, inf)
        since = case.timeline.enter_ended[row]
        return "certain" if is_complete(case.timeline, [task], since, until) else "possible"
    return "possible" if gone or end == "closed" else None


def _handed_over(case: Case, task: int) -> Certainty | None:
    """Whoever was to give it back may be anybody, as long as there is anybody."""
    return "possible" if case.end_of(task) in ("ended", "closed") else None


def _say(case: Case, rows: list[int]) -> str:
    task = case.timeline.task[rows[0]]
    if task in case.timeline.task_ended:
        why = "its task is gone"
    elif case.end_of(task) == "ended":
        why = "the program is over"
    else:
        why = "the recording is over"
    return (
        f"{case.where(rows[0])} was entered by {case.task(task)} and never exited: "
        f"{why}{times(len(rows))}."
    )
