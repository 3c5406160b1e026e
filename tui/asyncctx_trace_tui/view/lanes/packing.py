"""Pack intervals into rows, so that those in one row do not overlap."""

from __future__ import annotations

from heapq import heappop, heappush

__all__ = ["RowPacker"]


class RowPacker:
    """Give each interval the first row that is free when it starts: *first fit*.

    Perfetto and Chrome pack their tracks in the same way. If intervals are placed in the order of
    their starts, the number of rows is the largest number of intervals that overlap. The end of an
    interval may be given later, so a program can be followed while it runs. O(log n) per interval.
    """

    def __init__(self) -> None:
        self.count = 0
        """The number of rows."""
        self._ended: list[tuple[int, int]] = []
        """End and row of intervals after which no other was placed, as a heap."""
        self._free: list[int] = []
        """Rows that were free at the latest start, as a heap."""
        self._ends: list[int] = []
        """Row -> the end of its last interval that has ended."""
        self._latest = 0

    def place(self, start: int) -> int:
        """Return the row of an interval that starts at ``start``; it is taken until :meth:`end`."""
        ended, free = self._ended, self._free
        while ended and ended[0][0] <= start:
            heappush(free, heappop(ended)[1])
        if start < self._latest:
            return self._place_late(start)
        self._latest = start
        return heappop(free) if free else self._add_row()

    def end(self, row: int, at: int) -> None:
        """Free ``row`` at ``at``: its interval ends then."""
        self._ends[row] = at
        heappush(self._ended, (at, row))

    def _place_late(self, start: int) -> int:
        """Return a row for an interval that starts before others that have been placed."""
        fitting = [row for row in self._free if self._ends[row] <= start]
        if not fitting:
            return self._add_row()
        row = min(fitting)
        self._free = sorted(set(self._free) - {row})  # a sorted list is a heap
        return row

    def _add_row(self) -> int:
        self._ends.append(0)
        self.count += 1
        return self.count - 1
