"""The tree of waiting at one time: a task, the holders that it waits for, and so on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from asyncctx_trace.analysis.snapshot import Case
from asyncctx_trace.model.text import duration, shorten

__all__ = ["Link", "blamed", "chain", "ready"]

_DEEPEST = 50
_NAME = 32
"""Cells of a name."""


@dataclass(frozen=True, slots=True)
class Link:
    """One line of the tree: a task and what it does at that time."""

    depth: int
    task: int
    row: int | None
    """The acquisition in which it waits, or by which it blocks the task above."""
    description: str
    cycle: bool = False
    """Whether the task occurs above: a deadlock."""


def ready(case: Case) -> bool:
    """Compute what :func:`chain` needs of ``case``, so that each tree is built quickly."""
    _ = case.waits
    for resource in case.limited:
        case.holders(resource, case.now)
    return True


def chain(case: Case, task: int, at: int) -> list[Link]:
    """Return the tree of waiting in preorder: ``task`` first, holders below who waits for them.

    A time after ``case.now`` means ``case.now``. The depth is limited to 50.
    """
    return list(_links(case, task, min(at, case.now), 0, None, ()))


def blamed(links: list[Link]) -> Link | None:
    """Return the first holder that the task at the root waits for, if it waits."""
    return next((link for link in links if link.depth == 1), None)


def _links(
    case: Case, task: int, at: int, depth: int, held: int | None, above: tuple[int, ...]
) -> Iterator[Link]:
    timeline = case.timeline
    name = _task(case, task)
    parts = [name]
    if held is not None:
        since = duration(at - timeline.enter_ended[held])
        parts.append(f"holds `{_resource(case, timeline.resource[held])}` for {since}")
    if task in above:
        yield Link(depth, task, held, " ".join(parts) + ": deadlock, the cycle closes", True)
        return
    waiting = case.waiting_at(task, at)
    if waiting is None:
        description = " ".join(parts) if held is not None else f"{name} does not wait"
        yield Link(depth, task, held, description)
        return
    waits = duration(at - timeline.enter_started[waiting])
    what = _resource(case, timeline.resource[waiting])
    parts.append(("and " if held is not None else "") + f"waits for `{what}` for {waits}")
    yield Link(depth, task, waiting if held is None else held, " ".join(parts))
    if depth < _DEEPEST:
        for row in case.holders(timeline.resource[waiting], at):
            holder = case.holder(row, at)
            yield from _links(case, holder, at, depth + 1, row, (*above, task))


def _task(case: Case, task: int) -> str:
    return shorten(case.task(task), _NAME)


def _resource(case: Case, resource: int) -> str:
    return shorten(case.resource(resource), _NAME)
