"""A page of lines about the play head, scrolled where it is longer than the screen."""

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

from asyncctx_trace.model.text import shorten
from asyncctx_trace_tui.app.widgets.state_widget import StateWidget
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.display_names import full_names
from asyncctx_trace_tui.view.state import ViewState

__all__ = ["TextPage", "Span", "TextLine"]

_LONGEST = 1_000
"""Characters of a tip."""


class Span(NamedTuple):
    """Part of a line in one ink."""

    text: str
    foreground: str = "text"
    background: str = ""


class TextLine(NamedTuple):
    """One line, and the acquisition and time that it leads to, if any."""

    spans: tuple[Span, ...]
    row: int | None = None
    at: int | None = None

    @classmethod
    def of(
        cls, text: str, foreground: str = "text", *, row: int | None = None, at: int | None = None
    ) -> TextLine:
        """A line in one ink."""
        return cls((Span(text, foreground),), row, at)


class TextPage(ScrollView, StateWidget, can_focus=True, inherit_bindings=False):
    """Subclasses say their :meth:`words`; Enter or a click goes where a line leads."""

    DEFAULT_CSS = """
    TextPage { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; padding: 0 1; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "cursor(-1)", "Line up", show=False),
        Binding("down,j", "cursor(1)", "Line down", show=False),
        Binding("pageup", "cursor(-10)", "Ten lines up", show=False),
        Binding("pagedown", "cursor(10)", "Ten lines down", show=False),
        Binding("enter", "go", "Go there", show=False),
    ]

    class GoTo(Message):
        """A line was chosen that leads to an acquisition or a time."""

        def __init__(self, row: int | None, at: int | None) -> None:
            self.row = row
            self.at = at
            super().__init__()

    def __init__(self, state: ViewState, glyphs: Glyphs, *, id: str) -> None:
        super().__init__(id=id)
        self.state = state
        self.glyphs = glyphs
        self.cursor = 0
        self._words: list[TextLine] = []

    def words(self) -> list[TextLine]:
        """The lines as they should be now."""
        raise NotImplementedError

    def anchor_line(self) -> int | None:
        """The line that must be in view, if one must."""
        return None

    def render_key(self) -> Hashable:
        state = self.state
        return (
            state.playback.at,
            state.task,
            state.selected_row,
            state.selected_resource,
            len(state.timeline.facts),
            state.now if state.live else None,
            state.answers.revision,
            self.size,
            self.cursor,
            self.has_focus,
        )

    def redraw(self) -> None:
        self._words = self.words()
        self.cursor = min(self.cursor, max(0, len(self._words) - 1))
        width = self.scrollable_content_region.width
        self.virtual_size = Size(width, len(self._words))
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
        if index >= len(self._words):
            return Strip.blank(width, style("text"))
        words = self._words[index]
        here = index == self.cursor and self.has_focus and self._leads_somewhere(words)
        highlight = "selected" if here else ""
        segments, left = [], width
        for text, foreground, background in words.spans:
            text = self.fit(text, left)
            left -= cell_len(text)
            segments.append(
                Segment(text, style(foreground, background or ("selected" if here else "")))
            )
        back = words.spans[-1].background if words.spans else ""
        return Strip(segments).adjust_cell_length(width, style("text", back or highlight))

    def fit(self, text: str, width: int) -> str:
        """``text`` in at most ``width`` columns."""
        return shorten(text, width)

    @staticmethod
    def _leads_somewhere(words: TextLine) -> bool:
        return words.row is not None or words.at is not None

    def action_cursor(self, by: int) -> None:
        """Move the cursor, or scroll a page whose lines lead nowhere."""
        if not any(map(self._leads_somewhere, self._words)):
            self.scroll_relative(y=by, animate=False, force=True)
            return
        step = 1 if by > 0 else -1
        for _ in range(abs(by)):
            # From one line that leads somewhere to the next.
            nearest = self.cursor + step
            while 0 <= nearest < len(self._words) and not self._leads_somewhere(
                self._words[nearest]
            ):
                nearest += step
            if 0 <= nearest < len(self._words):
                self.cursor = nearest
        height = self.scrollable_content_region.height
        if not self.scroll_y <= self.cursor < self.scroll_y + height:
            top = self.cursor if by < 0 else self.cursor - height + 1
            self.scroll_to(y=max(0, top), animate=False, force=True)

    def action_go(self) -> None:
        """Go where the line under the cursor leads."""
        if self.cursor < len(self._words):
            words = self._words[self.cursor]
            if self._leads_somewhere(words):
                self.post_message(self.GoTo(words.row, words.at))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """What is cut, or stands for an acquisition, is told in full in the tip."""
        offset = event.get_content_offset(self)
        index = -1 if offset is None else offset.y + self.scroll_offset.y
        self.show_tooltip(
            self._tooltip_for(self._words[index]) if 0 <= index < len(self._words) else None
        )

    def _tooltip_for(self, words: TextLine) -> str | None:
        result = []
        text = "".join(piece.text for piece in words.spans).strip()
        if cell_len(text) > self.scrollable_content_region.width:
            result.append(text)
        if words.row is not None:
            result += full_names(self.state.timeline, words.row)
        return "\n".join(result)[:_LONGEST] or None

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is not None and offset.y + self.scroll_offset.y < len(self._words):
            self.cursor = offset.y + self.scroll_offset.y
            while self.cursor and not self._leads_somewhere(self._words[self.cursor]):
                self.cursor -= 1  # a line that goes on leads where its beginning does
            self.action_go()
