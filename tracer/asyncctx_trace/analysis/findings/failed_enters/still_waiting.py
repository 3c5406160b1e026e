"""On the way in at the end."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from asyncctx_trace.analysis.deadlocks.cycles import cycles_of
from asyncctx_trace.analysis.findings.cleanups.unfinished_exits import (
    describe_missing,
    not_given_back,
    unfinished_exits,
)
from asyncctx_trace.analysis.findings.exit_evidence import exit_sites
from asyncctx_trace.analysis.findings.finding import EVIDENCE, Certainty, Finding, by_site, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.completeness import is_complete
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.durations import format_duration

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
    def check(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        """One for each resource and site."""
        explained = {
            row for ring in snapshot.once(cycles_of) for row in (*ring.waits, *ring.behind)
        }
        by_certainty: dict[Certainty, list[int]] = {"certain": [], "possible": []}
        for row in snapshot.timeline.in_flight:
            if snapshot.timeline.enter_ended[row] == NOT_YET and row not in explained:
                over = snapshot.end_of(snapshot.timeline.task[row]) == "ended"
                if is_stuck(snapshot, row, thresholds.still_waiting):
                    task, asked = snapshot.timeline.task[row], snapshot.timeline.enter_started[row]
                    certain = over and is_complete(snapshot.timeline, [task], asked, inf)
                    by_certainty["certain" if certain else "possible"].append(row)
        for certainty, rows in by_certainty.items():
            for group in by_site(snapshot, rows).values():
                group.sort(key=snapshot.timeline.enter_started.__getitem__)
                yield cls.of(
                    snapshot,
                    group,
                    _say(snapshot, group),
                    certainty=certainty,
                    at=snapshot.timeline.enter_started[group[0]],
                    cost=sum(_waited(snapshot, row) for row in group),
                    count=len(group),
                    sites=[snapshot.timeline.site[hold] for hold in _holders(snapshot, group)],
                )
        yield from cls._of_exits(snapshot, thresholds)

    @classmethod
    def _of_exits(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        timeline = snapshot.timeline
        rows = unfinished_exits(snapshot, thresholds.still_waiting)
        for group in by_site(snapshot, rows).values():
            row = group[0]
            missing = not_given_back(snapshot, row)
            task = timeline.exit_task[row]
            nobody_else = missing and all(
                timeline.task[each] == task or timeline.task[each] in timeline.task_ended
                for each in missing
            )
            yield cls.of(
                snapshot,
                [*group[:1], *missing, *group[1:]],
                f"the exit of {snapshot.where(row)} has been going on in {snapshot.task(task)} "
                "for "
                f"{format_duration(snapshot.exit_length(row))}{describe_missing(snapshot, missing)}"
                f"{times(len(group))}.",
                certainty="certain" if nobody_else and not timeline.dropped else "possible",
                at=timeline.exit_started[row],
                cost=sum(map(snapshot.exit_length, group)),
                count=len(group),
                sites=exit_sites(snapshot, group),
            )


def is_stuck(snapshot: Snapshot, row: int, threshold: int) -> bool:
    """Whether ``row`` waited until the program was over, or for ``threshold`` ns while none moved.

    Those who wait in a queue that moves are only busy. It stands still where somebody holds the
    resource much longer than anybody held it before. What waits for no holder at all (for a
    connection, for the next item) is how an idle service looks when it is stopped.
    """
    timeline = snapshot.timeline
    if snapshot.end_of(timeline.task[row]) == "ended":
        return True
    if _waited(snapshot, row) < threshold:
        return False
    resource, asked = timeline.resource[row], timeline.enter_started[row]
    holders = snapshot.holders(resource, snapshot.now)
    if resource not in snapshot.limited or not holders:
        return snapshot.interruption is None or not snapshot.interruption.is_orderly
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
    return snapshot.now - moved >= max(threshold, _MUCH_LONGER * max(holds, default=0))


def _holders(snapshot: Snapshot, rows: list[int]) -> list[int]:
    return snapshot.holders(snapshot.timeline.resource[rows[0]], snapshot.now)[:EVIDENCE]


def _say(snapshot: Snapshot, rows: list[int]) -> str:
    timeline = snapshot.timeline
    tasks = snapshot.tasks([timeline.task[row] for row in rows])
    waits = "wait" if len(rows) > 1 else "waits"
    holders = _holders(snapshot, rows)
    since = format_duration(_waited(snapshot, rows[0]))
    words = f"{tasks} still {waits} for {snapshot.where(rows[0])}, since {since}"
    if not holders:
        return words + "."
    hold = holders[0]
    holder = snapshot.holder(hold, snapshot.now)
    gone = ", which is gone" if holder in timeline.task_ended else ""
    site = snapshot.place(timeline.site[hold])
    return f"{words}: {snapshot.task(holder)}{gone} holds it since {site}."


def _waited(snapshot: Snapshot, row: int) -> int:
    return snapshot.now - snapshot.timeline.enter_started[row]
