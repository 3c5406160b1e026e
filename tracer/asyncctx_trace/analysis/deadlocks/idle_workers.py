"""Tell workers that wait for more work from a program that hangs."""

from __future__ import annotations

from collections.abc import Iterable

from asyncctx_trace.analysis.deadlocks.blocked_tasks import BlockedTask
from asyncctx_trace.analysis.deadlocks.enders import enders_of
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.model.waits import OF_TASKS, WaitKind

__all__ = ["are_idle_workers"]

_FOR_WORK = frozenset({WaitKind.QUEUE_GET, WaitKind.RECEIVE})
_FOR_OTHERS = frozenset(
    {WaitKind.QUEUE_JOIN, WaitKind.QUEUE_PUT, WaitKind.CONDITION, WaitKind.BARRIER, WaitKind.SEND}
)
"""Waits that no idle program is in: somebody was to end them. A worker that waits for the next
item, or a program that waits for its end, may wait for ever and mean it."""


def are_idle_workers(snapshot: Snapshot, members: Iterable[BlockedTask]) -> bool:
    """Return whether a program, of which nothing can wake ``members``, may mean to wait for ever.

    That is so if nobody waits for another task; or if others wait only for the end of workers that
    have worked, wait for their next item, and of which none has ended, unless all are gone who have
    given them any. Whoever waits for the end of such workers may do so until Ctrl-C.
    """
    members = list(members)
    joiners = [member for member in members if _is_joiner(snapshot, member)]
    joined = {task for member in joiners for task in member.on}
    others = [member for member in members if member not in joiners]
    if any(_kind(snapshot, member) in {None, *_FOR_OTHERS} for member in others):
        return False
    workers = [member for member in others if member.task in joined]
    if any(_kind(snapshot, worker) not in _FOR_WORK for worker in workers):
        return False
    if not joiners:
        return True
    return (
        any(_has_worked(snapshot, worker.task) for worker in workers)
        and not any(_has_seen_an_end(snapshot, joiner) for joiner in joiners)
        and not all(_is_left_alone(snapshot, worker) for worker in workers)
    )


def _kind(snapshot: Snapshot, member: BlockedTask) -> WaitKind | None:
    """What ``member`` waits for; ``None`` if it enters or leaves something."""
    return None if member.wait is None else WaitKind(snapshot.timeline.waits.kind[member.wait])


def _is_joiner(snapshot: Snapshot, member: BlockedTask) -> bool:
    """Return whether ``member`` waits for the end of tasks, as a task group does at its end."""
    if member.wait is None:
        return member.needs == "all"
    return _kind(snapshot, member) in OF_TASKS


def _has_worked(snapshot: Snapshot, task: int) -> bool:
    """Return whether ``task`` acquired something, or waited for something, before this wait."""
    timeline = snapshot.timeline
    return task in timeline.rows_of_task or len(timeline.waits.rows_of_task.get(task, ())) > 1


def _is_left_alone(snapshot: Snapshot, worker: BlockedTask) -> bool:
    """Return whether those are known who gave ``worker`` items, and all of them have ended."""
    givers = [] if worker.wait is None else enders_of(snapshot, worker.wait)
    return bool(givers) and all(task in snapshot.timeline.task_ended for task in givers)


def _has_seen_an_end(snapshot: Snapshot, joiner: BlockedTask) -> bool:
    """Return whether one of the tasks that ``joiner`` waits for has ended already."""
    timeline = snapshot.timeline
    if joiner.wait is not None:
        awaited = timeline.waits.tasks_awaited(joiner.wait)
    else:
        assert joiner.row is not None
        entered, task = timeline.enter_ended[joiner.row], timeline.task[joiner.row]
        awaited = [
            known.task
            for known in timeline.tasks.values()
            if known.parent == task and known.at >= entered
        ]
    return any(task in timeline.task_ended for task in awaited)
