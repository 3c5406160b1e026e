"""Who waits for whom at one moment: from a task up to the one who is to blame."""

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
    """One line of the tree: a task, and what it does at that moment."""

    depth: int
    task: int
    row: int | None
    """The acquisition in which it waits, or by which it keeps the task above it waiting."""
    words: str
    cycle: bool = False
    """Whether this task has come up already: none of them can ever go on."""


def ready(case: Case) -> bool:
    """Have ``case`` work out what :func:`chain` needs of it, so that each tree is made at once."""
    _ = case.waits
    for resource in case.limited:
        case.holders(resource, case.now)
    return True


def chain(case: Case, task: int, at: int) -> list[Link]:
    """The tree of waiting, ``task`` first, each holder below whoever waits for it.

    After the case's own now nothing is known: the tree is then that of now.
    """
    return list(_links(case, task, min(at, case.now), 0, None, ()))


def blamed(links: list[Link]) -> Link | None:
    """Who to look at next: the first holder that the task at the root waits for."""
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
        yield Link(depth, task, held, " ".join(parts) + ": deadlock, the circle closes", True)
        return
    waiting = case.waiting_at(task, at)
    if waiting is None:
        words = " ".join(parts) if held is not None else f"{name} waits for nobody"
        yield Link(depth, task, held, words)
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
