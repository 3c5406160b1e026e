"""The bar of view names with their keys."""

from __future__ import annotations

from collections.abc import Hashable

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from asyncctx_trace.model.text import shorten
from asyncctx_trace_tui.app.widgets.state_widget import StateWidget
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.state import ViewState

__all__ = ["VIEWS", "ViewBar"]

VIEWS = (
    "overview",
    "tasks",
    "resources",
    "waits",
    "cleanup",
    "source",
    "findings",
    "output",
    "details",
)
"""The views, in the order of their keys 0 to 8."""
_ANSWERS = {"overview", "resources", "waits", "cleanup", "findings"}
"""Views that show answers of analysis."""


class ViewBar(StateWidget):
    """One line; the current view is highlighted, a click selects another."""

    DEFAULT_CSS = """
    ViewBar { height: 1; }
    """

    view: reactive[str] = reactive(VIEWS[0])

    class Chosen(Message):
        """A view was clicked."""

        def __init__(self, view: str) -> None:
            self.view = view
            super().__init__()

    def __init__(self, state: ViewState, glyphs: Glyphs) -> None:
        super().__init__(id="views")
        self.state = state
        self.glyphs = glyphs

    def render_key(self) -> Hashable:
        return self.view, self.size.width, self._notes()

    def _notes(self) -> str:
        """Return the notes on the right: age of the answers, filter, sort key."""
        state = self.state
        lane_order = state.lane_order
        notes = []
        if self.view in _ANSWERS and state.answers.as_of is not None:
            notes.append(f"as of {state.clock(state.answers.as_of, 10**8)}")
        if lane_order.expression:
            shown, all = state.arrangement.tasks, len(state.tracks.lanes)
            notes.append(f"filter {lane_order.expression} ({shown} of {all})")
        if lane_order.sort != "first seen":
            notes.append(f"by {lane_order.sort}")
        return " · ".join(notes)

    def _tabs(self) -> list[tuple[str, str]]:
        """Return key and name of each view.

        Where they do not fit beside the notes, names are left out from the right, but not that of
        the current view.
        """
        tabs = {view: (f" {number}", f" {view.capitalize()}") for number, view in enumerate(VIEWS)}
        free = self.size.width - len(self._notes()) - 2
        for view in reversed(VIEWS):
            if sum(len(number + name) for number, name in tabs.values()) <= free:
                break
            if view != self.view:
                tabs[view] = tabs[view][0], ""
        return list(tabs.values())

    def render_line(self, y: int) -> Strip:
        segments = []
        for view, (number, name) in zip(VIEWS, self._tabs(), strict=True):
            shown = view == self.view
            key, foreground = ("head", "head") if shown else ("faint", "text")
            background = "selected" if shown else ""
            segments += [
                Segment(number, self.palette.style(key, background)),
                Segment(name, self.palette.style(foreground, background)),
            ]
        used = sum(len(segment.text) for segment in segments)
        notes = shorten(self._notes(), max(0, self.size.width - used - 2))
        style = self.palette.style
        segments.append(Segment(notes.rjust(self.size.width - used - 1), style("wait")))
        return Strip(segments).adjust_cell_length(self.size.width, style("text"))

    def on_click(self, event: events.Click) -> None:
        column = event.x
        for view, (number, name) in zip(VIEWS, self._tabs(), strict=True):
            column -= len(number + name)
            if column < 0:
                self.post_message(self.Chosen(view))
                return
