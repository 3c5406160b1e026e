"""What every widget that shows the scene has in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

from asyncctx_trace_tui.app.widgets.palette import Palette, theme_palette
from asyncctx_trace_tui.view.cells.glyphs import UNICODE, Glyphs
from asyncctx_trace_tui.view.state import ViewState

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["StateWidget"]


class StateWidget(Widget):
    """Shows a scene, and draws again only what has come to look different."""

    state: ViewState
    glyphs: Glyphs = UNICODE

    def render_key(self) -> Hashable:
        """A value that differs whenever the widget as a whole would look different."""
        raise NotImplementedError

    def update_from_state(self) -> None:
        """The scene may have changed: called up to 30 times a second while it is on screen."""
        render_key = self.render_key(), self.app.theme
        if render_key != getattr(self, "_drawn", None):
            self._drawn = render_key
            self.redraw()

    def redraw(self) -> None:
        """Draw again what differs; all of it unless a widget knows better."""
        self.refresh()

    def show_tooltip(self, tooltip_for: str | None) -> None:
        """What the pointer tells here; a plain string would be read as markup."""
        self.tooltip = None if tooltip_for is None else Content(tooltip_for)

    @property
    def palette(self) -> Palette:
        """The styles of the current theme."""
        return theme_palette(self.app.theme_variables)
