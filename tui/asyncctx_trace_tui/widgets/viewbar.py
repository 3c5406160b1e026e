"""The names of the views, each with its key."""

from __future__ import annotations

from collections.abc import Hashable

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from asyncctx_trace_tui.drawing import Glyphs
from asyncctx_trace_tui.scene import Scene
from asyncctx_trace_tui.widgets.view import SceneView

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
        """What limits or changes the lanes, on the right."""
        ordering = self.scene.ordering
        notes = []
        if ordering.expression:
            shown, all = len(self.scene.lanes), len(self.scene.tracks.lanes)
            notes.append(f"filter {ordering.expression} ({shown} of {all})")
        if ordering.sort != "first seen":
            notes.append(f"by {ordering.sort}")
        return " · ".join(notes)

    def render_line(self, y: int) -> Strip:
        segments = []
        for number, view in enumerate(VIEWS, 1):
            shown = view == self.view
            key, name = ("head", "head") if shown else ("faint", "text")
            paper = "selected" if shown else ""
            segments += [
                Segment(f" {number}", self.inks.style(key, paper)),
                Segment(f" {view.capitalize()}", self.inks.style(name, paper)),
            ]
        used = sum(len(segment.text) for segment in segments)
        notes = self._notes()[: max(0, self.size.width - used - 2)]
        segments.append(Segment(notes.rjust(self.size.width - used), self.inks.style("wait")))
        return Strip(segments).adjust_cell_length(self.size.width, self.inks.style("text"))

    def on_click(self, event: events.Click) -> None:
        column = event.x
        for view in VIEWS:
            column -= len(view) + 3
            if column < 0:
                self.post_message(self.Chosen(view))
                return
