"""The strip above the footer that describes the problem at the play head."""

from __future__ import annotations

from collections.abc import Hashable

from rich.text import Text

from asyncctx_trace.model.text import plain
from asyncctx_trace_tui.app.widgets.state_widget import StateWidget
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.state import ViewState

__all__ = ["ProblemPanel"]


class ProblemPanel(StateWidget):
    """The problem that the play head was moved to, with its number.

    A notification would lie over the lane that shows it.
    """

    DEFAULT_CSS = """
    ProblemPanel { display: none; height: auto; max-height: 4; padding: 0 1; background: $boost; }
    """

    def __init__(self, state: ViewState, glyphs: Glyphs) -> None:
        super().__init__(id="problem")
        self.state = state
        self.glyphs = glyphs

    def render_key(self) -> Hashable:
        return self.state.problem_text

    def redraw(self) -> None:
        self.refresh(layout=True)

    def render(self) -> Text:
        number, _, description = plain(self.state.problem_text).partition(": ")
        return Text.assemble((f"{number}: ", "bold"), description)
