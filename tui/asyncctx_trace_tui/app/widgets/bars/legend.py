"""The legend: one line that says what the glyphs of the lanes mean."""

from __future__ import annotations

from collections.abc import Hashable

from rich.cells import cell_len
from rich.segment import Segment
from textual.strip import Strip

from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace_tui.app.widgets.state_widget import StateWidget
from asyncctx_trace_tui.view.cells.glyphs import STALL_LETTER, Glyphs
from asyncctx_trace_tui.view.state import ViewState

__all__ = ["Legend"]

_OUTCOMES = {
    Outcome.ERROR: ("error", "error"),
    Outcome.CANCELLED: ("cancelled", "cancelled"),
    Outcome.TIMED_OUT: ("timed-out", "timeout"),
}


class Legend(StateWidget):
    """One line; what does not fit is left out, the least important first."""

    DEFAULT_CSS = """
    Legend { height: 1; display: none; }
    """

    def __init__(self, state: ViewState, glyphs: Glyphs) -> None:
        super().__init__(id="legend")
        self.state = state
        self.glyphs = glyphs

    def render_key(self) -> Hashable:
        return self.size, id(self.glyphs)

    def entries(self) -> list[tuple[str, str, str]]:
        """Return glyphs, their color, and what they mean; the most important first."""
        glyphs = self.glyphs
        waits, holds, cleans = glyphs.full
        return [
            (waits, "wait", "waits"),
            (holds, "hold", "holds"),
            (cleans, "cleanup", "cleans up"),
            (glyphs.awaits[0], "await", "awaits"),
            *((glyphs.outcomes[each], *said) for each, said in _OUTCOMES.items()),
            (glyphs.awaits_held, "hold", "awaits while it holds"),
            (glyphs.arrow_body, "arrow", "lets it in"),
            (STALL_LETTER, "error", "blocks the event loop"),
            (glyphs.alive, "idle", "alive"),
        ]

    def render_line(self, y: int) -> Strip:
        style = self.palette.style
        segments = [Segment(" ", style("text"))]
        free = self.size.width - 1
        for glyph, color, text in self.entries():
            label = f" {text}  "
            free -= cell_len(glyph + label.rstrip())
            if free < 0:
                break
            free -= len(label) - len(label.rstrip())
            segments += [Segment(glyph, style(color)), Segment(label, style("faint"))]
        return Strip(segments).adjust_cell_length(self.size.width, style("text"))
