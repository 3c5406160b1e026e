"""The view of the program's output, synchronized with the play head."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Hashable
from operator import attrgetter
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from asyncctx_trace.model.text import plain, shorten
from asyncctx_trace_tui.app.widgets.state_widget import StateWidget
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.state import ViewState

__all__ = ["Output"]

_ESCAPES = re.compile(r"\x1b\[[0-9;:?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
"""Escape sequences for colors, cursor moves and titles."""
_BEFORE = 13
"""Cells before the text of a line."""
_LONGEST = 2_000
"""The largest length of a tooltip, in characters."""


class Output(ScrollView, StateWidget, can_focus=True, inherit_bindings=False):
    """The lines with their times; those after the play head are faint."""

    DEFAULT_CSS = """
    Output { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1;
             border-top: solid $foreground 20%; border-title-color: $foreground 60%; }
    Output:focus { border-top: solid $accent; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Previous line", show=False),
        Binding("down,j", "move(1)", "Next line", show=False),
        Binding("pageup", "move(-10)", "Ten lines up", show=False),
        Binding("pagedown", "move(10)", "Ten lines down", show=False),
    ]

    class Chosen(Message):
        """A line was selected: move the play head to its time."""

        def __init__(self, at: int) -> None:
            self.at = at
            super().__init__()

    def __init__(self, state: ViewState, glyphs: Glyphs, *, id: str = "output") -> None:
        super().__init__(id=id)
        self.state = state
        self.glyphs = glyphs
        self.border_title = "Output"

    @property
    def reached(self) -> int:
        """The number of lines printed up to the play head."""
        return bisect_right(
            self.state.timeline.printed, self.state.playback.at, key=attrgetter("at")
        )

    def render_key(self) -> Hashable:
        return self.reached, len(self.state.timeline.printed), self.size, self.state.zero

    def redraw(self) -> None:
        printed = self.state.timeline.printed
        self.virtual_size = Size(self.scrollable_content_region.width, len(printed))
        height = self.scrollable_content_region.height
        top = round(self.scroll_y)
        reached = self.reached
        if not top < reached <= top + height:
            self.scroll_to(y=max(0, reached - height), animate=False, force=True)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        index = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        printed = self.state.timeline.printed
        blank = self.palette.style("text")
        if index >= len(printed):
            text = ""
            if y == 0 and not printed:
                text = f" {self._empty()}"
            return Strip([Segment(text, self.palette.style("faint"))]).adjust_cell_length(
                width, blank
            )
        line, reached = printed[index], self.reached
        time = self.state.clock(line.at).rjust(9)
        errors = line.stream == "stderr"
        text = shorten(_plain_text(line.text), max(1, width - cell_len(time) - 4))
        current = index == reached - 1
        future = index >= reached
        background = "selected" if current else ""
        mark = self.glyphs.selected if current else " "
        style = self.palette.style
        return Strip(
            [
                Segment(mark, style("head", background)),
                Segment(time, style("faint", background, future=future)),
                Segment(" ! " if errors else "   ", style("error", background, future=future)),
                Segment(text, style("text", background, future=future)),
            ]
        ).adjust_cell_length(width, style("text", background))

    def _empty(self) -> str:
        """Return why there is no output."""
        if self.state.live:
            return "nothing printed so far"
        return "no output was recorded; --headless leaves it on the terminal"

    def action_move(self, by: int) -> None:
        """Move the play head to the line ``by`` further down."""
        printed = self.state.timeline.printed
        if printed:
            index = min(max(self.reached - 1 + by, 0), len(printed) - 1)
            self.post_message(self.Chosen(printed[index].at))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Show a truncated line in full in the tooltip."""
        offset = event.get_content_offset(self)
        printed = self.state.timeline.printed
        index = -1 if offset is None else offset.y + self.scroll_offset.y
        text = _plain_text(printed[index].text) if 0 <= index < len(printed) else ""
        cut = cell_len(text) > self.scrollable_content_region.width - _BEFORE
        self.show_tooltip(plain(text)[:_LONGEST] if cut else None)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        printed = self.state.timeline.printed
        if offset is not None and offset.y + self.scroll_offset.y < len(printed):
            self.post_message(self.Chosen(printed[offset.y + self.scroll_offset.y].at))


def _plain_text(text: str) -> str:
    return _ESCAPES.sub("", text).expandtabs()
