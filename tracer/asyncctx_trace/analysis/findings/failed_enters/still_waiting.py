"""Enters and exits that never ended."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from asyncctx_trace.analysis.deadlocks.cycles import cycles_of
from asyncctx_trace.analysis.deadlocks.stuck_groups import stuck_groups
from asyncctx_trace.analysis.findings.cleanups.unfinished_exits import (
    describe_missing,
    not_given_back,
    unfinished_exits,
)
from asyncctx_trace.analysis.findings.exit_evidence import exit_sites
from asyncctx_trace.analysis.findings.failed_enters.unended_waits import (
    describe_unended,
    unended_waits,
)
from asyncctx_trace.analysis.findings.finding import EVIDENCE, Certainty, Finding, by_site, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.occupancy import contends
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.completeness import is_complete
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.durations import format_duration

__all__ = ["StillWaiting", "is_stuck"]

_MUCH_LONGER = 10
"""How many times longer than any hold a queue must not have moved to count as stuck."""


class StillWaiting(Finding):
    """An enter or an exit never ended, and no deadlock explains it.

    An enter is certain if the program ended by itself. An exit is certain if it waits for what only
    its own task, or one that is gone, could release.
    """

    kind = "still-waiting"
    severity = "warning"

    @classmethod
    def check(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        """Yield one for each resource and site."""
        explained = {
            row for cycle in snapshot.once(cycles_of) for row in (*cycle.waits, *cycle.behind)
        }
        groups = snapshot.once(stuck_groups)
        explained |= {
            member.row for group in groups for member in group.members if member.row is not None
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
        yield from (
            cls.from_stuck(snapshot, each) for each in groups if each.quiescent and not each.holds
        )
        yield from cls._of_waits(snapshot, thresholds)

    @classmethod
    def _of_waits(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        waits = snapshot.timeline.waits
        stuck = {each.task for group in snapshot.once(stuck_groups) for each in group.members}
        for rows in unended_waits(snapshot, thresholds.still_waiting, stuck):
            yield cls.of(
                snapshot,
                (),
                describe_unended(snapshot, rows),
                certainty="possible",
                at=waits.started[rows[0]],
                cost=sum(snapshot.now - waits.started[row] for row in rows),
                count=len(rows),
                tasks=[waits.task[row] for row in rows],
                sites=[waits.site[rows[0]]],
            )

    @classmethod
    def _of_exits(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        timeline = snapshot.timeline
        rows = unfinished_exits(snapshot, thresholds.still_waiting)
        for group in by_site(snapshot, rows).values():
            row = group[0]
            missing = not_given_back(snapshot, row)
            task = timeline.exit_task[row]
            nobody_else = missing and all(
                timeline.task[row] == task or timeline.task[row] in timeline.task_ended
                for row in missing
            )
            yield cls.of(
                snapshot,
                [*group[:1], *missing, *group[1:]],
                f"the exit of {snapshot.acquisition_label(row)} has been going on in "
                f"{snapshot.task_name(task)} for "
                f"{format_duration(snapshot.exit_length(row))}"
                f"{describe_missing(snapshot, missing)}{times(len(group))}.",
                certainty="certain" if nobody_else and not timeline.dropped else "possible",
                at=timeline.exit_started[row],
                cost=sum(map(snapshot.exit_length, group)),
                count=len(group),
                sites=exit_sites(snapshot, group),
            )


def is_stuck(snapshot: Snapshot, row: int, threshold: int) -> bool:
    """Return whether ``row`` is stuck: at the end of the program, or in a queue that does not move.

    A queue stands still if a task holds the resource for ``threshold`` ns, and much longer than any
    task held it before. A wait without any holder (for a connection, for the next item) is normal
    for an idle service that is stopped.
    """
    timeline = snapshot.timeline
    if snapshot.end_of(timeline.task[row]) == "ended":
        return True
    if _waited(snapshot, row) < threshold:
        return False
    resource, asked = timeline.resource[row], timeline.enter_started[row]
    holders = snapshot.holders(resource, snapshot.now)
    if not contends(snapshot.timeline.resources.get(resource)) or not holders:
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
    tasks = snapshot.task_names([timeline.task[row] for row in rows])
    waits = "wait" if len(rows) > 1 else "waits"
    holders = _holders(snapshot, rows)
    since = format_duration(_waited(snapshot, rows[0]))
    sentence = f"{tasks} still {waits} for {snapshot.acquisition_label(rows[0])}, since {since}"
    if not holders:
        return sentence + "."
    hold = holders[0]
    holder = snapshot.holder(hold, snapshot.now)
    gone = ", which is gone" if holder in timeline.task_ended else ""
    site = snapshot.site_label(timeline.site[hold])
    return f"{sentence}: {snapshot.task_name(holder)}{gone} holds it since {site}."


def _waited(snapshot: Snapshot, row: int) -> int:
    return snapshot.now - snapshot.timeline.enter_started[row]
