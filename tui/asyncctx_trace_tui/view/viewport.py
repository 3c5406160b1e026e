"""The window in time that a timeline shows, as pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["WIDEST", "Viewport"]

WIDEST = 1 << 52
"""The longest slice of time that one column may show, in ns: some 52 days."""


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
        """The closest view that holds the times from ``first`` to ``last``, both included."""
        width = max(1, width)
        per_column = max(1, -(-(last - first + 1) // width))
        return cls(first, min(per_column, WIDEST), width)

    @property
    def span(self) -> int:
        """How much time is in view, in ns."""
        return self.per_column * self.width

    @property
    def end(self) -> int:
        """The first time to the right of the view."""
        return self.start + self.span

    def time_of(self, column: int) -> int:
        """When the slice of ``column`` begins; columns out of view have their times too."""
        return self.start + column * self.per_column

    def column_of(self, at: int) -> int:
        """The column whose slice holds ``at``; below 0 or from ``width`` on where out of view."""
        return (at - self.start) // self.per_column

    def shows(self, at: int) -> bool:
        """Whether ``at`` is in view."""
        return self.start <= at < self.end

    def resized(self, width: int) -> Viewport:
        """The same slices, more of them or fewer."""
        return replace(self, width=max(1, width))

    def panned(self, columns: int) -> Viewport:
        """Moved to later times by ``columns``, to earlier ones where negative."""
        return replace(self, start=self.start + columns * self.per_column)

    def zoomed_out(self, around: int, factor: int = 2) -> Viewport:
        """Slices ``factor`` times as long; what is at ``around`` stays in its column."""
        return self.sliced(self.per_column * factor, around)

    def zoomed_in(self, around: int, factor: int = 2) -> Viewport:
        """Slices a ``factor``-th as long, down to single ns; ``around`` stays in its column."""
        return self.sliced(self.per_column // factor, around)

    def sliced(self, per_column: int, around: int) -> Viewport:
        """Slices of ``per_column`` ns; what is at ``around`` stays in its column."""
        per_column = min(max(1, per_column), WIDEST)
        column, within = divmod(around - self.start, self.per_column)
        # Where in its slice ``around`` lies is kept as well, or zooming would creep sideways.
        kept = within * per_column // self.per_column
        return replace(self, start=around - kept - column * per_column, per_column=per_column)

    def around(self, at: int) -> Viewport:
        """Moved by whole columns so that ``at`` comes to the middle."""
        return self.panned(self.column_of(at) - self.width // 2)

    def following(self, at: int, margin: int = 0) -> Viewport:
        """Moved by as few columns as it takes to have ``at`` in view, ``margin`` from the edges."""
        margin = min(margin, (self.width - 1) // 2)
        column = self.column_of(at)
        if column < margin:
            return self.panned(column - margin)
        if column >= self.width - margin:
            return self.panned(column - (self.width - margin) + 1)
        return self

    def kept_near(self, first: int, last: int) -> Viewport:
        """Moved so that some of the time from ``first`` to ``last`` stays in view."""
        if self.end <= first:
            return self.following(first)
        if self.start > last:
            return self.following(last)
        return self
