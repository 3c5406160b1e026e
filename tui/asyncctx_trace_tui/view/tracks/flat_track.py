"""Tracks of several depths on one line: at each time, what is innermost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from asyncctx_trace_tui.view.time_axis.viewport import Viewport
from asyncctx_trace_tui.view.tracks.kernels import numpy_for
from asyncctx_trace_tui.view.tracks.shares import Problem, Run, Shares
from asyncctx_trace_tui.view.tracks.track import Track

__all__ = ["FlatTrack"]


class FlatTrack:
    """The innermost phase at each time, of tracks that lie within each other.

    The time of an inner acquisition is subtracted from the acquisition around it, first from the
    time that this one holds.
    """

    def __init__(self, tracks: Sequence[Track]) -> None:
        self.tracks = tracks
        """The outermost first; the owner may add more."""

    def columns(self, viewport: Viewport, now: int) -> Any:
        """Return the columns as numpy computes them, or ``None`` if plain Python is faster."""
        dense = (
            track.index_at(viewport.end) - track.index_at(viewport.start) for track in self.tracks
        )
        fast = numpy_for(max(dense, default=0))
        if fast is None:
            return None
        # An inner track without a start in the viewport may still reach into it.
        layers = [
            fast.Columns(track, viewport, now)
            for depth, track in enumerate(self.tracks)
            if track.rows and (not depth or track.reaches(viewport))
        ]
        return fast.FlatColumns(layers) if len(layers) > 1 else layers[0]

    def runs(self, viewport: Viewport, now: int) -> Iterator[Run]:
        """Yield the columns of ``viewport`` that are not empty, from left to right."""
        layers = [runs for track in self.tracks if (runs := list(track.runs(viewport, now)))]
        if len(layers) < 2:
            yield from (run for runs in layers for run in runs)
            return
        cells: list[Run | None] = [None] * viewport.width
        for runs in layers:
            for run in runs:
                whole = sum(run.shares) == viewport.per_column
                for column in range(run.column, run.column + run.length):
                    outer = cells[column]
                    cells[column] = run if outer is None or whole else _within(outer, run)
        column = 0
        for _, same in groupby(cells, key=id):
            together = list(same)
            first = together[0]
            if first is not None:
                yield first._replace(column=column, length=len(together))
            column += len(together)

    def problems(self, viewport: Viewport) -> Iterable[Problem]:
        """Yield phases that ended badly, at most one per column and depth."""
        return (problem for track in self.tracks for problem in track.problems(viewport))

    def row_at(self, at: int) -> int | None:
        """Return the innermost acquisition that is open at ``at``, if any."""
        rows = (track.row_at(at) for track in reversed(self.tracks))
        return next((row for row in rows if row is not None), None)

    def render_key(self, now: int) -> tuple[int, ...]:
        """Return a value that changes whenever the line looks different; ``now`` is in ns."""
        return tuple(part for track in self.tracks for part in (*track.render_key(now), -1))


def _within(outer: Run, inner: Run) -> Run:
    """Return a column in which ``inner`` takes a part of the time of ``outer``."""
    rest = sum(inner.shares)
    kept = list(outer.shares)
    for phase in (1, 0, 2):
        taken = min(kept[phase], rest)
        kept[phase] -= taken
        rest -= taken
    shares = Shares(*(a + b for a, b in zip(kept, inner.shares, strict=True)))
    touches = outer.touches[0] or inner.touches[0], outer.touches[1] or inner.touches[1]
    return Run(inner.column, 1, shares, inner.row, touches)
