"""The next acquisition or wait that matches a search, and the next problem."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence

from asyncctx_trace.analysis.summary.problems import Problem
from asyncctx_trace_tui.view.filters import Predicate
from asyncctx_trace_tui.view.selection import Selection

__all__ = ["find_match", "next_problem"]


def find_match(
    state: Selection, matches: Predicate, matches_wait: Predicate, by: int
) -> tuple[int, bool, int] | None:
    """Return start, whether it is a wait, and row of the match after what is selected.

    If ``by`` is negative, of the match before it. Without a selection, the search begins at the
    play head. It wraps around. ``None`` if nothing matches. O(n) for n rows.
    """
    timeline, now = state.timeline, state.now
    waits = timeline.waits
    columns: tuple[tuple[Sequence[int], int | None, Predicate], ...] = (
        (timeline.enter_started, state.row, matches),
        (waits.started, state.wait, matches_wait),
    )
    here = state.playback.at
    if state.row is not None:
        here = timeline.enter_started[state.row]
    elif state.wait is not None:
        here = waits.started[state.wait]
    selected = state.row is not None or state.wait is not None
    parts = [_parts(starts, row, here, selected, by) for starts, row, _ in columns]
    nearest: Callable[[list[tuple[int, bool, int]]], tuple[int, bool, int]]
    nearest = min if by > 0 else max
    for part in (0, 1):
        found: list[tuple[int, bool, int]] = []
        for kind, (starts, _, wanted) in enumerate(columns):
            row = next((row for row in parts[kind][part] if wanted(timeline, row, now)), None)
            if row is not None:
                found.append((starts[row], bool(kind), row))
        if found:
            return nearest(found)
    return None


def _parts(
    starts: Sequence[int], row: int | None, here: int, selected: bool, by: int
) -> tuple[Sequence[int], Sequence[int]]:
    """Return the rows in the direction of the search, and those that follow when it wraps."""
    rows = range(len(starts))
    if by > 0:
        # Without a selection, what began last before the play head is a match.
        first = bisect_right(starts, here) - (not selected)
        first = max(0, first) if row is None else row + 1
        return rows[first:], rows[:first]
    last = row if row is not None else (bisect_left if selected else bisect_right)(starts, here)
    return rows[:last][::-1], rows[last:][::-1]


def next_problem(
    found: Iterable[Problem], current: Problem | None, here: int, by: int
) -> tuple[int, int, Problem]:
    """Return number, count and value of the problem after the time ``here``, in ns.

    If ``by`` is negative, of the problem before it. It wraps around. ``found`` has at least one, in
    order of time; ``current`` is the one that ``here`` was last moved to.
    """
    # A finding describes an error at the same time and acquisition better.
    known = list({(each.at, each.row): each for each in found}.values())
    times = [problem.at for problem in known]
    if current is not None and current in known and here == current.at:
        index = known.index(current) + by
    else:
        index = bisect_right(times, here) if by > 0 else bisect_left(times, here) - 1
    index %= len(known)
    return index + 1, len(known), known[index]
