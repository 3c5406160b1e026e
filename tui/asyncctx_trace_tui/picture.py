"""Makes a picture of the terminal one that needs nothing from outside itself."""

from __future__ import annotations

import re

__all__ = ["self_contained"]

_FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}")
_FONTS = "'Fira Code', 'Cascadia Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"


def self_contained(svg: str) -> str:
    """An SVG as Textual makes it, without the fonts that it would fetch from the web."""
    svg = _FONT_FACE.sub("", svg)
    return re.sub(r"font-family: Fira Code[^;]*;", f"font-family: {_FONTS};", svg)
