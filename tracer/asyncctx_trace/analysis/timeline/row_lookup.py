"""Look up many rows of a timeline, with loops that run in C."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import compress, count, pairwise, starmap
from operator import le, ne

from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.events import Outcome

__all__ = [
    "ascending",
    "differing",
    "entered",
    "holds_of",
    "innermost_at",
    "open_around",
    "open_at",
    "pick",
    "resource_key",
    "rows_with",
    "rows_with_flag",
    "spans_of",
    "waits_of",
]

_OK = int(Outcome.OK)


def pick(column: Sequence[int], rows: Iterable[int]) -> list[int]:
    """Return the values of ``column`` in ``rows``."""
    return list(map(column.__getitem__, rows))


def rows_with(outcomes: array[int], *wanted: int) -> list[int]:
    """Return the rows of a column of bytes that contain one of ``wanted``."""
    pattern = re.compile(b"[" + re.escape(bytes(wanted)) + b"]")
    return [match.start() for match in pattern.finditer(outcomes)]


def rows_with_flag(flags: array[int], wanted: int) -> list[int]:
    """Return the rows of a column of bytes that have the bit ``wanted``."""
    return rows_with(flags, *(value for value in range(256) if value & wanted))


def differing(one: array[int], other: array[int]) -> list[int]:
    """Return the rows in which two columns differ."""
    return [] if one == other else list(compress(count(), map(ne, one, other)))


def ascending(times: Iterable[int]) -> bool:
    """Return whether ``times`` are in ascending order."""
    return all(starmap(le, pairwise(times)))


def entered(timeline: Timeline, rows: Sequence[int]) -> list[int]:
    """Return those of ``rows`` that entered."""
    return list(compress(rows, map(_OK.__eq__, map(timeline.enter_outcome.__getitem__, rows))))


def spans_of(
    begun: array[int], ended: array[int], rows: Sequence[int], now: int
) -> tuple[list[int], list[int]]:
    """Return starts and ends of a phase that has started in each of ``rows``.

    A phase that has not ended ends at ``now``.
    """
    starts = pick(begun, rows)
    ends = pick(ended, rows)
    if NOT_YET in ends:
        ends = [
            max(start, now) if end == NOT_YET else end
            for start, end in zip(starts, ends, strict=True)
        ]
    return starts, ends


def waits_of(timeline: Timeline, rows: Sequence[int], now: int) -> tuple[list[int], list[int]]:
    """Return starts and ends of the waits of ``rows``."""
    return spans_of(timeline.enter_started, timeline.enter_ended, rows, now)


def holds_of(timeline: Timeline, rows: Sequence[int], now: int) -> tuple[list[int], list[int]]:
    """Return from when to when those of ``rows`` that entered held, cleanup included."""
    return spans_of(timeline.enter_ended, timeline.exit_ended, entered(timeline, rows), now)


def open_at(
    timeline: Timeline, parents: array[int], row: int, at: int, levels: int = -1
) -> list[int]:
    """Return ``row`` and the acquisitions around it that were held at ``at``, outermost first.

    ``parents``: by row, the row of the enclosing acquisition, -1 if there is none. Each acquisition
    knows the one that was innermost when it started, so that all open ones are on this chain.
    ``levels``: how many acquisitions around ``row`` are looked at, held or not; -1 for all.
    """
    held: list[int] = []
    while row >= 0:
        ended = timeline.exit_ended[row]
        got_in = timeline.entered(row) and timeline.enter_ended[row] <= at
        if got_in and (ended == NOT_YET or ended > at):
            held.append(row)
        if levels == 0:
            break
        levels -= 1
        row = parents[row]
    return held[::-1]


def open_around(timeline: Timeline, parents: array[int], row: int, levels: int = -1) -> list[int]:
    """Return what the task of ``row`` held when it asked for it, outermost first.

    ``levels``: see :func:`open_at`.
    """
    at = timeline.enter_started[row]
    return [other for other in open_at(timeline, parents, row, at, levels) if other != row]


def innermost_at(timeline: Timeline, parents: array[int], task: int, at: int) -> int | None:
    """Return the innermost acquisition in which ``task`` was at time ``at``, if any."""
    rows = timeline.rows_of_task.get(task, ())
    index = bisect_right(rows, at, key=timeline.enter_started.__getitem__) - 1
    row = rows[index] if index >= 0 else -1
    while row >= 0 and timeline.phase_at(row, at) is None:
        row = parents[row]
    return row if row >= 0 else None


def resource_key(timeline: Timeline, resource: int) -> tuple[str, str] | None:
    """Return kind and name of a resource: what similar ones have in common."""
    definition = timeline.resources.get(resource)
    return (definition.kind, definition.name) if definition else None
