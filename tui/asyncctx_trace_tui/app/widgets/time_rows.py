"""Rows along the time axis: a label on the left, cells on the right, the play head across."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.filter import ANSIToTruecolor, LineFilter
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.names import resource_name
from asyncctx_trace.model.text import shorten
from asyncctx_trace_tui.app.widgets.palette import Palette
from asyncctx_trace_tui.app.widgets.state_widget import StateWidget
from asyncctx_trace_tui.view.cells.drawing import CellSegment
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.state import ViewState

__all__ = ["LineLabel", "TimeRows", "names_width"]

_NARROWEST, _WIDEST = 10, 26
"""The smallest and largest width of the labels, in cells."""
_LABEL = 24
"""The largest width of a name inside a bar, in cells."""

Line = TypeVar("Line", bound=Hashable)


class LineLabel(NamedTuple):
    """The label left of a line."""

    mark: str = " "
    text: str = ""
    foreground: str = "faint"
    selected: bool = False


def names_width(state: ViewState, width: int) -> int:
    """Return the width of the labels in a terminal of ``width`` cells."""
    return max(_NARROWEST, min(state.longest_name + 3, _WIDEST, width // 4))


class TimeRows(ScrollView, StateWidget, Generic[Line], can_focus=True, inherit_bindings=False):
    """Lines over the viewport, with vertical scrolling.

    The cells of a line are cached until the viewport or its :meth:`line_key` changes; moving the
    play head does not invalidate them. Subclasses define the lines and draw their cells.
    """

    DEFAULT_CSS = """
    TimeRows { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }
    """

    class Clicked(Message):
        """A line was clicked at a time, or on its label (``at`` is ``None``)."""

        def __init__(self, rows: TimeRows[Any], line: Hashable, at: int | None) -> None:
            self.rows = rows
            self.line = line
            self.at = at
            super().__init__()

    class Dragged(Message):
        """The timeline was dragged sideways by a number of columns."""

        def __init__(self, columns: int) -> None:
            self.columns = columns
            super().__init__()

    class Wheeled(Message):
        """The wheel was turned over a time: zoom in if ``by`` is positive."""

        def __init__(self, by: int, at: int) -> None:
            self.by = by
            self.at = at
            super().__init__()

    empty = ""
    """What is said while there are no lines."""

    def __init__(self, state: ViewState, glyphs: Glyphs, *, id: str) -> None:
        super().__init__(id=id)
        self.state = state
        self.glyphs = glyphs
        self.names_width = _NARROWEST
        self.lines: list[Line] = []
        self._cache: dict[Line, tuple[Hashable, Sequence[CellSegment]]] = {}
        self._cached: Timeline | None = None
        """The timeline that the cached lines are about."""
        """Line -> cache key and cells."""
        self._shown: dict[int, Hashable] = {}
        """Line on screen -> its key when last drawn."""
        self._head: int | None = None
        self._setting: Hashable = None
        self._common: Hashable = None
        """The part of the cache key that all lines share, except the viewport."""
        self._revealed: Hashable = None
        """The selection that was last scrolled into view."""
        self._pressed: int | None = None
        """The column at which the mouse button was pressed; ``None`` while it is up."""
        self._dragged = False

    # -- to be implemented by subclasses ----------------------------------------------------

    def lay_out(self, height: int) -> list[Line]:
        """Return the lines from top to bottom, for a widget of ``height`` lines."""
        raise NotImplementedError

    def line_key(self, line: Line) -> Hashable:
        """Return a value that changes whenever the line looks different in the same viewport."""
        raise NotImplementedError

    def label_of(self, line: Line) -> LineLabel:
        """Return the label left of the line."""
        raise NotImplementedError

    def cell_segments(self, line: Line) -> Sequence[CellSegment]:
        """Return the cells of the line over the whole width of the viewport."""
        raise NotImplementedError

    def overlay(self, line: Line) -> dict[int, tuple[str, str]]:
        """Return column -> (glyph, color) to draw over the line."""
        return {}

    def shared_key(self) -> Hashable:
        """Return a value that changes whenever all lines must be redrawn."""
        return ()

    def selected_item(self) -> Hashable:
        """Return what the user has selected; ``None`` if it follows from the play head."""
        return None

    def selected_lines(self) -> range:
        """Return the indexes of the selected lines; empty if there are none."""
        return range(0)

    # -- following the state ----------------------------------------------------------------

    def update_from_state(self) -> None:
        """Redraw if the state has changed, and scroll to the selection if that has changed."""
        super().update_from_state()
        selection = self.selected_item()
        if selection != self._revealed and self.lines:
            self._revealed = selection
            if selection is not None:
                self.reveal_lines(self.selected_lines())

    def reveal_lines(self, lines: range) -> None:
        """Scroll as little as needed to show ``lines``; if they are too many, the first ones."""
        height = self.scrollable_content_region.height
        if not lines or (self.scroll_y <= lines[0] and lines[-1] < self.scroll_y + height):
            return
        top = lines[0] if lines[0] < self.scroll_y else min(lines[0], lines[-1] - height + 1)
        self.scroll_to(y=max(0, top), animate=False, force=True)

    def on_resize(self) -> None:
        self._measure()

    def _measure(self) -> None:
        state, region = self.state, self.scrollable_content_region
        self.names_width = names_width(state, self.app.size.width)
        state.resize(region.width - self.names_width)
        lines = self.lay_out(region.height)
        if lines is not self.lines and lines != self.lines:
            self.lines = lines
            self.virtual_size = Size(region.width, len(lines))
            self._shown.clear()

    def render_key(self) -> Hashable:
        state = self.state
        return (
            state.viewport,
            state.viewport.column_of(state.playback.at),
            state.now,
            len(state.timeline.facts),
            len(state.timeline.tasks),
            state.task,
            state.lane_order.revision,
            self.shared_key(),
            self.size,
        )

    def redraw(self) -> None:
        self._measure()
        state = self.state
        self._common = state.lane_order.revision, self.shared_key(), self.glyphs
        shared_key = (
            *(state.viewport, state.task, self.names_width, self.app.theme),
            self._common,
        )
        head = state.viewport.column_of(state.playback.at)
        if shared_key != self._setting:
            self._setting, self._head = shared_key, head
            self._shown.clear()
            self.refresh()
            return
        top, width, height = self.scroll_offset.y, self.size.width, self.size.height
        regions = [
            Region(0, y, width, 1)
            for y, line in enumerate(self.lines[top : top + height])
            if self._shown.get(y) != (line, self.line_key(line))
        ]
        if head != self._head:
            left, right = sorted((head, self._head or 0))
            left, right = max(0, left), min(state.viewport.width - 1, right)
            if left <= right:
                regions.append(Region(self.names_width + left, 0, right - left + 1, height))
            self._head = head
        if regions:
            self.refresh(*regions)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Leave out the filter that translates terminal colors: all colors are exact."""
        filters = super().get_line_filters()
        return [each for each in filters if not isinstance(each, ANSIToTruecolor)]

    # -- drawing ----------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        index = y + self.scroll_offset.y
        if index >= len(self.lines):
            width = self.scrollable_content_region.width
            text = f"  {self.empty}" if not self.lines and not index else ""
            faint = Segment(shorten(text, width), self.palette.style("faint"))
            return Strip([faint]).adjust_cell_length(width, self.palette.style("text"))
        state, line = self.state, self.lines[index]
        line_key = self.line_key(line)
        self._shown[y] = line, line_key
        head = state.viewport.column_of(state.playback.at)
        segments = self._styled(self._draw(line, line_key), head)
        over = self.overlay(line)
        if over:
            segments = _overlaid(segments, over, self.palette)
        return Strip([*self._titled(line), *segments], self.names_width + state.viewport.width)

    def _titled(self, line: Line) -> list[Segment]:
        mark, text, foreground, selected = self.label_of(line)
        text = shorten(text, self.names_width - 3)
        background = "selected" if selected else ""
        padding = " " * (self.names_width - 2 - cell_len(text))
        return [
            Segment(f"{mark:<2}", self.palette.style("head", background)),
            Segment(text + padding, self.palette.style(foreground, background)),
        ]

    def _draw(self, line: Line, line_key: Hashable) -> Sequence[CellSegment]:
        whole = line_key, self.state.viewport, self._common
        if self._cached is not self.state.timeline:
            self._cached = self.state.timeline
            self._cache.clear()
        kept = self._cache.get(line)
        if kept is not None and kept[0] == whole:
            return kept[1]
        if len(self._cache) > 4 * max(50, self.size.height):
            self._cache.clear()
        cell_segments = self.cell_segments(line)
        self._cache[line] = whole, cell_segments
        return cell_segments

    def _styled(self, cell_segments: Sequence[CellSegment], head: int) -> list[Segment]:
        """Return Rich segments, faded after the play head at the column ``head``."""
        segments: list[Segment] = []
        style = self.palette.style
        known: dict[tuple[str, str, bool], Style] = {}
        end = 0
        for text, foreground, background in cell_segments:
            start, end = end, end + len(text)
            if end <= head or start > head:
                # Few styles make many segments.
                key = foreground, background, start > head
                found = known.get(key)
                if found is None:
                    found = known[key] = style(foreground, background, future=key[2])
                segments.append(Segment(text, found))
            else:
                at = head - start
                parts = text[:at], text[at + 1 :]
                if parts[0]:
                    segments.append(Segment(parts[0], style(foreground, background)))
                if at >= 0:
                    segments.append(self._head_on(text[at], style(foreground, background)))
                if parts[1]:
                    segments.append(Segment(parts[1], style(foreground, background, future=True)))
        return segments

    def _head_on(self, char: str, under: Style) -> Segment:
        """Return the play head over one cell, with the color of the cell as background."""
        style = self.palette.style("head")
        solid = char in (self.glyphs.full[1], *self.glyphs.heights[4:])
        back = under.color if solid else under.bgcolor
        if back is not None:
            style = style.from_color(style.color, back)
        return Segment(self.glyphs.head, style)

    def bar_label(self, row: int) -> str:
        """Return the resource name to draw inside a bar; empty if a character is not one cell."""
        timeline = self.state.timeline
        name = shorten(resource_name(timeline, timeline.resource[row]), _LABEL)
        return name if cell_len(name) == len(name) else ""

    # -- the mouse --------------------------------------------------------------------------

    def locate(self, event: events.MouseEvent) -> tuple[Line | None, int | None]:
        """Return the line and the time under the mouse."""
        offset = event.get_content_offset(self)
        if offset is None:
            return None, None
        index = offset.y + self.scroll_offset.y
        column = offset.x - self.names_width
        at = self.state.viewport.time_of(column) if column >= 0 else None
        return (self.lines[index] if index < len(self.lines) else None), at

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self._pressed, self._dragged = event.x, False
        self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._pressed is not None and event.x != self._pressed:
            self.post_message(self.Dragged(self._pressed - event.x))
            self._pressed, self._dragged = event.x, True
        elif self._pressed is None:
            line, at = self.locate(event)
            self.show_tooltip(None if line is None else self.tooltip_for(line, at))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        self.release_mouse()
        pressed, self._pressed = self._pressed, None
        if pressed is not None and not self._dragged:
            line, at = self.locate(event)
            if line is not None:
                self.post_message(self.Clicked(self, line, at))

    def row_at(self, line: Line, at: int) -> int | None:
        """Return the acquisition on a line at a time, if any."""
        return None

    def wait_at(self, line: Line, at: int) -> int | None:
        """Return the wait for something other than a manager on a line at a time, if any."""
        return None

    def stall_at(self, line: Line, at: int) -> int | None:
        """Return the stall of an event loop on a line at a time, if any."""
        return None

    def tooltip_for(self, line: Line, at: int | None) -> str | None:
        """Return the tooltip for a line at a time; ``at`` is ``None`` over the label."""
        return None

    def _on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(event, 1)

    def _on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(event, -1)

    def _wheel(self, event: events.MouseEvent, by: int) -> None:
        """Scroll over the labels, zoom over the timeline."""
        _, at = self.locate(event)
        if at is None or event.ctrl or event.shift:
            self.scroll_relative(y=-3 * by, animate=False, force=True)
        else:
            self.post_message(self.Wheeled(by, at))
        event.stop()
        event.prevent_default()


def _overlaid(
    segments: list[Segment], cells: dict[int, tuple[str, str]], palette: Palette
) -> list[Segment]:
    """Return ``segments`` with the given columns replaced by other glyphs and colors."""
    found: list[Segment] = []
    columns = iter(sorted(cells))
    column = next(columns, None)
    end = 0
    for segment in segments:
        start, end = end, end + len(segment.text)
        text, style = segment.text, segment.style
        while column is not None and column < end:
            before, text = text[: column - start], text[column - start + 1 :]
            if before:
                found.append(Segment(before, style))
            glyph, foreground = cells[column]
            found.append(Segment(glyph, palette.style(foreground)))
            start, column = column + 1, next(columns, None)
        if text:
            found.append(segment if len(text) == len(segment.text) else Segment(text, style))
    return found
