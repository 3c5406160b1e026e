"""The screen of an app as an SVG picture or as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Any

from rich.color import Color
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from textual.app import App
from textual.color import Color as ScreenColor

__all__ = ["picture", "self_contained", "text"]

_FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}")
_FONTS = "'Fira Code', 'Cascadia Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_SOLID = re.compile("(█+)")


def self_contained(svg: str) -> str:
    """Return an SVG of Rich without the fonts that it would load from the web."""
    svg = _FONT_FACE.sub("", svg)
    return re.sub(r"font-family: Fira Code[^;]*;", f"font-family: {_FONTS};", svg)


def picture(app: App[Any], title: str | None = None) -> str:
    """Return the screen as a self-contained SVG, reproducible for the same screen."""
    width, height = app.size
    console = Console(
        width=width,
        height=height,
        file=StringIO(),
        force_terminal=True,
        color_system="truecolor",
        record=True,
        legacy_windows=False,
        safe_box=False,
    )
    # Textual and Rich have no public way to draw a screen on another console.
    compositor, below = app.screen._compositor, app._background_screens  # noqa: SLF001 - see above
    shown = compositor.render_update(full=True, screen_stack=below)
    assert shown is not None  # because of full=True
    console._record_buffer += _seamless(console.render(shown))  # noqa: SLF001 - see above
    svg = console.export_svg(
        title=title or app.title, theme=_frame(app.theme_variables), unique_id="screen"
    )
    return self_contained(svg)


def text(app: App[Any]) -> str:
    """Return the screen as lines of plain text."""
    strips = app.screen._compositor.render_strips()  # noqa: SLF001 - the only way
    return "".join(strip.text.rstrip() + "\n" for strip in strips)


def _seamless(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Replace solid blocks by a background color: fonts leave gaps between the lines."""
    for segment in segments:
        if segment.control or segment.style is None or "█" not in segment.text:
            yield segment
            continue
        background = Style.from_color(None, segment.style.color)
        for part in _SOLID.split(segment.text):
            if part.startswith("█"):
                yield Segment(" " * len(part), background)
            elif part:
                yield Segment(part, segment.style)


def _frame(colours: dict[str, str]) -> TerminalTheme:
    """Return the window around the screen, in the colors of the theme."""

    def parts(name: str) -> tuple[int, int, int]:
        return ScreenColor.parse(colours[name]).rgb

    ansi = [Color.from_ansi(number).get_truecolor() for number in range(16)]
    plain = [(each.red, each.green, each.blue) for each in ansi]
    return TerminalTheme(parts("panel"), parts("foreground"), plain[:8], plain[8:])
