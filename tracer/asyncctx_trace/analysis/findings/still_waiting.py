"""On the way in at the end."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from asyncctx_trace.analysis.case import Case
from asyncctx_trace.analysis.completeness import is_complete
from asyncctx_trace.analysis.deadlock import rings_of
from asyncctx_trace.analysis.findings.finding import Certainty, Finding, by_place
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.timeline import NOT_YET
from asyncctx_trace.analysis.words import duration

__all__ = ["StillWaiting"]


class StillWaiting(Finding):
    """An enter that never ended, but for those that a deadlock explains.

    Certain where the program came to its end by itself.
    """

    kind = "still-waiting"
    severity = "warning"

    @classmethod
    def check(cls, case: Case, thresholds: Thresholds) -> Iterator[Finding]:
        """One for each resource and site."""
        explained = {row for ring in case.once(rings_of) for row in (*ring.waits, *ring.behind)}
        judged: dict[Certainty, list[int]] = {"certain": [], "possible": []}
        for row in case.timeline.in_flight:
            if case.timeline.enter_ended[row] == NOT_YET and row not in explained:
                over = case.end_of(case.timeline.task[row]) == "ended"
                if over or (
                    _waited(case, row) >= thresholds.still_waiting and _is_stuck(case, row)
                ):
                    task, asked = case.timeline.task[row], case.timeline.enter_started[row]
                    certain = over and is_complete(case.timeline, [task], asked, inf)
                    judged["certain" if certain else "possible"].append(row)
        for certainty, rows in judged.items():
            for group in by_place(case, rows).values():
                group.sort(key=case.timeline.enter_started.__getitem__)
                yield cls.of(
                    case,
                    group,
                    _say(case, group),
                    certainty=certainty,
                    at=case.timeline.enter_started[group[0]],
                    cost=sum(_waited(case, row) for row in group),
                    count=len(group),
                )


def _is_stuck(case: Case, row: int) -> bool:
    """Whether nothing has moved since ``row`` began to wait.

    Those who wait in a queue that moves are only busy. What waits for no holder at all (for a
    connection, for the next item) is how an idle service looks when it is stopped.
    """
    timeline = case.timeline
    resource, asked = timeline.resource[row], timeline.enter_started[row]
    holders = case.holders(resource, case.now)
    if resource not in case.limited or not holders:
        return case.interruption is None or not case.interruption.asks_politely
    return not any(
        timeline.exit_ended[other] > asked
        or (timeline.entered(other) and timeline.enter_ended[other] > asked)
        for other in timeline.rows_of_resource[resource]
    )


def _say(case: Case, rows: list[int]) -> str:
    timeline = case.timeline
    tasks = case.tasks([timeline.task[row] for row in rows])
    waits = "wait" if len(rows) > 1 else "waits"
    holders = case.holders(timeline.resource[rows[0]], case.now)
    words = (
        f"{tasks} still {waits} for {case.where(rows[0])}, since {duration(_waited(case, rows[0]))}"
    )
    if not holders:
        return words + "."
    hold = holders[0]
    holder = case.holder(hold, case.now)
    gone = ", which is gone" if holder in timeline.task_ended else ""
    return f"{words}: {case.task(holder)}{gone} holds it since {case.place(timeline.site[hold])}."


def _waited(case: Case, row: int) -> int:
    return case.now - case.timeline.enter_started[row]
