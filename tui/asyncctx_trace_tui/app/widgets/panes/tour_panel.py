"""The strip above the footer that says what is to be seen in the current step of a tour."""

from __future__ import annotations

from collections.abc import Hashable

from rich.style import Style
from rich.text import Text

from asyncctx_trace.model.text import plain
from asyncctx_trace_tui.app.widgets.state_widget import StateWidget
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.state import ViewState
from asyncctx_trace_tui.view.tours.tour import Tour, source_line

__all__ = ["TourPanel"]


class TourPanel(StateWidget):
    """The text of the step, and the line of the program that it is about."""

    DEFAULT_CSS = """
    TourPanel { display: none; height: auto; max-height: 8; padding: 0 1; background: $boost;
                border-top: solid $accent; border-title-color: $foreground; }
    TourPanel.-open { display: block; }
    """

    def __init__(self, state: ViewState, glyphs: Glyphs) -> None:
        super().__init__(id="tour")
        self.state = state
        self.glyphs = glyphs
        self.tour: Tour | None = None

    def open(self, tour: Tour | None) -> None:
        """Show ``tour``, or nothing."""
        self.tour = tour
        self.set_class(tour is not None, "-open")
        self.update_from_state()

    def render_key(self) -> Hashable:
        tour = self.tour
        return tour and (tour.title, tour.index, tour.step.text, tour.step.moment is None)

    def redraw(self) -> None:
        tour = self.tour
        if tour is not None:
            number = f"{tour.index + 1} of {len(tour.steps)}"
            self.border_title = f"{tour.title}: {number} · n next · N previous · Esc close"
        self.refresh(layout=True)

    def render(self) -> Text:
        tour = self.tour
        if tour is None:
            return Text()
        step = tour.step
        text = Text(plain(step.text))
        line = source_line(self.state, step.moment.site) if step.moment else ""
        if line:
            # Only the color: the panel has a background of its own.
            text.append(f"\n{line}", Style(color=self.palette.style("string").color))
        if step.advice:
            text.append(f"\n→ {plain(step.advice)}", "bold")
        if step.moment is None:
            text.append("\nThis has not happened yet.", "italic")
        return text
