"""How full a resource was over time, and whom it kept waiting."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate, pairwise
from operator import add, itemgetter, mul, sub

from asyncctx_trace.analysis.kernels.choice import Kernels
from asyncctx_trace.analysis.kernels.columns import Holds
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model import capacity
from asyncctx_trace.model.events import ResourceDefined

__all__ = ["Occupancy", "contends", "hold_of", "limit_of", "wait_of"]

_LARGEST = 2**63 - 1
"""The largest value in a column."""
_CHECKPOINT = 64
"""The least number of moves between two stored lists of holders."""


def contends(resource: ResourceDefined | None) -> bool:
    """Return whether tasks can keep each other out of ``resource``.

    A timeout or a task group lets everybody in.
    """
    return resource is not None and capacity.limit_of(resource.kind, resource.capacity) is not None


def limit_of(resource: ResourceDefined | None) -> int:
    """Return how many holders keep others out: the capacity, or 1 if it is not known."""
    limit = None if resource is None else capacity.limit_of(resource.kind, resource.capacity)
    return 1 if limit is None else limit


def wait_of(timeline: Timeline, row: int, now: int) -> tuple[int, int]:
    """Return start and end of the enter of ``row``; one that has not ended ends at ``now``."""
    start, end = timeline.enter_started[row], timeline.enter_ended[row]
    return start, max(start, now) if end == NOT_YET else end


def hold_of(timeline: Timeline, row: int, now: int) -> tuple[int, int] | None:
    """Return from when to when ``row`` held, cleanup included; ``None`` if it did not enter."""
    if not timeline.entered(row):
        return None
    start, end = timeline.enter_ended[row], timeline.exit_ended[row]
    return start, max(start, now) if end == NOT_YET else end


class Occupancy:
    """Holders and waiters of one resource as steps over time.

    Step ``i`` lasts from ``times[i]`` to ``times[i + 1]``. The resource is *full* while at least
    ``limit`` tasks hold it: only then does a holder keep a waiter out.
    """

    def __init__(self, timeline: Timeline, resource: int, now: int, kernels: Kernels) -> None:
        self.limit = limit_of(timeline.resources.get(resource))
        """The number of holders that keep others out."""
        self.rows = timeline.rows_of_resource.get(resource, array("q"))
        """The acquisitions of the resource."""
        self._timeline = timeline
        self._now = now
        self._kernels = kernels.for_rows(self.rows)
        steps = self._kernels.occupancy_steps(timeline, self.rows, now)
        self.times, self.waiters, self.holders = steps

    @property
    def blocked_waiters(self) -> array[int]:
        """The number of waiters in each step while the resource was full, 0 otherwise."""
        return self._kernels.blocked_waiters(self.waiters, self.holders, self.limit)

    @cached_property
    def blocked_times(self) -> array[int]:
        """For how many ns each of ``rows`` waited while the resource was full."""
        full = array("b", map(self.limit.__le__, self.holders))
        return self._kernels.blocked_times(self._timeline, self.rows, self._now, self.times, full)

    @cached_property
    def contended(self) -> int:
        """The number of ``rows`` that waited while the resource was full."""
        return len(self.blocked_times) - self.blocked_times.count(0)

    @property
    def crowded(self) -> bool:
        """Whether holders and waiters together were ever more than the limit."""
        return any(map(self.limit.__lt__, map(add, self.waiters, self.holders)))

    def blocked_time(self, row: int) -> int:
        """Return for how many ns ``row`` waited while the resource was full."""
        return self.blocked_times[bisect_left(self.rows, row)]

    @cached_property
    def blocked_before(self) -> Sequence[int]:
        """The blocked time of all waiters together before each step, in ns."""
        lengths, blocked = map(sub, self.times[1:], self.times), self.blocked_waiters
        sums = accumulate(map(mul, lengths, blocked), initial=0)
        bound = (self.times[-1] - self.times[0]) * max(blocked)
        return list(sums) if bound > _LARGEST else array("q", sums)

    @cached_property
    def holds(self) -> Holds:
        """Which task held the resource from when to when."""
        return self._kernels.holds(self._timeline, self.rows, self._now)

    def __iter__(self) -> Iterator[tuple[int, int, int, int]]:
        """Yield the steps in order: start, end, waiters, holders."""
        for (start, end), waiters, holders in zip(
            pairwise(self.times), self.waiters, self.holders, strict=False
        ):
            yield start, end, waiters, holders

    @property
    def total_wait(self) -> int:
        """The waiting time of all waiters together, in ns, whether the resource was full or not."""
        return self._kernels.integral(self.times, self.waiters)

    @property
    def total_blocked(self) -> int:
        """The waiting time of all waiters together while the resource was full, in ns."""
        return self._kernels.integral(self.times, self.blocked_waiters)

    @property
    def hand_over_time(self) -> int:
        """The waiting time of all waiters together between a release and the next enter, in ns."""
        return self._kernels.hand_over_time(self.times, self.waiters, self.holders, self.limit)

    def blocked_between(self, start: int, end: int) -> int:
        """Return the blocked time of all waiters together between two times, in ns."""
        return self._blocked_until(end) - self._blocked_until(start)

    def _blocked_until(self, at: int) -> int:
        before = self.blocked_before
        step = bisect_right(self.times, at) - 1
        if step < 0:
            return 0
        if step + 1 == len(self.times):
            return before[step]
        # Within a step it grows evenly.
        length = self.times[step + 1] - self.times[step]
        return before[step] + (before[step + 1] - before[step]) // length * (at - self.times[step])

    def not_full_between(self, start: int, end: int) -> int:
        """Return the waiting time of all between two times while it was not full, in ns."""
        total = 0
        for step in range(max(0, bisect_right(self.times, start) - 1), len(self.times) - 1):
            if self.times[step] >= end:
                break
            if self.holders[step] < self.limit:
                since, until = max(start, self.times[step]), min(end, self.times[step + 1])
                total += self.waiters[step] * (until - since)
        return total

    def most_waiters(self) -> tuple[int, int | None]:
        """Return the longest queue while the resource was full, and its first time."""
        blocked = self.blocked_waiters
        most = max(blocked, default=0)
        return most, self.times[blocked.index(most)] if most else None

    def holders_at(self, at: int) -> list[int]:
        """Return the rows that held the resource at time ``at``, in order of entering."""
        moves, checkpoints = self._moves
        count = bisect_right(moves, (at, 2, 0))
        first, held = checkpoints[bisect_right(checkpoints, count, key=itemgetter(0)) - 1]
        holding = dict.fromkeys(held)
        for _, arrives, row in moves[first:count]:
            if arrives:
                holding[row] = None
            else:
                holding.pop(row, None)
        return list(holding)

    @cached_property
    def _moves(self) -> tuple[list[tuple[int, int, int]], list[tuple[int, list[int]]]]:
        """The starts and ends of all holds in order of time, and the holders at some of them.

        A start or end is its time, 1 or 0, and the row; the holders at one of them are the number
        of starts and ends before it, and rows.
        """
        moves: list[tuple[int, int, int]] = []
        for row in self.rows:
            hold = hold_of(self._timeline, row, self._now)
            unfinished = self._timeline.exit_ended[row] == NOT_YET
            if hold is not None and (unfinished or hold[0] < hold[1]):
                moves.append((hold[0], 1, row))
                if not unfinished:
                    moves.append((hold[1], 0, row))
        moves.sort()
        checkpoints: list[tuple[int, list[int]]] = [(0, [])]
        holding: dict[int, None] = {}
        for index, (_, arrives, row) in enumerate(moves):
            # The more hold it, the more moves lie between: checkpoints are no larger than moves.
            if index - checkpoints[-1][0] >= max(_CHECKPOINT, len(holding)):
                checkpoints.append((index, list(holding)))
            if arrives:
                holding[row] = None
            else:
                del holding[row]
        return moves, checkpoints
