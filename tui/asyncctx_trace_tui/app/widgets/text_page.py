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

from asyncctx_trace.analysis.words import shorten
from asyncctx_trace_tui.app.widgets.scene_view import SceneView
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.display_names import full_names
from asyncctx_trace_tui.view.state import Scene

__all__ = ["Page", "Piece", "Words"]

_LONGEST = 1_000
"""Characters of a tip."""


class Piece(NamedTuple):
    """Part of a line in one ink."""

    text: str
    ink: str = "text"
    paper: str = ""


class Words(NamedTuple):
    """One line, and the acquisition and time that it leads to, if any."""

    pieces: tuple[Piece, ...]
    row: int | None = None
    at: int | None = None

    @classmethod
    def of(
        cls, text: str, ink: str = "text", *, row: int | None = None, at: int | None = None
    ) -> Words:
        """A line in one ink."""
        return cls((Piece(text, ink),), row, at)


class Page(ScrollView, SceneView, can_focus=True, inherit_bindings=False):
    """Subclasses say their :meth:`words`; Enter or a click goes where a line leads."""

    DEFAULT_CSS = """
    Page { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; padding: 0 1; }
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

    def __init__(self, scene: Scene, glyphs: Glyphs, *, id: str) -> None:
        super().__init__(id=id)
        self.scene = scene
        self.glyphs = glyphs
        self.cursor = 0
        self._words: list[Words] = []

    def words(self) -> list[Words]:
        """The lines as they should be now."""
        raise NotImplementedError

    def kept_in_view(self) -> int | None:
        """The line that must be in view, if one must."""
        return None

    def look(self) -> Hashable:
        scene = self.scene
        return (
            scene.playback.at,
            scene.task,
            scene.selected_row,
            scene.selected_resource,
            len(scene.timeline.facts),
            scene.now if scene.live else None,
            scene.answers.revision,
            self.size,
            self.cursor,
            self.has_focus,
        )

    def redraw(self) -> None:
        self._words = self.words()
        self.cursor = min(self.cursor, max(0, len(self._words) - 1))
        width = self.scrollable_content_region.width
        self.virtual_size = Size(width, len(self._words))
        anchor = self.kept_in_view()
        if anchor is not None:
            height = self.scrollable_content_region.height
            if not self.scroll_y <= anchor < self.scroll_y + height:
                self.scroll_to(y=max(0, anchor - height // 2), animate=False, force=True)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        index = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        style = self.inks.style
        if index >= len(self._words):
            return Strip.blank(width, style("text"))
        words = self._words[index]
        here = index == self.cursor and self.has_focus and self._leads(words)
        segments, left = [], width
        for text, ink, paper in words.pieces:
            text = self.fit(text, left)
            left -= cell_len(text)
            segments.append(Segment(text, style(ink, paper or ("selected" if here else ""))))
        back = words.pieces[-1].paper if words.pieces else ""
        return Strip(segments).adjust_cell_length(
            width, style("text", back or ("selected" if here else ""))
        )

    def fit(self, text: str, width: int) -> str:
        """``text`` in at most ``width`` columns."""
        return shorten(text, width)

    @staticmethod
    def _leads(words: Words) -> bool:
        return words.row is not None or words.at is not None

    def action_cursor(self, by: int) -> None:
        """Move the cursor, or scroll a page whose lines lead nowhere."""
        if not any(map(self._leads, self._words)):
            self.scroll_relative(y=by, animate=False, force=True)
            return
        step = 1 if by > 0 else -1
        for _ in range(abs(by)):
            # From one line that leads somewhere to the next.
            nearest = self.cursor + step
            while 0 <= nearest < len(self._words) and not self._leads(self._words[nearest]):
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
            if self._leads(words):
                self.post_message(self.GoTo(words.row, words.at))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """What is cut, or stands for an acquisition, is told in full in the tip."""
        offset = event.get_content_offset(self)
        index = -1 if offset is None else offset.y + self.scroll_offset.y
        self.tell(self._tip(self._words[index]) if 0 <= index < len(self._words) else None)

    def _tip(self, words: Words) -> str | None:
        told = []
        text = "".join(piece.text for piece in words.pieces).strip()
        if cell_len(text) > self.scrollable_content_region.width:
            told.append(text)
        if words.row is not None:
            told += full_names(self.scene.timeline, words.row)
        return "\n".join(told)[:_LONGEST] or None

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is not None and offset.y + self.scroll_offset.y < len(self._words):
            self.cursor = offset.y + self.scroll_offset.y
            while self.cursor and not self._leads(self._words[self.cursor]):
                self.cursor -= 1  # a line that goes on leads where its beginning does
            self.action_go()
