"""The visible window of time."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["WIDEST", "Viewport"]

WIDEST = 1 << 52
"""The longest slice of time per column, in ns: about 52 days."""


@dataclass(frozen=True, slots=True)
class Viewport:
    """``width`` columns, each a slice of ``per_column`` ns; the first begins at ``start``.

    Times and slices are whole ns, so that nothing is lost in moving: panning inverts panning,
    zooming in inverts zooming out, neighbouring slices touch. Every move gives a new viewport.
    """

    start: int
    per_column: int
    width: int

    @classmethod
    def fitting(cls, first: int, last: int, width: int) -> Viewport:
        """Return the smallest viewport from ``first`` to ``last``, both included."""
        width = max(1, width)
        per_column = max(1, -(-(last - first + 1) // width))
        return cls(first, min(per_column, WIDEST), width)

    @property
    def span(self) -> int:
        """The visible time, in ns."""
        return self.per_column * self.width

    @property
    def end(self) -> int:
        """The first time after the viewport."""
        return self.start + self.span

    def time_of(self, column: int) -> int:
        """Return the start of a column's slice; ``column`` may be outside the viewport."""
        return self.start + column * self.per_column

    def column_of(self, at: int) -> int:
        """Return the column of a time; negative or ≥ ``width`` if outside the viewport."""
        return (at - self.start) // self.per_column

    def shows(self, at: int) -> bool:
        """Whether ``at`` is visible."""
        return self.start <= at < self.end

    def panned(self, columns: int) -> Viewport:
        """Return a viewport moved by ``columns``, to earlier times if negative."""
        return replace(self, start=self.start + columns * self.per_column)

    def zoomed_out(self, around: int, factor: int = 2) -> Viewport:
        """Return a viewport with slices ``factor`` times as long; ``around`` keeps its column."""
        return self.sliced(self.per_column * factor, around)

    def zoomed_in(self, around: int, factor: int = 2) -> Viewport:
        """Return a viewport with slices ``factor`` times shorter; ``around`` keeps its column."""
        return self.sliced(self.per_column // factor, around)

    def sliced(self, per_column: int, around: int) -> Viewport:
        """Return a viewport with slices of ``per_column`` ns; ``around`` keeps its column."""
        per_column = min(max(1, per_column), WIDEST)
        column, within = divmod(around - self.start, self.per_column)
        # Keep the offset within the slice as well, or zooming would drift.
        offset = within * per_column // self.per_column
        return replace(self, start=around - offset - column * per_column, per_column=per_column)

    def around(self, at: int) -> Viewport:
        """Return a viewport moved by whole columns with ``at`` in the middle."""
        return self.panned(self.column_of(at) - self.width // 2)

    def following(self, at: int, margin: int = 0) -> Viewport:
        """Return a viewport moved as little as needed to show ``at`` with a margin."""
        margin = min(margin, (self.width - 1) // 2)
        column = self.column_of(at)
        if column < margin:
            return self.panned(column - margin)
        if column >= self.width - margin:
            return self.panned(column - (self.width - margin) + 1)
        return self

    def kept_near(self, first: int, last: int) -> Viewport:
        """Return a viewport moved so that it overlaps the time from ``first`` to ``last``."""
        if self.end <= first:
            return self.following(first)
        if self.start > last:
            return self.following(last)
        return self
