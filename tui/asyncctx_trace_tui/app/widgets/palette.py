"""The colors and styles of everything drawn on a timeline, from the theme's variables."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from rich.style import Style
from textual.color import Color

__all__ = ["DEFAULTS", "TASK_COLORS", "Palette", "theme_palette", "task_color"]

DEFAULTS = {
    "wait": "#f2b134",
    "hold": "#2fb8a6",
    "cleanup": "#b48ef2",
    "problem": "#ff6b6b",
    "head": "#f4f4f5",
}
"""Theme variable -> color, for themes that do not define it."""

TASK_COLORS = (
    "#56b4e9",
    "#e69f00",
    "#3fbf8f",
    "#f0e442",
    "#cc79a7",
    "#d55e00",
    "#8c9eff",
    "#b0bec5",
)
"""The colors of tasks, in order: those of Okabe and Ito, then two more."""

_FADED = 0.55
"""How much of the background is blended into what lies after the play head."""


class Palette:
    """Styles by foreground and background color, before and after the play head."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        color = {name: Color.parse(variables.get(name, DEFAULTS[name])) for name in DEFAULTS}
        self.background = Color.parse(variables["background"])
        foreground = Color.parse(variables["foreground"])
        self.foreground = foreground
        faint = self.background.blend(foreground, 0.28)
        self._colors: dict[str, Color] = {
            "": self.background,
            "idle": faint,
            "wait": color["wait"],
            "wait-back": self.background.blend(color["wait"], 0.4),
            "hold": color["hold"],
            "hold-within": self.background.blend(color["hold"], 0.78),
            "cleanup": color["cleanup"],
            "cleanup-back": self.background.blend(color["cleanup"], 0.35),
            "error": color["problem"],
            "cancelled": color["problem"].blend(foreground, 0.45),
            "timed-out": color["wait"].blend(color["problem"], 0.5),
            "await": Color.parse(variables.get("secondary", "#5b8def")).blend(foreground, 0.25),
            "name": self.background,
            "mark": self.background,
            "faint": self.background.blend(foreground, 0.5),
            "text": foreground,
            "keyword": Color.parse(variables.get("secondary", "#5b8def")).blend(foreground, 0.25),
            "string": color["hold"].blend(foreground, 0.4),
            "comment": self.background.blend(foreground, 0.5),
            "head": color["head"],
            "arrow": foreground,
            "selected": self.background.blend(foreground, 0.12),
            **{f"task{n}": self._readable(each) for n, each in enumerate(TASK_COLORS)},
        }
        self._bold = {"error", "cancelled", "timed-out", "head", "arrow"}
        self._styles: dict[tuple[str, str, bool], Style] = {}

    def _readable(self, color: str) -> Color:
        """Darken ``color`` on a light background."""
        parsed = Color.parse(color)
        light = self.background.brightness > 0.5
        return parsed.blend(self.foreground, 0.35) if light else parsed

    def style(self, foreground: str, background: str = "", *, future: bool = False) -> Style:
        """Return the style for two color names; ``future`` fades what lies after the play head."""
        key = foreground, background, future
        found = self._styles.get(key)
        if found is None:
            front, back = self._colors[foreground], self._colors[background]
            if future:
                front = front.blend(self.background, _FADED)
                back = back.blend(self.background, _FADED)
            found = self._styles[key] = Style(
                color=front.rich_color, bgcolor=back.rich_color, bold=foreground in self._bold
            )
        return found


@lru_cache(maxsize=8)
def _cached_palette(variables: tuple[tuple[str, str], ...]) -> Palette:
    return Palette(dict(variables))


def theme_palette(variables: Mapping[str, str]) -> Palette:
    """Return the palette for a theme's variables: the same object for the same variables."""
    names = ("background", "foreground", *DEFAULTS)
    return _cached_palette(tuple((name, variables[name]) for name in names if name in variables))


def task_color(order: int) -> str:
    """Return the color name of the task that is number ``order`` from the top."""
    return f"task{order % len(TASK_COLORS)}"
