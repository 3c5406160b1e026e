"""The graph of waiting at one time, as trees: a task, what it waits for, and so on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.analysis.wait_subjects import describe_subject
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.names import resource_name, task_name
from asyncctx_trace.model.outcomes import Outcome

__all__ = [
    "WaitNode",
    "first_holder",
    "prepare_wait_trees",
    "wait_forest",
    "wait_tree",
]

_MAX_DEPTH = 50
_MAX_TASKS = 8
"""How many of the tasks that one wait is for are shown; the others are counted."""
_NAMED = 3
"""How many tasks that wait for the same thing are named; the others are counted."""
_NAME_WIDTH = 32
"""Maximum length of a name in a description."""


@dataclass(frozen=True, slots=True)
class WaitNode:
    """One line of the tree: a task and what it does at that time."""

    depth: int
    task: int
    """0 for a line that counts further tasks."""
    row: int | None
    """The acquisition in which it waits, or by which it blocks the task above."""
    description: str
    cycle: bool = False
    """Whether the task occurs above: a deadlock."""
    wait: int | None = None
    """The row of its wait for something other than a manager."""
    others: tuple[int, ...] = ()
    """Further tasks that wait for the same thing at the same line."""


class _Waiting(NamedTuple):
    """What a task waits for at one time; one of the three is set."""

    since: int
    enter: int | None = None
    """The row that it enters."""
    leave: int | None = None
    """The row of the task group that it leaves."""
    wait: int | None = None
    """The row of its wait for something else."""


def prepare_wait_trees(snapshot: Snapshot) -> bool:
    """Compute what :func:`wait_tree` needs of ``snapshot``, so that each tree is built quickly."""
    _ = snapshot.waits
    for resource in snapshot.limited:
        snapshot.holders(resource, snapshot.now)
    snapshot.once(_group_exits)
    snapshot.once(_children)
    return True


def wait_tree(snapshot: Snapshot, task: int, at: int) -> list[WaitNode]:
    """Return the tree of waiting in preorder: ``task`` first, below it who can end its wait.

    Those are the holders of a resource, or the tasks that are awaited. A time after
    ``snapshot.now`` means ``snapshot.now``. The depth is limited to 50; the tree of a task that
    occurs several times is shown once.
    """
    return list(_Tree(snapshot, min(at, snapshot.now)).nodes(task))


def wait_forest(
    snapshot: Snapshot, tasks: Iterable[int], at: int, above: Iterable[WaitNode] = ()
) -> list[WaitNode]:
    """Return the trees of those of ``tasks`` that wait, each task at most once as a root.

    Trees with several tasks come first. Tasks that wait for the same thing, which no task is known
    to end, are one node: see :attr:`WaitNode.others`. ``above``: the nodes of a tree that is shown
    already; what these say is not repeated.
    """
    at = min(at, snapshot.now)
    waiting = {task: known for task in tasks if (known := _waiting_at(snapshot, task, at))}
    tree = _Tree(snapshot, at, {node.task for node in above})
    edges = {task: tree.tasks_after(known) for task, known in waiting.items()}
    awaited = set(chain.from_iterable(edges.values()))
    nodes: list[WaitNode] = []
    # Tasks that nobody waits for are the natural roots; what is left then is in cycles.
    for roots in ([task for task in waiting if task not in awaited], waiting):
        for task in roots:
            if edges[task] and task not in tree.shown:
                nodes += tree.nodes(task)
    alike: dict[tuple[int, ...], list[int]] = {}
    columns = snapshot.timeline.waits
    for task, known in waiting.items():
        if task in tree.shown:
            continue
        if known.wait is None:
            nodes += tree.nodes(task)
        else:
            key = columns.kind[known.wait], columns.subject[known.wait], columns.site[known.wait]
            alike.setdefault(key, []).append(task)
    for group in sorted(alike.values(), key=len, reverse=True):
        nodes += tree.leaf(group, waiting)
    return nodes


def first_holder(nodes: list[WaitNode]) -> WaitNode | None:
    """Return the first task that the task at the root waits for, if it waits for one."""
    return next((node for node in nodes if node.depth == 1), None)


@dataclass
class _Tree:
    """Builds trees at one time; shows what is below a task only once."""

    snapshot: Snapshot
    at: int
    shown: set[int] = field(default_factory=set)

    def nodes(
        self, task: int, depth: int = 0, held: int | None = None, above: tuple[int, ...] = ()
    ) -> Iterator[WaitNode]:
        snapshot, at = self.snapshot, self.at
        timeline = snapshot.timeline
        name = _task(snapshot, task)
        parts = [name]
        if held is not None:
            since = format_duration(at - timeline.enter_ended[held])
            parts.append(f"holds `{_resource(snapshot, timeline.resource[held])}` for {since}")
        if task in above:
            description = " ".join(parts) + ": deadlock, the cycle closes"
            yield WaitNode(depth, task, held, description, True)
            return
        waiting = _waiting_at(snapshot, task, at)
        if waiting is None:
            description = " ".join(parts) if held is not None else f"{name} does not wait"
            yield WaitNode(depth, task, held, description)
            return
        parts.append(("and " if held is not None else "") + self._sentence(waiting))
        after = self.tasks_after(waiting)
        repeated = bool(after) and task in self.shown
        row = held if held is not None else waiting.enter
        description = " ".join(parts) + (" (see above)" if repeated else "")
        yield WaitNode(depth, task, row, description, wait=waiting.wait)
        self.shown.add(task)
        if repeated or depth >= _MAX_DEPTH:
            return
        if waiting.enter is not None:
            for hold in snapshot.holders(timeline.resource[waiting.enter], at):
                yield from self.nodes(snapshot.holder(hold, at), depth + 1, hold, (*above, task))
            return
        for awaited in after[:_MAX_TASKS]:
            yield from self.nodes(awaited, depth + 1, None, (*above, task))
        if len(after) > _MAX_TASKS:
            yield WaitNode(depth + 1, 0, None, f"and {len(after) - _MAX_TASKS} more tasks")

    def leaf(self, tasks: list[int], waiting: dict[int, _Waiting]) -> Iterator[WaitNode]:
        """Yield one node for tasks that wait for the same thing; the longest wait is first."""
        first, *others = sorted(tasks, key=lambda task: waiting[task].since)
        self.shown.update(tasks)
        sentence = self._sentence(waiting[first])
        who = ", ".join(_task(self.snapshot, task) for task in (first, *others[: _NAMED - 1]))
        if others:
            left = len(others) - _NAMED + 1
            who += f" and {left} more" if left > 0 else ""
            sentence = sentence.replace("waits", "wait", 1)
        wait = waiting[first].wait
        yield WaitNode(0, first, None, f"{who} {sentence}", wait=wait, others=tuple(others))

    def tasks_after(self, waiting: _Waiting) -> list[int]:
        """Return the tasks of which one or all must go on before the wait can end."""
        snapshot, at = self.snapshot, self.at
        timeline = snapshot.timeline
        if waiting.enter is not None:
            rows = snapshot.holders(timeline.resource[waiting.enter], at)
            return list(dict.fromkeys(snapshot.holder(row, at) for row in rows))
        if waiting.leave is not None:
            entered = timeline.enter_ended[waiting.leave]
            awaited = [
                task
                for task in snapshot.once(_children).get(timeline.task[waiting.leave], ())
                if entered <= timeline.tasks[task].at <= at
            ]
        else:
            assert waiting.wait is not None
            awaited = timeline.waits.tasks_awaited(waiting.wait)
        return [task for task in awaited if not self._has_ended(task)]

    def _has_ended(self, task: int) -> bool:
        ended = self.snapshot.timeline.task_ended.get(task)
        return ended is not None and ended <= self.at

    def _sentence(self, waiting: _Waiting) -> str:
        snapshot = self.snapshot
        timeline = snapshot.timeline
        since = format_duration(self.at - waiting.since)
        if waiting.enter is not None:
            what = _resource(snapshot, timeline.resource[waiting.enter])
            return f"waits for `{what}` for {since}"
        if waiting.leave is not None:
            what = _resource(snapshot, timeline.resource[waiting.leave])
            where = snapshot.site_label(timeline.site[waiting.leave])
            left = len(self.tasks_after(waiting))
            children = "1 child" if left == 1 else f"{left} children" if left else "the children"
            return f"waits for {children} of `{what}` at {where} for {since}"
        assert waiting.wait is not None
        waits, wait = timeline.waits, waiting.wait
        where = snapshot.site_label(waits.site[wait])
        sentence = f"waits for {describe_subject(timeline, wait, _NAME_WIDTH)} at {where}"
        return f"{sentence} for {since}{self._end(wait)}"

    def _end(self, wait: int) -> str:
        """Return how the wait ends later: `` of 20.0 ms, then woken by main``."""
        waits = self.snapshot.timeline.waits
        ended = waits.ended[wait]
        if ended == NOT_YET or ended > self.snapshot.now:
            return ""
        length = format_duration(ended - waits.started[wait])
        how = "cancelled" if waits.outcome[wait] == Outcome.CANCELLED else "woken"
        by = f" by {_task(self.snapshot, waits.woken_by[wait])}" if waits.woken_by[wait] else ""
        if how == "cancelled":
            return f" of {length}, then cancelled{by}"
        return f" of {length}, then woken{by}" if by else f" of {length}"


def _waiting_at(snapshot: Snapshot, task: int, at: int) -> _Waiting | None:
    """Return what ``task`` waits for; of an enter within an enter, what began last counts."""
    timeline = snapshot.timeline
    found: list[_Waiting] = []
    enter = snapshot.waiting_at(task, at)
    if enter is not None:
        found.append(_Waiting(timeline.enter_started[enter], enter=enter))
    exits = snapshot.once(_group_exits).get(task)
    if exits:
        index = bisect_right(exits, (at, len(timeline))) - 1
        ended = timeline.exit_ended[exits[index][1]] if index >= 0 else 0
        if index >= 0 and (ended == NOT_YET or ended > at):
            found.append(_Waiting(exits[index][0], leave=exits[index][1]))
    wait = timeline.waits.at(task, at)
    if wait is not None:
        found.append(_Waiting(timeline.waits.started[wait], wait=wait))
    return max(found, key=lambda each: each.since) if found else None


def _group_exits(snapshot: Snapshot) -> dict[int, list[tuple[int, int]]]:
    """Task -> when it began to leave a task group, and the row of that, in order of time."""
    timeline = snapshot.timeline
    found: dict[int, list[tuple[int, int]]] = {}
    for resource, rows in timeline.rows_of_resource.items():
        if timeline.is_group(resource):
            for row in rows:
                if timeline.exit_started[row] != NOT_YET:
                    exits = found.setdefault(timeline.exit_task[row], [])
                    exits.append((timeline.exit_started[row], row))
    return {task: sorted(exits) for task, exits in found.items()}


def _children(snapshot: Snapshot) -> dict[int, list[int]]:
    """Task -> the tasks that it created."""
    found: dict[int, list[int]] = {}
    for known in snapshot.timeline.tasks.values():
        if known.parent is not None:
            found.setdefault(known.parent, []).append(known.task)
    return found


def _task(snapshot: Snapshot, task: int) -> str:
    return task_name(snapshot.timeline, task)


def _resource(snapshot: Snapshot, resource: int) -> str:
    return resource_name(snapshot.timeline, resource)
