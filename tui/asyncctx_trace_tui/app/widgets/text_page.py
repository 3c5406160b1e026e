"""A scrollable page of text lines that may lead to an acquisition or a time."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.names import resource_name, task_name
from asyncctx_trace.model.text import plain, shorten
from asyncctx_trace_tui.app.widgets.state_widget import StateWidget
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.state import ViewState

__all__ = ["TextPage", "Span", "TextLine"]

_LONGEST = 1_000
"""The largest length of a tooltip, in characters."""


class Span(NamedTuple):
    """Text in one style."""

    text: str
    foreground: str = "text"
    background: str = ""


class TextLine(NamedTuple):
    """One line, with the acquisition or wait, and the time, that it leads to, if any."""

    spans: tuple[Span, ...]
    row: int | None = None
    at: int | None = None
    wait: int | None = None

    @classmethod
    def of(
        cls, text: str, foreground: str = "text", *, row: int | None = None, at: int | None = None
    ) -> TextLine:
        """Return a line in one color."""
        return cls((Span(text, foreground),), row, at)


class TextPage(ScrollView, StateWidget, can_focus=True, inherit_bindings=False):
    """A page of :meth:`lines`; Enter or a click goes to the target of a line."""

    DEFAULT_CSS = """
    TextPage { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; padding: 0 1; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "cursor(-1)", "Line up", show=False),
        Binding("down,j", "cursor(1)", "Line down", show=False),
        Binding("pageup", "cursor(-10)", "Ten lines up", show=False),
        Binding("pagedown", "cursor(10)", "Ten lines down", show=False),
        Binding("enter", "go", "Go there"),
    ]

    class GoTo(Message):
        """A line with a target was selected."""

        def __init__(self, row: int | None, at: int | None, wait: int | None = None) -> None:
            self.row = row
            self.at = at
            self.wait = wait
            super().__init__()

    def __init__(self, state: ViewState, glyphs: Glyphs, *, id: str) -> None:
        super().__init__(id=id)
        self.state = state
        self.glyphs = glyphs
        self.cursor = 0
        self._lines: list[TextLine] = []

    def lines(self) -> list[TextLine]:
        """Return the current lines."""
        raise NotImplementedError

    def anchor_line(self) -> int | None:
        """Return the index of a line to keep in view, if any."""
        return None

    def render_key(self) -> Hashable:
        state = self.state
        return (
            state.playback.at,
            state.task,
            state.selected_row,
            state.selected_resource,
            state.wait,
            state.stall,
            len(state.timeline.facts),
            state.now if state.live else None,
            state.answers.revision,
            state.zero,
            self.size,
            self.cursor,
            self.has_focus,
        )

    def redraw(self) -> None:
        self._lines = self.lines()
        self.cursor = self._nearest_target(min(self.cursor, max(0, len(self._lines) - 1)))
        width = self.scrollable_content_region.width
        self.virtual_size = Size(width, len(self._lines))
        anchor = self.anchor_line()
        if anchor is not None:
            height = self.scrollable_content_region.height
            if not self.scroll_y <= anchor < self.scroll_y + height:
                self.scroll_to(y=max(0, anchor - height // 2), animate=False, force=True)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        index = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        style = self.palette.style
        if index >= len(self._lines):
            return Strip.blank(width, style("text"))
        line = self._lines[index]
        here = index == self.cursor and self.has_focus and self._has_target(line)
        highlight = "selected" if here else ""
        segments, left = [], width
        for text, foreground, background in line.spans:
            text = self.fit(text, left)
            left -= cell_len(text)
            segments.append(
                Segment(text, style(foreground, background or ("selected" if here else "")))
            )
        back = line.spans[-1].background if line.spans else ""
        return Strip(segments).adjust_cell_length(width, style("text", back or highlight))

    def fit(self, text: str, width: int) -> str:
        """Return ``text``, truncated to ``width`` cells."""
        return shorten(text, width)

    def _nearest_target(self, index: int) -> int:
        """Return the first line with a target from ``index`` on, else the last one, else 0."""
        targets = [i for i, line in enumerate(self._lines) if self._has_target(line)]
        return next((i for i in targets if i >= index), targets[-1] if targets else 0)

    @staticmethod
    def _has_target(line: TextLine) -> bool:
        return not (line.row is line.at is line.wait is None)

    def action_cursor(self, by: int) -> None:
        """Move the cursor to the next line with a target, or scroll if there is none."""
        if not any(map(self._has_target, self._lines)):
            self.scroll_relative(y=by, animate=False, force=True)
            return
        step = 1 if by > 0 else -1
        for _ in range(abs(by)):
            # Skip lines without a target.
            nearest = self.cursor + step
            while 0 <= nearest < len(self._lines) and not self._has_target(self._lines[nearest]):
                nearest += step
            if 0 <= nearest < len(self._lines):
                self.cursor = nearest
        height = self.scrollable_content_region.height
        if not self.scroll_y <= self.cursor < self.scroll_y + height:
            top = self.cursor if by < 0 else self.cursor - height + 1
            self.scroll_to(y=max(0, top), animate=False, force=True)

    def action_go(self) -> None:
        """Go to the target of the line under the cursor."""
        if self.cursor < len(self._lines):
            line = self._lines[self.cursor]
            if self._has_target(line):
                self.post_message(self.GoTo(line.row, line.at, line.wait))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Show truncated lines and the names of an acquisition in the tooltip."""
        offset = event.get_content_offset(self)
        index = -1 if offset is None else offset.y + self.scroll_offset.y
        self.show_tooltip(
            self._tooltip_for(self._lines[index]) if 0 <= index < len(self._lines) else None
        )

    def _tooltip_for(self, line: TextLine) -> str | None:
        result = []
        text = "".join(piece.text for piece in line.spans).strip()
        if cell_len(text) > self.scrollable_content_region.width:
            result.append(text)
        if line.row is not None:
            result += _full_names(self.state.timeline, line.row)
        return "\n".join(result)[:_LONGEST] or None

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is not None and offset.y + self.scroll_offset.y < len(self._lines):
            self.cursor = offset.y + self.scroll_offset.y
            while self.cursor and not self._has_target(self._lines[self.cursor]):
                self.cursor -= 1  # a wrapped line has the target of its first line
            self.action_go()


def _full_names(timeline: Timeline, row: int) -> list[str]:
    """Return task, resource and site of an acquisition in full, one line each."""
    names = [
        task_name(timeline, timeline.task[row], None),
        resource_name(timeline, timeline.resource[row], None),
    ]
    site = timeline.sites.get(timeline.site[row])
    if site is not None:
        names.append(f"{site.file}:{site.line}")
    return [plain(name) for name in names]
