"""The names of the views, each with its key."""

from __future__ import annotations

from collections.abc import Hashable

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from asyncctx_trace.analysis.words import shorten
from asyncctx_trace_tui.app.widgets.scene_view import SceneView
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.state import Scene
from asyncctx_trace_tui.view.time_axis import clock

__all__ = ["VIEWS", "ViewBar"]

VIEWS = (
    "tasks",
    "resources",
    "waits",
    "cleanup",
    "source",
    "findings",
    "output",
    "details",
)
"""The views in the order of their keys, from 1 on."""
_ANSWERS = {"resources", "waits", "cleanup", "findings"}
"""Those that show what analysis has found."""


class ViewBar(SceneView):
    """One line; the view on screen stands out, a click chooses another."""

    DEFAULT_CSS = """
    ViewBar { height: 1; }
    """

    view: reactive[str] = reactive(VIEWS[0])

    class Chosen(Message):
        """A view was clicked."""

        def __init__(self, view: str) -> None:
            self.view = view
            super().__init__()

    def __init__(self, scene: Scene, glyphs: Glyphs) -> None:
        super().__init__(id="views")
        self.scene = scene
        self.glyphs = glyphs

    def look(self) -> Hashable:
        return self.view, self.size.width, self._notes()

    def _notes(self) -> str:
        """What limits or changes the lanes, and how old the answers are, on the right."""
        scene = self.scene
        ordering = scene.ordering
        notes = []
        if self.view in _ANSWERS and scene.answers.as_of is not None:
            notes.append(f"as of {clock(scene.answers.as_of - scene.origin, 10**8)}")
        if ordering.expression:
            shown, all = len(scene.lanes), len(scene.tracks.lanes)
            notes.append(f"filter {ordering.expression} ({shown} of {all})")
        if ordering.sort != "first seen":
            notes.append(f"by {ordering.sort}")
        return " · ".join(notes)

    def _tabs(self) -> list[tuple[str, str]]:
        """Number and name of each view; where notes need the room, names give way."""
        tabs = [(f" {number}", f" {view.capitalize()}") for number, view in enumerate(VIEWS, 1)]
        room = self.size.width - len(self._notes()) - 2
        if sum(len(number + name) for number, name in tabs) > room:
            shown = VIEWS.index(self.view)
            tabs = [(number, name if i == shown else "") for i, (number, name) in enumerate(tabs)]
        return tabs

    def render_line(self, y: int) -> Strip:
        segments = []
        for view, (number, name) in zip(VIEWS, self._tabs(), strict=True):
            shown = view == self.view
            key, ink = ("head", "head") if shown else ("faint", "text")
            paper = "selected" if shown else ""
            segments += [
                Segment(number, self.inks.style(key, paper)),
                Segment(name, self.inks.style(ink, paper)),
            ]
        used = sum(len(segment.text) for segment in segments)
        notes = shorten(self._notes(), max(0, self.size.width - used - 2))
        style = self.inks.style
        segments.append(Segment(notes.rjust(self.size.width - used - 1), style("wait")))
        return Strip(segments).adjust_cell_length(self.size.width, style("text"))

    def on_click(self, event: events.Click) -> None:
        column = event.x
        for view, (number, name) in zip(VIEWS, self._tabs(), strict=True):
            column -= len(number + name)
            if column < 0:
                self.post_message(self.Chosen(view))
                return
