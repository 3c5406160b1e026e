"""The help: all key bindings, and the legend of glyphs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.style import Style
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from asyncctx_trace_tui.app.widgets.palette import theme_palette
from asyncctx_trace_tui.view.cells.glyphs import STALL_LETTER, Glyphs

__all__ = ["Help", "Section", "shown_keys"]

_KEYS = {
    "comma": ",",
    "full_stop": ".",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "left_curly_bracket": "{",
    "right_curly_bracket": "}",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "plus": "+",
    "minus": "-",
    "equals_sign": "=",
    "apostrophe": "'",
    "slash": "/",
    "ampersand": "&",
    "question_mark": "?",
    "colon": ":",
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
    "shift": "⇧",
}


_SIGNS = {
    "mixed": "several phases in one column",
    "selected": "selected",
    "pinned": "pinned",
    "folded": "folded, with the number of hidden lanes",
    "head": "play head",
}
_KINDS = (
    "t task, g get, p put, j join (of a queue), r receive, s send, e event, c condition, "
    "b barrier, l lock, f future, x thread, i I/O, z sleep"
)
"""Letters of kinds of waits."""
_WIDTHS = [(0, "-narrow"), (110, "-wide")]
Section = tuple[str, list[Binding]]


def shown_keys(binding: Binding) -> str:
    """Return the keys of a binding as printed on keyboards."""
    keys = (key.strip() for key in binding.key.split(","))
    return " ".join("+".join(_KEYS.get(part, part) for part in key.split("+")) for key in keys)


class Help(ModalScreen[None]):
    """A modal page of all key bindings."""

    CSS = """
    Help { align: center middle; }
    Help VerticalScroll { width: 90%; max-width: 132; height: 90%; padding: 1 2;
                          background: $surface; border: round $accent; scrollbar-size-vertical: 1; }
    Help Horizontal { height: auto; }
    Help Vertical { height: auto; }
    Help Static { height: auto; margin-bottom: 1; }
    Help.-narrow Horizontal { layout: vertical; }
    """

    HORIZONTAL_BREAKPOINTS = _WIDTHS

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,space", "dismiss", "Back"),
    ]

    def __init__(self, sections: Iterable[Section], glyphs: Glyphs) -> None:
        super().__init__()
        self._sections = list(sections)
        self._glyphs = glyphs

    def compose(self) -> ComposeResult:
        moving, *others = self._sections
        with VerticalScroll(), Horizontal():
            with Vertical():
                yield Static(self._legend())
                yield Static(self._table(*moving))
            with Vertical():
                for section in others:
                    yield Static(self._table(*section))

    def _legend(self) -> Table:
        style, glyphs = self._style, self._glyphs
        table = self._titled("Legend")
        for glyph, foreground, words in zip(
            glyphs.full,
            ("wait", "hold", "cleanup"),
            ("enter: waits", "body: holds", "exit: cleans up"),
            strict=True,
        ):
            table.add_row(Text(glyph * 4, style(foreground)), Text(words))
        table.add_row(
            Text(glyphs.awaits[0] * 4, style("await")),
            Text(f"waits for something else: {_KINDS}"),
        )
        table.add_row(Text(glyphs.awaits_held * 4, style("hold")), Text("the same while it holds"))
        table.add_row(
            Text(STALL_LETTER + glyphs.awaits_held * 3, style("error")),
            Text("blocks the event loop"),
        )
        for outcome, glyph in glyphs.outcomes.items():
            words = outcome.name.lower().replace("_", " ")
            table.add_row(Text(glyph, style(words.replace(" ", "-"))), Text(words))
        for name, words in _SIGNS.items():
            table.add_row(Text(getattr(glyphs, name), style("head")), Text(words))
        arrow = f"{glyphs.arrow_start[1]}{glyphs.arrow_body}{glyphs.arrow_end[1]}"
        table.add_row(Text(arrow, style("arrow")), Text("from who let in or woke a task"))
        table.add_row(Text(glyphs.alive * 4, style("idle")), Text("alive, neither waits nor holds"))
        table.add_row(Text("faint", style("faint")), Text("after the play head"))
        return table

    def _table(self, title: str, bindings: list[Binding]) -> Table:
        table = self._titled(title)
        for binding in bindings:
            keys = Text(shown_keys(binding), self._style("wait"))
            table.add_row(keys, Text(binding.tooltip or binding.description))
        return table

    def _style(self, foreground: str) -> Style:
        """Return a style with the color ``foreground`` on the background of this page."""
        style = theme_palette(self.app.theme_variables).style(foreground)
        return Style(color=style.color, bold=style.bold)

    def _titled(self, title: str) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False, title_justify="left")
        table.title = Text(title, self._style("head"))
        table.add_column(no_wrap=True)
        table.add_column()
        return table
