"""What every widget that shows the scene has in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

from asyncctx_trace_tui.app.widgets.palette import Inks, inks
from asyncctx_trace_tui.view.cells.glyphs import UNICODE, Glyphs
from asyncctx_trace_tui.view.state import Scene

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["SceneView"]


class SceneView(Widget):
    """Shows a scene, and draws again only what has come to look different."""

    scene: Scene
    glyphs: Glyphs = UNICODE

    def look(self) -> Hashable:
        """A value that differs whenever the widget as a whole would look different."""
        raise NotImplementedError

    def follow_scene(self) -> None:
        """The scene may have changed: called up to 30 times a second while it is on screen."""
        look = self.look(), self.app.theme
        if look != getattr(self, "_drawn", None):
            self._drawn = look
            self.redraw()

    def redraw(self) -> None:
        """Draw again what differs; all of it unless a widget knows better."""
        self.refresh()

    def tell(self, tip: str | None) -> None:
        """What the pointer tells here; a plain string would be read as markup."""
        self.tooltip = None if tip is None else Content(tip)

    @property
    def inks(self) -> Inks:
        """The styles of the current theme."""
        return inks(self.app.theme_variables)
