"""The tree of waiting at one time: a task, the holders that it waits for, and so on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.names import resource_name, task_name

__all__ = ["WaitNode", "first_holder", "prepare_wait_trees", "wait_tree"]

_MAX_DEPTH = 50
_NAME_WIDTH = 32
"""Maximum length of a name in a description."""


@dataclass(frozen=True, slots=True)
class WaitNode:
    """One line of the tree: a task and what it does at that time."""

    depth: int
    task: int
    row: int | None
    """The acquisition in which it waits, or by which it blocks the task above."""
    description: str
    cycle: bool = False
    """Whether the task occurs above: a deadlock."""


def prepare_wait_trees(snapshot: Snapshot) -> bool:
    """Compute what :func:`wait_tree` needs of ``snapshot``, so that each tree is built quickly."""
    _ = snapshot.waits
    for resource in snapshot.limited:
        snapshot.holders(resource, snapshot.now)
    return True


def wait_tree(snapshot: Snapshot, task: int, at: int) -> list[WaitNode]:
    """Return the tree of waiting in preorder: ``task`` first, holders below who waits for them.

    A time after ``snapshot.now`` means ``snapshot.now``. The depth is limited to 50.
    """
    return list(_nodes(snapshot, task, min(at, snapshot.now), 0, None, ()))


def first_holder(nodes: list[WaitNode]) -> WaitNode | None:
    """Return the first holder that the task at the root waits for, if it waits."""
    return next((node for node in nodes if node.depth == 1), None)


def _nodes(
    snapshot: Snapshot, task: int, at: int, depth: int, held: int | None, above: tuple[int, ...]
) -> Iterator[WaitNode]:
    timeline = snapshot.timeline
    name = _task(snapshot, task)
    parts = [name]
    if held is not None:
        since = format_duration(at - timeline.enter_ended[held])
        parts.append(f"holds `{_resource(snapshot, timeline.resource[held])}` for {since}")
    if task in above:
        yield WaitNode(depth, task, held, " ".join(parts) + ": deadlock, the cycle closes", True)
        return
    waiting = snapshot.waiting_at(task, at)
    if waiting is None:
        description = " ".join(parts) if held is not None else f"{name} does not wait"
        yield WaitNode(depth, task, held, description)
        return
    waits = format_duration(at - timeline.enter_started[waiting])
    what = _resource(snapshot, timeline.resource[waiting])
    parts.append(("and " if held is not None else "") + f"waits for `{what}` for {waits}")
    yield WaitNode(depth, task, waiting if held is None else held, " ".join(parts))
    if depth < _MAX_DEPTH:
        for row in snapshot.holders(timeline.resource[waiting], at):
            holder = snapshot.holder(row, at)
            yield from _nodes(snapshot, holder, at, depth + 1, row, (*above, task))


def _task(snapshot: Snapshot, task: int) -> str:
    return task_name(snapshot.timeline, task)


def _resource(snapshot: Snapshot, resource: int) -> str:
    return resource_name(snapshot.timeline, resource)
