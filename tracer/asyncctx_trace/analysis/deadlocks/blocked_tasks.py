"""Tasks that cannot go on at the moment of a snapshot, whatever they wait for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from asyncctx_trace.analysis.deadlocks.cycles import goes_on
from asyncctx_trace.analysis.occupancy import contends, limit_of
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.events import TaskDefined
from asyncctx_trace.model.waits import WaitKind

__all__ = [
    "BlockedTask",
    "all_quiescent",
    "blocked_tasks",
    "quiescent_processes",
    "stuck_tasks",
]

_ENDS_BY_ITSELF = frozenset({WaitKind.SLEEP, WaitKind.IO, WaitKind.THREAD, WaitKind.TIMED_TASKS})


@dataclass(frozen=True, slots=True)
class BlockedTask:
    """A task that waits, and the tasks that must go on before it can."""

    task: int
    since: int
    """When it began to wait (monotonic ns)."""
    site: int
    row: int | None
    """The acquisition that it enters, or the task group that it leaves."""
    wait: int | None
    """The row of its wait for something else."""
    on: tuple[int, ...]
    """The tasks that it waits for."""
    holds: tuple[int, ...]
    """The acquisitions by which they keep it out."""
    needs: Literal["one", "all", "anybody"]
    """Which of ``on`` must go on; ``anybody`` if the recording does not say who ends the wait."""


def blocked_tasks(snapshot: Snapshot) -> dict[int, BlockedTask]:
    """Return the tasks that wait at the end of the timeline, by id.

    Left out are those whose wait ends by itself.
    """
    found: dict[int, BlockedTask] = {}
    running: dict[int, int] = {}
    for since, task, blocked in _waiting(snapshot):
        # Of an enter within an enter, or a wait within one, the one that began last counts.
        if since < running.get(task, 0):
            continue
        running[task] = since
        if blocked is None:
            found.pop(task, None)
        else:
            found[task] = blocked
    return found


def stuck_tasks(snapshot: Snapshot) -> dict[int, BlockedTask]:
    """Return the blocked tasks of which none can go on, in any schedule.

    That is so of those who wait for each other, and of all in a process whose event loop nothing
    can wake any more. O(n²) for n blocked tasks, in practice O(n).
    """
    blocked = blocked_tasks(snapshot)
    quiet = snapshot.once(quiescent_processes)
    stuck = dict(blocked)
    while True:
        free = [
            each.task
            for each in stuck.values()
            if snapshot.process_of(each.task) not in quiet and _can_go_on(each, stuck)
        ]
        if not free:
            return stuck
        for task in free:
            del stuck[task]


def all_quiescent(snapshot: Snapshot, tasks: Iterable[int]) -> bool:
    """Return whether nothing could wake any of ``tasks`` any more."""
    quiet = snapshot.once(quiescent_processes)
    return bool(quiet) and all(snapshot.process_of(task) in quiet for task in tasks)


def quiescent_processes(snapshot: Snapshot) -> frozenset[int]:
    """Return the processes whose event loop nothing in them could wake any more."""
    timeline = snapshot.timeline
    return frozenset(
        process
        for process, note in timeline.quiescent.items()
        if not _has_events_after(snapshot, process, note.at)
    )


def _has_events_after(snapshot: Snapshot, process: int, at: int) -> bool:
    timeline = snapshot.timeline
    if timeline.facts[-1] <= at:
        return False
    columns = (
        (timeline.enter_started, timeline.task),
        (timeline.enter_ended, timeline.task),
        (timeline.exit_started, timeline.exit_task),
        (timeline.exit_ended, timeline.exit_task),
        (timeline.waits.started, timeline.waits.task),
        (timeline.waits.ended, timeline.waits.task),
    )
    return any(
        time > at and snapshot.process_of(task) == process
        for times, tasks in columns
        if max(times, default=0) > at
        for time, task in zip(times, tasks, strict=True)
    )


def _waiting(snapshot: Snapshot) -> Iterator[tuple[int, int, BlockedTask | None]]:
    """Yield since when each task waits, and for what; ``None`` for what ends by itself."""
    timeline = snapshot.timeline
    in_flight = timeline.in_flight
    holds: dict[int, list[int]] = {}
    for row in in_flight:
        if timeline.entered(row):
            holds.setdefault(timeline.resource[row], []).append(row)
    children: dict[int, list[TaskDefined]] = {}
    for row in in_flight:
        task, since = timeline.task[row], timeline.enter_started[row]
        if timeline.enter_ended[row] == NOT_YET:
            yield since, task, _entering(snapshot, row, holds.get(timeline.resource[row], []))
        elif timeline.exit_started[row] != NOT_YET:
            since, task = timeline.exit_started[row], timeline.exit_task[row]
            group = timeline.is_group(timeline.resource[row])
            if group and not children:
                for known in timeline.tasks.values():
                    children.setdefault(known.parent or 0, []).append(known)
            yield since, task, _leaving(snapshot, row, children) if group else None
    for wait in timeline.waits.open.values():
        yield timeline.waits.started[wait], timeline.waits.task[wait], _awaiting(snapshot, wait)


def _entering(snapshot: Snapshot, row: int, held: list[int]) -> BlockedTask | None:
    timeline = snapshot.timeline
    definition = timeline.resources.get(timeline.resource[row])
    if not contends(definition) or len(held) < limit_of(definition) or goes_on(timeline, row, held):
        return None
    held = sorted(held, key=timeline.enter_ended.__getitem__)
    return BlockedTask(
        task=timeline.task[row],
        since=timeline.enter_started[row],
        site=timeline.site[row],
        row=row,
        wait=None,
        on=tuple(dict.fromkeys(snapshot.holder(hold, snapshot.now) for hold in held)),
        holds=tuple(held),
        needs="one",
    )


def _leaving(snapshot: Snapshot, row: int, children: dict[int, list[TaskDefined]]) -> BlockedTask:
    timeline = snapshot.timeline
    entered, task = timeline.enter_ended[row], timeline.task[row]
    created = [
        known.task
        for known in children.get(task, ())
        if known.at >= entered and known.task not in timeline.task_ended
    ]
    return BlockedTask(
        task=timeline.exit_task[row],
        since=timeline.exit_started[row],
        site=timeline.site[row],
        row=row,
        wait=None,
        on=tuple(created),
        holds=(),
        needs="all",
    )


def _awaiting(snapshot: Snapshot, wait: int) -> BlockedTask | None:
    timeline = snapshot.timeline
    waits = timeline.waits
    kind = WaitKind(waits.kind[wait])
    if kind in _ENDS_BY_ITSELF and not all_quiescent(snapshot, [waits.task[wait]]):
        return None
    awaited = waits.tasks_awaited(wait)
    on = [task for task in awaited if task not in timeline.task_ended]
    needs: Literal["one", "all", "anybody"] = "anybody"
    if awaited:
        needs = "one" if kind is WaitKind.FIRST_TASK else "all"
    return BlockedTask(
        task=waits.task[wait],
        since=waits.started[wait],
        site=waits.site[wait],
        row=None,
        wait=wait,
        on=tuple(on),
        holds=(),
        needs=needs,
    )


def _can_go_on(blocked: BlockedTask, stuck: dict[int, BlockedTask]) -> bool:
    if blocked.needs == "anybody" or not blocked.on:
        return True
    stuck_ones = sum(task in stuck for task in blocked.on)
    return stuck_ones < len(blocked.on) if blocked.needs == "one" else not stuck_ones
