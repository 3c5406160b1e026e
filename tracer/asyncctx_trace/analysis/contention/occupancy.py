"""How full a resource was at every moment, with whom it kept waiting."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate, pairwise, repeat
from operator import add, itemgetter, mul, sub

from asyncctx_trace.analysis import kernels
from asyncctx_trace.analysis.contention.holds import Holds
from asyncctx_trace.analysis.timeline.lookups import holds_of, waits_of
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model import capacity
from asyncctx_trace.model.events import ResourceDefined

__all__ = ["Occupancy", "contends", "hold_of", "limit_of", "wait_of"]

_LARGEST = 2**63 - 1
"""What fits into a column."""

_CHECKPOINT = 64
"""Moves, at least, between two lists of holders that are kept."""


def contends(resource: ResourceDefined | None) -> bool:
    """Whether tasks can be in each other's way at ``resource``.

    A timeout or a task group lets everybody in: to be in two of them at once is no contention.
    """
    return resource is not None and capacity.limit_of(resource.kind, resource.capacity) is not None


def limit_of(resource: ResourceDefined | None) -> int:
    """How many holders keep others out: the capacity; one where it is not known."""
    found = None if resource is None else capacity.limit_of(resource.kind, resource.capacity)
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
        self.rows = timeline.rows_of_resource.get(resource, array("q"))
        self._now = now
        if kernels.pays(timeline, self.rows):
            from asyncctx_trace.analysis.kernels.occupancy import steps
        else:
            steps = _steps
        self.times, self.waiters, self.holders = steps(timeline, self.rows, now)

    @property
    def kept_out(self) -> array[int]:
        """Waiters of each step while the resource was full."""
        if kernels.pays(self._timeline, self.rows):
            from asyncctx_trace.analysis.kernels.occupancy import kept_out

            return kept_out(self.waiters, self.holders, self.limit)
        return array("i", map(mul, self.waiters, self._full()))

    def _full(self) -> array[int]:
        """Of each step, whether the resource was full."""
        return array("b", map(self.limit.__le__, self.holders))

    @cached_property
    def met(self) -> array[int]:
        """How many ns the wait in each of ``rows`` met the full resource."""
        if kernels.pays(self._timeline, self.rows):
            from asyncctx_trace.analysis.kernels.occupancy import met
        else:
            met = _met
        return met(self._timeline, self.rows, self._now, self.times, self._full())

    @cached_property
    def contended(self) -> int:
        """How many of ``rows`` met the full resource."""
        return len(self.met) - self.met.count(0)

    @property
    def crowded(self) -> bool:
        """Whether there ever were more who held it, or wanted to, than it lets in."""
        return any(map(self.limit.__lt__, map(add, self.waiters, self.holders)))

    def met_by(self, row: int) -> int:
        """How many ns the wait in ``row`` met the full resource."""
        return self.met[bisect_left(self.rows, row)]

    @cached_property
    def _waited_before(self) -> Sequence[int]:
        """What all waiters together had waited for the full resource at the start of each step."""
        lengths, kept_out = map(sub, self.times[1:], self.times), self.kept_out
        sums = accumulate(map(mul, lengths, kept_out), initial=0)
        longest = (self.times[-1] - self.times[0]) * max(kept_out)
        return list(sums) if longest > _LARGEST else array("q", sums)

    @cached_property
    def holds(self) -> Holds:
        """Which task held it from when to when."""
        return Holds(self._timeline, self.rows, self._now)

    def full_during(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Its holders from ``start`` on, up to ``end``, and since when; 0 while it is not full."""
        first = bisect_right(self.times, start) - 1
        for step in range(max(first, 0), bisect_left(self.times, end)):
            holders = self.holders[step]
            yield max(start, self.times[step]), holders if holders >= self.limit else 0

    def __iter__(self) -> Iterator[tuple[int, int, int, int]]:
        """Steps in order: start, end, waiters, holders."""
        for (start, end), waiters, holders in zip(
            pairwise(self.times), self.waiters, self.holders, strict=False
        ):
            yield start, end, waiters, holders

    @property
    def waited_in_all(self) -> int:
        """How many ns all waiters together waited, for the full resource or not."""
        return self._integral(self.waiters)

    @property
    def kept_out_in_all(self) -> int:
        """How many ns all waiters together waited for the full resource."""
        return self._integral(self.kept_out)

    def _integral(self, values: array[int]) -> int:
        if kernels.pays(self._timeline, self.rows):
            from asyncctx_trace.analysis.kernels.occupancy import integral

            return integral(self.times, values)
        return sum(map(mul, map(sub, self.times[1:], self.times), values))

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
        kept_out = self.kept_out
        most = max(kept_out, default=0)
        return most, self.times[kept_out.index(most)] if most else None

    def holders_at(self, at: int) -> list[int]:
        """Rows that held the resource at time ``at``, in order of getting in."""
        moves, kept = self._moves
        count = bisect_right(moves, (at, 2, 0))
        first, held = kept[bisect_right(kept, count, key=itemgetter(0)) - 1]
        holding = dict.fromkeys(held)
        for _, arrives, row in moves[first:count]:
            if arrives:
                holding[row] = None
            else:
                holding.pop(row, None)
        return list(holding)

    @cached_property
    def _moves(self) -> tuple[list[tuple[int, int, int]], list[tuple[int, list[int]]]]:
        """Who arrived (1) and left (0) when, and from time to time who held before which move."""
        moves: list[tuple[int, int, int]] = []
        for row in self.rows:
            hold = hold_of(self._timeline, row, self._now)
            lasts = self._timeline.exit_ended[row] == NOT_YET
            if hold is not None and (lasts or hold[0] < hold[1]):
                moves.append((hold[0], 1, row))
                if not lasts:
                    moves.append((hold[1], 0, row))
        moves.sort()
        kept: list[tuple[int, list[int]]] = [(0, [])]
        holding: dict[int, None] = {}
        for index, (_, arrives, row) in enumerate(moves):
            # The more hold it, the more moves lie between: it takes as much room as the moves.
            if index - kept[-1][0] >= max(_CHECKPOINT, len(holding)):
                kept.append((index, list(holding)))
            if arrives:
                holding[row] = None
            else:
                del holding[row]
        return moves, kept


def _steps(
    timeline: Timeline, rows: Sequence[int], now: int
) -> tuple[array[int], array[int], array[int]]:
    """Times at which a step begins, waiters and holders in each."""
    asked, answered = waits_of(timeline, rows, now)
    got_in, left = holds_of(timeline, rows, now)
    # Every start of a hold is the end of a wait.
    times: array[int] = array("q", sorted({*asked, *answered, *left}))
    return times, _there(asked, answered, times), _there(got_in, left, times)


def _there(arrivals: list[int], departures: list[int], times: array[int]) -> array[int]:
    """How many are there in each step; whoever comes and goes within one tick never was."""
    come, gone = Counter(arrivals), Counter(departures)
    changes = map(sub, map(come.get, times, repeat(0)), map(gone.get, times, repeat(0)))
    return array("i", accumulate(changes))


def _met(
    timeline: Timeline, rows: Sequence[int], now: int, times: array[int], full: array[int]
) -> array[int]:
    """How many ns the wait in each of ``rows`` met the full resource."""
    lengths = map(sub, times[1:], times)
    before = dict(zip(times, accumulate(map(mul, lengths, full), initial=0), strict=True))
    starts, ends = waits_of(timeline, rows, now)
    return array("q", map(sub, map(before.__getitem__, ends), map(before.__getitem__, starts)))
