"""On the way in at the end."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from asyncctx_trace.analysis.deadlocks.cycles import rings_of
from asyncctx_trace.analysis.endings.completeness import is_complete
from asyncctx_trace.analysis.findings.exits import exit_sites
from asyncctx_trace.analysis.findings.finding import EVIDENCE, Certainty, Finding, by_place, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.findings.unfinished_exits import (
    describe_missing,
    not_given_back,
    unfinished_exits,
)
from asyncctx_trace.analysis.snapshot import Case
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.text import duration

__all__ = ["StillWaiting", "is_stuck"]

_MUCH_LONGER = 10
"""How many times longer than any hold before a queue must not have moved to be stuck."""


class StillWaiting(Finding):
    """An enter or an exit that never ended, but for those that a deadlock explains.

    An enter is certain where the program came to its end by itself. An exit is certain where it
    waits for what nobody but its own task, or one that is gone, could give back.
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
                if is_stuck(case, row, thresholds.still_waiting):
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
                    sites=[case.timeline.site[hold] for hold in _holders(case, group)],
                )
        yield from cls._of_exits(case, thresholds)

    @classmethod
    def _of_exits(cls, case: Case, thresholds: Thresholds) -> Iterator[Finding]:
        timeline = case.timeline
        rows = unfinished_exits(case, thresholds.still_waiting)
        for group in by_place(case, rows).values():
            row = group[0]
            missing = not_given_back(case, row)
            task = timeline.exit_task[row]
            nobody_else = missing and all(
                timeline.task[each] == task or timeline.task[each] in timeline.task_ended
                for each in missing
            )
            yield cls.of(
                case,
                [*group[:1], *missing, *group[1:]],
                f"the exit of {case.where(row)} has been going on in {case.task(task)} "
                f"for {duration(case.exit_length(row))}{describe_missing(case, missing)}"
                f"{times(len(group))}.",
                certainty="certain" if nobody_else and not timeline.dropped else "possible",
                at=timeline.exit_started[row],
                cost=sum(map(case.exit_length, group)),
                count=len(group),
                sites=exit_sites(case, group),
            )


def is_stuck(case: Case, row: int, threshold: int) -> bool:
    """Whether ``row`` waited until the program was over, or for ``threshold`` ns while none moved.

    Those who wait in a queue that moves are only busy. It stands still where somebody holds the
    resource much longer than anybody held it before. What waits for no holder at all (for a
    connection, for the next item) is how an idle service looks when it is stopped.
    """
    timeline = case.timeline
    if case.end_of(timeline.task[row]) == "ended":
        return True
    if _waited(case, row) < threshold:
        return False
    resource, asked = timeline.resource[row], timeline.enter_started[row]
    holders = case.holders(resource, case.now)
    if resource not in case.limited or not holders:
        return case.interruption is None or not case.interruption.asks_politely
    rows = timeline.rows_of_resource[resource]
    moved = max(
        max(timeline.exit_ended[other], timeline.enter_ended[other])
        for other in rows
        if timeline.entered(other)
    )
    if moved <= asked:
        return True
    holds = [
        timeline.exit_ended[other] - timeline.enter_ended[other]
        for other in rows
        if timeline.exit_ended[other] != NOT_YET
    ]
    return case.now - moved >= max(threshold, _MUCH_LONGER * max(holds, default=0))


def _holders(case: Case, rows: list[int]) -> list[int]:
    return case.holders(case.timeline.resource[rows[0]], case.now)[:EVIDENCE]


def _say(case: Case, rows: list[int]) -> str:
    timeline = case.timeline
    tasks = case.tasks([timeline.task[row] for row in rows])
    waits = "wait" if len(rows) > 1 else "waits"
    holders = _holders(case, rows)
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
