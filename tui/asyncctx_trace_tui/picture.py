"""What is on the screen of an app, as a picture or as text."""

from __future__ import annotations

import re
from typing import Any

from textual.app import App

__all__ = ["picture", "self_contained", "text"]

_FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}")
_FONTS = "'Fira Code', 'Cascadia Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"


def self_contained(svg: str) -> str:
    """An SVG as Textual makes it, without the fonts that it would fetch from the web."""
    svg = _FONT_FACE.sub("", svg)
    return re.sub(r"font-family: Fira Code[^;]*;", f"font-family: {_FONTS};", svg)


def picture(app: App[Any], title: str | None = None) -> str:
    """The screen as an SVG that needs nothing from outside itself."""
    return self_contained(app.export_screenshot(title=title))


def text(app: App[Any]) -> str:
    """The screen as lines of plain text."""
    strips = app.screen._compositor.render_strips()
    return "".join(strip.text.rstrip() + "\n" for strip in strips)
