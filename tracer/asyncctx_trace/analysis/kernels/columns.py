"""Waits, holds and nestings in columns."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal, TypeAlias

__all__ = [
    "MAX_AROUND",
    "MAX_PAIRS",
    "HeldWaits",
    "Holds",
    "Level",
    "Nestings",
    "Span",
    "Waits",
    "innermost_spans",
]

Span: TypeAlias = tuple[int, int, int]
"""Start, end and row of a wait."""

Level: TypeAlias = Literal["resource", "name", "site"]
"""What makes two acquisitions of a lock order equal."""


@dataclass(frozen=True, slots=True)
class Waits:
    """The waits of all tasks for limited resources; those of one task never overlap.

    If one enter runs inside another, only the inner one counts. A wait that has not ended ends one
    ns after the time of the snapshot.
    """

    starts: array[int]
    """In the order of tasks, and of time within a task."""
    ends: array[int]
    rows: array[int]
    ranges: dict[int, tuple[int, int]]
    """Task -> index of its first wait, and of the first one of the next task; in order of tasks."""

    def at(self, task: int, at: int) -> int | None:
        """Return the row in which ``task`` waited at time ``at``."""
        first, end = self.ranges.get(task, (0, 0))
        index = bisect_right(self.starts, at, first, end) - 1
        return self.rows[index] if index >= first and self.ends[index] > at else None

    def within(self, task: int, start: int, end: int) -> Iterator[Span]:
        """Yield the parts of the waits of ``task`` that lie between two times."""
        first, last = self.ranges.get(task, (0, 0))
        for index in range(max(first, bisect_right(self.starts, start, first, last) - 1), last):
            since, until = self.starts[index], self.ends[index]
            if since >= end:
                break
            if until > start:
                yield max(since, start), min(until, end), self.rows[index]


def innermost_spans(waits: Iterable[Span]) -> Iterator[Span]:
    """Yield ``waits`` of one task without overlaps: at each time the one that started last."""
    edges = sorted(edge for start, end, row in waits for edge in ((start, 1, row), (end, 0, row)))
    open_: dict[int, None] = {}
    since = 0
    for at, starts, row in edges:
        inner = next(reversed(open_), None)
        if inner is not None and since < at:
            yield since, at, inner
        since = at
        if starts:
            open_[row] = None
        else:
            open_.pop(row, None)


@dataclass(frozen=True, slots=True)
class Holds:
    """The holds of one resource in order of their starts.

    If another task exits than the one that entered, each has its part of the hold.
    """

    starts: array[int]
    ends: array[int]
    tasks: array[int]
    rows: array[int]
    latest_ends: array[int] = field(init=False)
    """The latest end up to each hold."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "latest_ends", array("q", accumulate(self.ends, max)))

    def during(self, intervals: Iterator[tuple[int, int]]) -> Iterator[int]:
        """Yield the indexes of holds that may overlap one of ``intervals``.

        ``intervals`` are in order and do not overlap.
        """
        done = 0
        for start, end in intervals:
            first = max(done, bisect_right(self.latest_ends, start))
            done = max(done, bisect_left(self.starts, end))
            yield from range(first, done)


MAX_AROUND = 32
"""The number of enclosing acquisitions, from the innermost, with which a request is compared: for
an exit stack of n locks, the number of all pairs is quadratic."""


@dataclass(frozen=True, slots=True)
class HeldWaits:
    """Waits during which others waited for what the same task held."""

    cost: int
    """How long the others waited meanwhile, in ns."""
    count: int
    pairs: list[tuple[int, int]]
    """The rows that were held and asked for, of the first :data:`MAX_PAIRS`."""


MAX_PAIRS = 10
"""The number of pairs in :attr:`HeldWaits.pairs`."""


@dataclass(frozen=True, slots=True)
class Nestings:
    """The requests for a limited resource that a task made while it held others."""

    inner: array[int]
    """The rows that asked."""
    held: array[int]
    """The rows held at the first request, then those held at the second, …; outermost first."""
    ends: array[int]
    """For each request, the index in ``held`` at which its rows end."""

    def __iter__(self) -> Iterator[tuple[int, int, array[int]]]:
        """Yield for each request its row, the index in ``held`` where its rows start, and these."""
        first = 0
        for row, end in zip(self.inner, self.ends, strict=True):
            yield row, first, self.held[first:end]
            first = end
