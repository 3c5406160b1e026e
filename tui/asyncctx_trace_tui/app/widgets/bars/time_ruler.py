"""The time ruler above the lanes."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from rich.segment import Segment
from textual.strip import Strip

from asyncctx_trace_tui.app.widgets.state_widget import StateWidget
from asyncctx_trace_tui.app.widgets.time_rows import names_width
from asyncctx_trace_tui.view.cells.glyphs import STALL_LETTER, Glyphs
from asyncctx_trace_tui.view.state import ViewState
from asyncctx_trace_tui.view.time_axis.ticks import ticks

__all__ = ["Ruler"]


class Ruler(StateWidget):
    """One line of round times, with the play head, marks A and B, stalls, deadlocks and leaks."""

    DEFAULT_CSS = """
    Ruler { height: 1; }
    """

    def __init__(self, state: ViewState, glyphs: Glyphs) -> None:
        super().__init__(id="ruler")
        self.state = state
        self.glyphs = glyphs

    def render_key(self) -> Hashable:
        state = self.state
        at = state.playback.at - state.zero
        stalls = len(state.timeline.stalls), len(state.timeline.stalls_ended)
        shown = state.viewport, state.zero, at // self._precision, self.size, stalls, state.faults
        return *shown, *state.marks.items()

    @property
    def _precision(self) -> int:
        """The precision of the displayed play head time at this zoom, in ns."""
        return int(10 ** (len(str(self.state.viewport.per_column)) - 1))

    def render_line(self, y: int) -> Strip:
        state, viewport, palette = self.state, self.state.viewport, self.palette
        column = viewport.column_of(state.playback.at)
        label, start = self._head(column) if 0 <= column < viewport.width else ("", 0)
        cells = [" "] * viewport.width
        faulty = {viewport.column_of(at) for at in state.faults.times}
        for tick in ticks(viewport, state.zero, state.label):
            text = self.glyphs.tick + tick.label
            if not faulty.isdisjoint(range(tick.column, tick.column + len(text))):
                continue  # the mark of a fault would cover a digit
            if tick.column + len(text) < start or tick.column > start + len(label):
                cells[tick.column : tick.column + len(text)] = text
        line = "".join(cells)[: viewport.width]
        segments = [
            Segment(" " * names_width(state, self.app.size.width), palette.style("faint")),
            Segment(line[:start], palette.style("faint")),
            Segment(label, palette.style("head")),
            Segment(line[start + len(label) :], palette.style("faint")),
        ]
        strip = Strip(segments).adjust_cell_length(self.size.width, palette.style("faint"))
        gutter = names_width(state, self.app.size.width)
        for first, last in self._stalled():
            text = strip.crop(gutter + first, gutter + last + 1).text.replace(" ", STALL_LETTER)
            stalled = Strip([Segment(text, palette.style("mark", "error"))], len(text))
            before, after = strip.crop(0, gutter + first), strip.crop(gutter + last + 1)
            strip = Strip.join([before, stalled, after])
        faults = [(self.glyphs.fault, at, "error") for at in state.faults.times]
        for letter, at, color in [*faults, *((*mark, "wait") for mark in state.marks.items())]:
            if viewport.shows(at):
                x = names_width(state, self.app.size.width) + viewport.column_of(at)
                mark = Strip([Segment(letter, palette.style("mark", color))], 1)
                strip = Strip.join([strip.crop(0, x), mark, strip.crop(x + 1)])
        return strip

    def _stalled(self) -> Iterator[tuple[int, int]]:
        """Yield the first and last visible column of each stall, from left to right."""
        viewport, free = self.state.viewport, 0
        for stall in self.state.stalls:
            first = max(free, viewport.column_of(stall.since))
            last = min(viewport.width - 1, viewport.column_of(stall.until))
            if first <= last:
                yield first, last
                free = last + 1

    def _head(self, column: int) -> tuple[str, int]:
        """Return the label of the play head and its first column: right of it if there is space."""
        state = self.state
        time = state.clock(state.playback.at, self._precision)
        if column + 1 + len(time) <= state.viewport.width:
            return self.glyphs.here + time, column
        label = time + self.glyphs.here
        start = column + 1 - len(label)
        return label[max(0, -start) :], max(0, start)
