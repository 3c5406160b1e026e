"""How full a resource was at every moment, with whom it kept waiting."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise

from asyncctx_trace import limits
from asyncctx_trace.analysis.timeline import NOT_YET, Timeline
from asyncctx_trace.events import ResourceDefined

__all__ = ["Occupancy", "contends", "hold_of", "limit_of", "wait_of"]

# At one and the same moment whoever leaves comes before whoever arrives.
_HOLD_ENDS, _WAIT_ENDS, _HOLD_STARTS, _WAIT_STARTS = range(4)
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
        self._resource = resource
        self._now = now
        keys: list[int] = []
        for row in timeline.rows_of_resource.get(resource, ()):
            start, end = wait_of(timeline, row, now)
            keys.append(start << 2 | _WAIT_STARTS)
            keys.append(end << 2 | _WAIT_ENDS)
            hold = hold_of(timeline, row, now)
            if hold is not None:
                keys.append(hold[0] << 2 | _HOLD_STARTS)
                keys.append(hold[1] << 2 | _HOLD_ENDS)
        self.times = array("q")
        self.waiters = array("l")
        self.holders = array("l")
        self._sweep(keys)
        self._full_before = array("q", [0])
        self._waited_before = array("q", [0])
        for start, end, waiters, holders in self:
            full = end - start if holders >= self.limit else 0
            self._full_before.append(self._full_before[-1] + full)
            self._waited_before.append(self._waited_before[-1] + full * waiters)

    def _sweep(self, keys: list[int]) -> None:
        # Whoever enters and leaves within one tick of the clock ends before starting here, and
        # the counts come out right once the tick is over.
        keys.sort()
        waiters = holders = 0
        times, waiting, holding = self.times, self.waiters, self.holders
        for key in keys:
            match key & 3:
                case 0:
                    holders -= 1
                case 1:
                    waiters -= 1
                case 2:
                    holders += 1
                case _:
                    waiters += 1
            at = key >> 2
            if times and times[-1] == at:
                waiting[-1], holding[-1] = waiters, holders
            else:
                times.append(at)
                waiting.append(waiters)
                holding.append(holders)

    def __iter__(self) -> Iterator[tuple[int, int, int, int]]:
        """Steps in order: start, end, waiters, holders."""
        for (start, end), waiters, holders in zip(
            pairwise(self.times), self.waiters, self.holders, strict=False
        ):
            yield start, end, waiters, holders

    def full(self, start: int, end: int) -> int:
        """How many ns between ``start`` and ``end`` the resource was full."""
        return self._until(end, self._full_before) - self._until(start, self._full_before)

    def waited(self, start: int, end: int) -> int:
        """How many ns all waiters together waited for the full resource in that time."""
        return self._until(end, self._waited_before) - self._until(start, self._waited_before)

    def _until(self, at: int, before: array[int]) -> int:
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
        most, when = 0, None
        for start, _, waiters, holders in self:
            if holders >= self.limit and waiters > most:
                most, when = waiters, start
        return most, when

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
        for row in self._timeline.rows_of_resource.get(self._resource, ()):
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
