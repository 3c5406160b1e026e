"""The whole run in one line, with the window in it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from time import perf_counter

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip

from asyncctx_trace_tui.drawing import Glyphs
from asyncctx_trace_tui.scene import Scene
from asyncctx_trace_tui.viewport import Viewport
from asyncctx_trace_tui.widgets.rows import names_width
from asyncctx_trace_tui.widgets.view import SceneView

__all__ = ["Minimap"]

_BUDGET = 0.004
"""Seconds of one frame that may go into summing up lanes."""
_LASTS = 1_000_000_000


class Minimap(SceneView):
    """How much was waited (amber) and held (teal) at any time by all tasks together."""

    DEFAULT_CSS = """
    Minimap { height: 1; }
    """

    class Chosen(Message):
        """A time on the map was clicked."""

        def __init__(self, at: int) -> None:
            self.at = at
            super().__init__()

    def __init__(self, scene: Scene, glyphs: Glyphs) -> None:
        super().__init__(id="minimap")
        self.scene = scene
        self.glyphs = glyphs
        self._map: list[tuple[int, int]] = []
        """By column: ns waited, ns held or cleaned up."""
        self._whole = Viewport(0, 1, 1)
        self._work: Iterator[None] | None = None
        self._summed: Hashable = None

    def look(self) -> Hashable:
        self._sum_up()
        scene = self.scene
        return self._summed, scene.viewport, self._whole.column_of(scene.playback.at), self.size

    def _sum_up(self) -> None:
        """Go on with summing up, a few ms at a time; begin anew when there is more to sum."""
        scene = self.scene
        width = max(1, self.size.width - names_width(scene, self.app.size.width))
        recent = scene.now // _LASTS if scene.live else scene.now
        wanted = len(scene.timeline.facts) if not scene.live else 0, recent, width
        if self._work is None and wanted != self._summed and scene.timeline.start is not None:
            self._work = self._sums(Viewport.fitting(scene.origin, scene.now, width), wanted)
        if self._work is not None:
            until = perf_counter() + _BUDGET
            for _ in self._work:
                if perf_counter() > until:
                    return
            self._work = None

    def _sums(self, whole: Viewport, wanted: Hashable) -> Iterator[None]:
        waits, holds = [0] * whole.width, [0] * whole.width
        for lane in list(self.scene.tracks.lanes.values()):
            # Nested acquisitions would count a task twice; the outermost tell when it was busy.
            for track in lane.tracks[:1]:
                for run in track.runs(whole, self.scene.now):
                    for column in range(run.column, run.column + run.length):
                        waits[column] += run.shares.wait
                        holds[column] += run.shares.hold + run.shares.cleanup
            yield
        self._map = list(zip(waits, holds, strict=True))
        self._whole, self._summed = whole, wanted

    def render_line(self, y: int) -> Strip:
        inks, scene = self.inks, self.scene
        gutter = names_width(scene, self.app.size.width)
        first = self._whole.column_of(scene.viewport.start)
        last = self._whole.column_of(scene.viewport.end - 1)
        head = self._whole.column_of(scene.playback.at)
        most = max((sum(each) for each in self._map), default=0)
        segments = [Segment("  all".ljust(gutter), inks.style("faint"))]
        heights = self.glyphs.heights
        for column, (wait, hold) in enumerate(self._map):
            total = wait + hold
            inside = first <= column <= last
            glyph = (
                heights[min(len(heights) - 1, int(total / most * len(heights)))] if total else " "
            )
            ink = "wait" if wait > hold else "hold"
            if column == head:
                glyph, ink = self.glyphs.head, "head"
            segments.append(
                Segment(glyph, inks.style(ink, "selected" if inside else "", future=not inside))
            )
        return Strip(segments).simplify().adjust_cell_length(self.size.width, inks.style("text"))

    def on_click(self, event: events.Click) -> None:
        column = event.x - names_width(self.scene, self.app.size.width)
        if column >= 0:
            self.post_message(self.Chosen(self._whole.time_of(column)))
