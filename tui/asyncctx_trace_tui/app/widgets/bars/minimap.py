"""The minimap: the whole run in one line, with the viewport highlighted."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from time import perf_counter

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip

from asyncctx_trace.analysis.summary.problems import problems
from asyncctx_trace_tui.app.widgets.state_widget import StateWidget
from asyncctx_trace_tui.app.widgets.time_rows import names_width
from asyncctx_trace_tui.view.cells.activity import Overview
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.state import ViewState
from asyncctx_trace_tui.view.time_axis.viewport import Viewport

__all__ = ["Minimap"]

_BUDGET = 0.004
"""Seconds per frame that may be spent on summing up lanes."""
_MAX_AGE = 1_000_000_000
_NOT_MARKED = ("cancelled: ", "timed out: ", "long wait: ")
"""Problems that many programs have by design."""


class Minimap(StateWidget):
    """The time that all tasks together waited (amber) and held (teal), with problems in red.

    Where tasks only wait for each other, for queues and the like, it is blue.
    """

    DEFAULT_CSS = """
    Minimap { height: 1; }
    """

    class Chosen(Message):
        """A time on the minimap was clicked."""

        def __init__(self, at: int) -> None:
            self.at = at
            super().__init__()

    def __init__(self, state: ViewState, glyphs: Glyphs) -> None:
        super().__init__(id="minimap")
        self.state = state
        self.glyphs = glyphs
        self._overview = self._next = Overview(Viewport(0, 1, 1), 0)
        self._work: Iterator[None] | None = None
        self._wanted: Hashable = None
        """The key of the sums in progress."""
        self._summed: Hashable = None
        self._drawn_cells: tuple[Hashable, list[tuple[str, str]]] = None, []
        """What the cells were drawn for, and glyph and color of each."""

    def render_key(self) -> Hashable:
        self._sum_up()
        state = self.state
        whole = self._overview.viewport
        if not state.live:  # while the program runs, others ask for what they need
            state.answer(problems)
        return (
            self._summed,
            state.answers.revision,
            state.viewport,
            state.faults,
            whole.column_of(state.playback.at),
            self.size,
        )

    def _sum_up(self) -> None:
        """Continue summing up for a few ms; start again when the recording has grown."""
        state = self.state
        width = max(1, self.size.width - names_width(state, self.app.size.width))
        recent = state.now // _MAX_AGE if state.live else state.now
        wanted = len(state.timeline.facts) if not state.live else 0, recent, width
        if self._work is None and wanted != self._summed and state.timeline.start is not None:
            self._next = Overview(Viewport.fitting(state.origin, state.now, width), state.now)
            self._wanted = wanted
            self._work = self._next.sum_up(state.tracks)
        if self._work is not None:
            until = perf_counter() + _BUDGET
            for _ in self._work:
                if perf_counter() > until:
                    return
            self._overview, self._summed, self._work = self._next, self._wanted, None

    def render_line(self, y: int) -> Strip:
        palette, state = self.palette, self.state
        gutter = names_width(state, self.app.size.width)
        overview = self._overview
        whole = overview.viewport
        first = whole.column_of(state.viewport.start)
        last = whole.column_of(state.viewport.end - 1)
        head = whole.column_of(state.playback.at)
        segments = [Segment("  all".ljust(gutter), palette.style("faint"))]
        for column, (glyph, foreground) in enumerate(self._cells()):
            inside = first <= column <= last
            if column == head:
                glyph, foreground = self.glyphs.head, "head"
            style = palette.style(foreground, "selected" if inside else "", future=not inside)
            segments.append(Segment(glyph, style))
        return Strip(segments).simplify().adjust_cell_length(self.size.width, palette.style("text"))

    def _cells(self) -> list[tuple[str, str]]:
        """Return glyph and color of each column, whatever the viewport and the play head."""
        key = self._summed, self.state.answers.revision, self.state.faults, self.glyphs
        if key != self._drawn_cells[0]:
            self._drawn_cells = key, self._draw_cells()
        return self._drawn_cells[1]

    def _draw_cells(self) -> list[tuple[str, str]]:
        overview, heights = self._overview, self.glyphs.heights
        sums = list(zip(overview.waits, overview.holds, strict=True))
        most = max((sum(each) for each in sums), default=0)
        marked = self._marked()
        found = []
        for column, (wait, hold) in enumerate(sums):
            total = wait + hold
            glyph = (
                heights[min(len(heights) - 1, int(total / most * len(heights)))] if total else " "
            )
            foreground = "wait" if wait > hold else "hold"
            if not total and overview.awaits[column]:
                glyph, foreground = heights[0], "await"
            if column in marked:
                glyph, foreground = glyph if total else heights[0], "error"
            found.append((glyph, foreground))
        return found

    def _marked(self) -> set[int]:
        """Return the columns with errors and findings, as far as they are known."""
        found = None if self.state.live else self.state.answer(problems)
        whole = self._overview.viewport
        return {whole.column_of(at) for at in self.state.faults.times} | {
            whole.column_of(problem.at)
            for problem in found or ()
            if not problem.description.startswith(_NOT_MARKED)
        }

    def on_click(self, event: events.Click) -> None:
        column = event.x - names_width(self.state, self.app.size.width)
        if column >= 0:
            self.post_message(self.Chosen(self._overview.viewport.time_of(column)))
