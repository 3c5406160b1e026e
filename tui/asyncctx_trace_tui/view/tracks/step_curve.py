"""A number that changes in steps, such as the length of a queue: its mean in any slice of time."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise

from asyncctx_trace_tui.view.time_axis.viewport import Viewport
from asyncctx_trace_tui.view.tracks.kernels import numpy_for

__all__ = ["StepCurve"]


class StepCurve:
    """Steps over time with prefix sums: O(log n) for the mean of a slice.

    Step ``i`` lasts from ``times[i]`` to ``times[i + 1]``; the last one ends at the last time.
    """

    def __init__(self, times: Sequence[int], levels: Sequence[int]) -> None:
        """``times`` in ns, in order; ``levels`` has as many, of which the last is not used."""
        self.times = array("q", times)
        self.levels = array("q", levels)
        lengths = (end - start for start, end in pairwise(self.times))
        areas = (length * level for length, level in zip(lengths, self.levels, strict=False))
        self.before = array("q", accumulate(areas, initial=0))
        """The sum of level times length before each step, in ns."""
        self.most = max(self.levels[:-1], default=0)
        self.total = self.before[-1]

    @classmethod
    def of_intervals(cls, starts: Sequence[int], ends: Sequence[int]) -> StepCurve:
        """Return how many of the intervals are open at each time."""
        fast = numpy_for(len(starts))
        if fast is not None:
            times, levels = fast.steps_of_intervals(starts, ends)
            return cls(times, levels)
        changes: dict[int, int] = {}
        for at in starts:
            changes[at] = changes.get(at, 0) + 1
        for at in ends:
            changes[at] = changes.get(at, 0) - 1
        times = sorted(changes)
        return cls(times, list(accumulate(changes[at] for at in times)))

    def mean(self, start: int, end: int) -> float:
        """Return the mean level between two times."""
        return (self._until(end) - self._until(start)) / (end - start)

    def means(self, viewport: Viewport) -> list[float]:
        """Return the mean level in each column."""
        fast = numpy_for(len(self.times))
        if fast is not None:
            found: list[float] = fast.curve_means(self.times, self.levels, self.before, viewport)
            return found
        edges: Iterable[int] = map(viewport.time_of, range(viewport.width + 1))
        sums = [self._until(edge) for edge in edges]
        return [(after - before) / viewport.per_column for before, after in pairwise(sums)]

    def _until(self, at: int) -> int:
        step = bisect_right(self.times, at) - 1
        if step < 0:
            return 0
        if step + 1 >= len(self.times):
            return self.total
        return self.before[step] + (at - self.times[step]) * self.levels[step]
