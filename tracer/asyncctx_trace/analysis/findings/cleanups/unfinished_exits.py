"""Exits that have not ended, and what they wait for."""

from __future__ import annotations

from asyncctx_trace.analysis.findings.exit_evidence import kind_of
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.durations import format_duration

__all__ = ["describe_late", "describe_missing", "not_given_back", "unfinished_exits"]


def unfinished_exits(snapshot: Snapshot, threshold: int) -> list[int]:
    """Return the rows whose exit has lasted ``threshold`` ns or more, and has not ended.

    Left out are task groups, which wait for their tasks in their exit, and exits during which the
    same task waits for something else that is recorded.
    """
    timeline = snapshot.timeline
    result = [
        row
        for row in timeline.in_flight
        if timeline.exit_started[row] != NOT_YET
        and snapshot.exit_length(row) >= threshold
        and not snapshot.abandoned(row)
        and snapshot.end_of(timeline.task[row]) != "ended"  # it has leaked
        and kind_of(snapshot, row) != "task group"
    ]
    return [row for row in result if not _waits_inside(snapshot, row)]


def not_given_back(snapshot: Snapshot, row: int) -> list[int]:
    """Return the acquisitions of the pool of ``row`` that its exit has to wait for.

    They were made while the pool was open, and last longer than the exit has lasted. If several
    pools are open, the parents of an acquisition show to which one it belongs.
    """
    if kind_of(snapshot, row) != "open pool":
        return []
    timeline = snapshot.timeline
    opened, leaves = timeline.enter_ended[row], timeline.exit_started[row]
    until = timeline.exit_ended[row]
    result = [
        other
        for resource in snapshot.limited
        if timeline.resources[resource].kind == "pool"
        for other in snapshot.holders(resource, leaves)
        if timeline.enter_started[other] >= opened
        and (timeline.exit_ended[other] == NOT_YET or until > timeline.exit_ended[other] > leaves)
    ]
    inside = [other for other in result if row in _above(snapshot, other)]
    return inside or (result if _pools_open(snapshot, leaves) == 1 else [])


def describe_missing(snapshot: Snapshot, missing: list[int]) -> str:
    """Describe what an exit waits for; ``""`` if unknown."""
    if not missing:
        return ""
    timeline = snapshot.timeline
    first = missing[0]
    task = timeline.task[first]
    gone = ", which is gone" if task in timeline.task_ended else ""
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return (
        f": it waits for what {snapshot.task_name(task)}{gone} took from "
        f"{snapshot.acquisition_label(first)}{more} and has not given back"
    )


def describe_late(snapshot: Snapshot, late: list[int]) -> str:
    """Describe what an exit that has ended had to wait for; ``""`` if unknown."""
    if not late:
        return ""
    timeline = snapshot.timeline
    last = max(late, key=timeline.exit_ended.__getitem__)
    by = timeline.exit_site[last]
    where = f" at {snapshot.site_label(by)}" if by else ""
    return (
        f": {snapshot.task_name(timeline.task[last])} gave back what it had taken from "
        f"{snapshot.acquisition_label(last)} "
        f"only{where} {format_duration(timeline.exit_ended[last] - timeline.enter_ended[last])} "
        "later"
    )


def _pools_open(snapshot: Snapshot, at: int) -> int:
    timeline = snapshot.timeline
    return sum(
        timeline.entered(row)
        and timeline.enter_ended[row] <= at
        and (timeline.exit_ended[row] == NOT_YET or timeline.exit_ended[row] > at)
        for resource, rows in timeline.rows_of_resource.items()
        if (definition := timeline.resources.get(resource)) is not None
        and definition.kind == "open pool"
        for row in rows
    )


def _above(snapshot: Snapshot, row: int) -> set[int]:
    above: set[int] = set()
    row = snapshot.parents[row]
    while row >= 0 and row not in above:
        above.add(row)
        row = snapshot.parents[row]
    return above


def _waits_inside(snapshot: Snapshot, row: int) -> bool:
    timeline = snapshot.timeline
    task, since = timeline.exit_task[row], timeline.exit_started[row]
    return any(
        other != row
        and (
            (timeline.task[other] == task and timeline.enter_started[other] >= since)
            or (
                timeline.exit_task[other] == task
                and kind_of(snapshot, other) != "task group"
                and timeline.exit_started[other] >= since
                # Of two exits of the same tick the one that was entered first is the outer one.
                and (timeline.exit_started[other] > since or other > row)
            )
        )
        for other in timeline.in_flight
    )
