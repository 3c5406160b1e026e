"""The base class of widgets that show the view state."""

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
    """A widget that shows the view state, and is redrawn only if its render key changes."""

    state: ViewState
    glyphs: Glyphs = UNICODE
    _palette_of: tuple[object, Palette] | None = None
    """The variables of a theme, and their palette."""

    def render_key(self) -> Hashable:
        """Return a value that changes whenever the widget would look different."""
        raise NotImplementedError

    def update_from_state(self) -> None:
        """Redraw if the state has changed: called 30 times per second while visible."""
        render_key = self.render_key(), self.app.theme
        if render_key != getattr(self, "_drawn", None):
            self._drawn = render_key
            self.redraw()

    def redraw(self) -> None:
        """Redraw the widget; subclasses may redraw only parts."""
        self.refresh()

    def show_tooltip(self, tooltip_for: str | None) -> None:
        """Set the tooltip, as text and not as markup."""
        self.tooltip = None if tooltip_for is None else Content(tooltip_for)

    @property
    def palette(self) -> Palette:
        """The palette of the current theme."""
        variables = self.app.theme_variables  # a new object for each theme
        known = self._palette_of
        if known is None or known[0] is not variables:
            known = self._palette_of = variables, theme_palette(variables)
        return known[1]
