"""All keys, and what the glyphs mean."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from asyncctx_trace_tui.drawing import Glyphs
from asyncctx_trace_tui.widgets.inks import inks

__all__ = ["Help"]

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
}


class Help(ModalScreen[None]):
    """A page over the screen; any of its keys leaves it."""

    CSS = """
    Help { align: center middle; }
    Help VerticalScroll { width: 90%; max-width: 110; height: 90%; padding: 1 2;
                          background: $surface; border: round $accent; }
    Help Static { height: auto; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,space", "dismiss", "Back"),
    ]

    def __init__(self, bindings: Iterable[Binding], glyphs: Glyphs) -> None:
        super().__init__()
        self._keys = list(bindings)
        self._glyphs = glyphs

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(self._legend())
            yield Static(self._table())

    def _legend(self) -> Text:
        style, glyphs = inks(self.app.theme_variables).style, self._glyphs
        text = Text()
        for glyph, ink, words in zip(
            glyphs.full,
            ("wait", "hold", "cleanup"),
            ("enter: waits", "body: holds", "exit: cleans up"),
            strict=True,
        ):
            text.append(glyph * 4, style(ink))
            text.append(f" {words}   ")
        for outcome, glyph in glyphs.outcomes.items():
            words = outcome.name.lower().replace("_", " ")
            text.append(glyph, style(words.replace(" ", "-")))
            text.append(f" {words}   ")
        text.append(glyphs.alive * 2 + " lives, outside any\n")
        text.append("What lies after the play head is faint.\n")
        return text

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column()
        for binding in self._keys:
            keys = " ".join(_KEYS.get(key.strip(), key.strip()) for key in binding.key.split(","))
            table.add_row(Text(keys), Text(binding.tooltip or binding.description))
        return table
