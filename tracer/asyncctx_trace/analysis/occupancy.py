"""How full a resource was at every moment, with whom it kept waiting."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from itertools import accumulate, compress, pairwise, repeat
from operator import mul, sub

from asyncctx_trace import limits
from asyncctx_trace.analysis.columns import holds_of, waits_of
from asyncctx_trace.analysis.timeline import NOT_YET, Timeline
from asyncctx_trace.events import ResourceDefined

__all__ = ["Occupancy", "contends", "hold_of", "limit_of", "wait_of"]

_CHECKPOINT = 64
"""Steps between two lists of holders that are kept."""


def contends(resource: ResourceDefined | None) -> bool:
    """Whether tasks can be in each other's way at ``resource``.

    A timeout or a task group lets everybody in: to be in two of them at once is no contention.
    """
    return resource is not None and limits.limit_of(resource.kind, resource.capacity) is not None


def limit_of(resource: ResourceDefined | None) -> int:
    """How many holders keep others out: the capacity; one where it is not known."""
    found = None if resource is None else limits.limit_of(resource.kind, resource.capacity)
    return 1 if found is None else found


def wait_of(timeline: Timeline, row: int, now: int) -> tuple[int, int]:
    """Start and end of the wait in ``row``; one that goes on ends at ``now``."""
    start, end = timeline.enter_started[row], timeline.enter_ended[row]
    return start, max(start, now) if end == NOT_YET else end


def hold_of(timeline: Timeline, row: int, now: int) -> tuple[int, int] | None:
    """From getting in to the end of the cleanup; ``None`` for who did not get in."""
    if not timeline.entered(row):
        return None
    start, end = timeline.enter_ended[row], timeline.exit_ended[row]
    return start, max(start, now) if end == NOT_YET else end


class Occupancy:
    """Holders and waiters of one resource as steps over time.

    Step ``i`` lasts from ``times[i]`` to ``times[i + 1]``. It is *full* while at least
    ``limit`` tasks hold the resource: only then does a holder keep a waiter out.
    """

    def __init__(self, timeline: Timeline, resource: int, now: int) -> None:
        self.limit = limit_of(timeline.resources.get(resource))
        self._timeline = timeline
        self._rows = timeline.rows_of_resource.get(resource, array("q"))
        self._now = now
        asked, answered = waits_of(timeline, self._rows, now)
        got_in, left = holds_of(timeline, self._rows, now)
        # Every start of a hold is the end of a wait.
        self.times: array[int] = array("q", sorted({*asked, *answered, *left}))
        self.waiters = self._count(asked, answered)
        self.holders = self._count(got_in, left)
        full = [holders >= self.limit for holders in self.holders]
        self.kept_out: array[int] = array("l", map(mul, self.waiters, full))
        """Waiters of each step while the resource was full."""
        lengths = list(map(sub, self.times[1:], self.times))
        self._full_before: array[int] = array("q", accumulate(map(mul, lengths, full), initial=0))
        self._waited_before: array[int] = array(
            "q", accumulate(map(mul, lengths, self.kept_out), initial=0)
        )

    def _count(self, arrivals: list[int], departures: list[int]) -> array[int]:
        """How many are there in each step; whoever comes and goes within one tick never was."""
        come, gone = Counter(arrivals), Counter(departures)
        changes = map(
            sub, map(come.get, self.times, repeat(0)), map(gone.get, self.times, repeat(0))
        )
        return array("l", accumulate(changes))

    @cached_property
    def met(self) -> dict[int, int]:
        """Row -> how many ns its wait met the full resource, of those that did at all."""
        before = dict(zip(self.times, self._full_before, strict=False)).__getitem__
        starts, ends = waits_of(self._timeline, self._rows, self._now)
        met = list(map(sub, map(before, ends), map(before, starts)))
        return dict(zip(compress(self._rows, met), filter(None, met), strict=True))

    def __iter__(self) -> Iterator[tuple[int, int, int, int]]:
        """Steps in order: start, end, waiters, holders."""
        for (start, end), waiters, holders in zip(
            pairwise(self.times), self.waiters, self.holders, strict=False
        ):
            yield start, end, waiters, holders

    @property
    def waited_in_all(self) -> int:
        """How many ns all waiters together waited for the full resource."""
        return self._waited_before[-1]

    def waited(self, start: int, end: int) -> int:
        """How many ns all waiters together waited for the full resource in that time."""
        return self._until(end) - self._until(start)

    def _until(self, at: int) -> int:
        before = self._waited_before
        step = bisect_right(self.times, at) - 1
        if step < 0:
            return 0
        if step + 1 == len(self.times):
            return before[step]
        # Within the step it grows evenly.
        length = self.times[step + 1] - self.times[step]
        return before[step] + (before[step + 1] - before[step]) // length * (at - self.times[step])

    def most_waiters(self) -> tuple[int, int | None]:
        """The longest queue before the full resource, and when it first stood so."""
        most = max(self.kept_out, default=0)
        return most, self.times[self.kept_out.index(most)] if most else None

    def holders_at(self, at: int) -> list[int]:
        """Rows that held the resource at time ``at``, in order of getting in."""
        moves, kept = self._moves
        count = bisect_right(moves, (at, 2, 0))
        checkpoint = count // _CHECKPOINT
        holding = dict.fromkeys(kept[checkpoint])
        for _, arrives, row in moves[checkpoint * _CHECKPOINT : count]:
            if arrives:
                holding[row] = None
            else:
                holding.pop(row, None)
        return list(holding)

    @cached_property
    def _moves(self) -> tuple[list[tuple[int, int, int]], list[list[int]]]:
        """Who arrived (1) and left (0) when, and who held before every so many moves."""
        moves: list[tuple[int, int, int]] = []
        for row in self._rows:
            hold = hold_of(self._timeline, row, self._now)
            lasts = self._timeline.exit_ended[row] == NOT_YET
            if hold is not None and (lasts or hold[0] < hold[1]):
                moves.append((hold[0], 1, row))
                if not lasts:
                    moves.append((hold[1], 0, row))
        moves.sort()
        kept: list[list[int]] = []
        holding: dict[int, None] = {}
        for index, (_, arrives, row) in enumerate(moves):
            if index % _CHECKPOINT == 0:
                kept.append(list(holding))
            if arrives:
                holding[row] = None
            else:
                del holding[row]
        if len(moves) % _CHECKPOINT == 0:
            kept.append(list(holding))
        return moves, kept
