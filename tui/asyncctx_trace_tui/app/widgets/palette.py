"""The styles of everything drawn on a timeline, taken from the theme's variables."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from rich.style import Style
from textual.color import Color

__all__ = ["DEFAULTS", "TASK_COLOURS", "Inks", "inks", "task_ink"]

DEFAULTS = {
    "wait": "#f2b134",
    "hold": "#2fb8a6",
    "cleanup": "#b48ef2",
    "problem": "#ff6b6b",
    "head": "#f4f4f5",
}
"""Theme variable -> colour, for themes that do not say."""

TASK_COLOURS = (
    "#56b4e9",
    "#e69f00",
    "#3fbf8f",
    "#f0e442",
    "#cc79a7",
    "#d55e00",
    "#8c9eff",
    "#b0bec5",
)
"""One after the other for the tasks in order: Okabe and Ito's, then two more."""

_FADED = 0.55
"""How far what lies after the play head is blended into the background."""


class Inks:
    """Styles by ink and paper, for what the play head has passed and for what is to come."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        colour = {name: Color.parse(variables.get(name, DEFAULTS[name])) for name in DEFAULTS}
        self.background = Color.parse(variables["background"])
        foreground = Color.parse(variables["foreground"])
        self.foreground = foreground
        faint = self.background.blend(foreground, 0.28)
        self._colours: dict[str, Color] = {
            "": self.background,
            "idle": faint,
            "wait": colour["wait"],
            "wait-back": self.background.blend(colour["wait"], 0.4),
            "hold": colour["hold"],
            "hold-within": self.background.blend(colour["hold"], 0.78),
            "cleanup": colour["cleanup"],
            "cleanup-back": self.background.blend(colour["cleanup"], 0.35),
            "error": colour["problem"],
            "cancelled": colour["problem"].blend(foreground, 0.45),
            "timed-out": colour["wait"].blend(colour["problem"], 0.5),
            "name": self.background,
            "mark": self.background,
            "faint": self.background.blend(foreground, 0.5),
            "text": foreground,
            "keyword": Color.parse(variables.get("secondary", "#5b8def")).blend(foreground, 0.25),
            "string": colour["hold"].blend(foreground, 0.4),
            "comment": self.background.blend(foreground, 0.5),
            "head": colour["head"],
            "arrow": foreground,
            "selected": self.background.blend(foreground, 0.12),
            **{f"task{n}": self._readable(each) for n, each in enumerate(TASK_COLOURS)},
        }
        self._bold = {"error", "cancelled", "timed-out", "head", "arrow"}
        self._styles: dict[tuple[str, str, bool], Style] = {}

    def _readable(self, colour: str) -> Color:
        """On paper as light as these colours, they are too light themselves."""
        parsed = Color.parse(colour)
        light = self.background.brightness > 0.5
        return parsed.blend(self.foreground, 0.35) if light else parsed

    def style(self, ink: str, paper: str = "", *, future: bool = False) -> Style:
        """The style of ``ink`` on ``paper``; ``future``: it lies after the play head."""
        key = ink, paper, future
        found = self._styles.get(key)
        if found is None:
            front, back = self._colours[ink], self._colours[paper]
            if future:
                front = front.blend(self.background, _FADED)
                back = back.blend(self.background, _FADED)
            found = self._styles[key] = Style(
                color=front.rich_color, bgcolor=back.rich_color, bold=ink in self._bold
            )
        return found


@lru_cache(maxsize=8)
def _inks(variables: tuple[tuple[str, str], ...]) -> Inks:
    return Inks(dict(variables))


def inks(variables: Mapping[str, str]) -> Inks:
    """The inks for a theme's variables; the same object as long as they are the same."""
    names = ("background", "foreground", *DEFAULTS)
    return _inks(tuple((name, variables[name]) for name in names if name in variables))


def task_ink(order: int) -> str:
    """The ink of the task that is number ``order`` from the top."""
    return f"task{order % len(TASK_COLOURS)}"
