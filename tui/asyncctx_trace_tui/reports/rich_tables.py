"""Rich tables drawn to a string, for a terminal or for a file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from io import StringIO
from typing import TextIO

from rich.console import Console, RenderableType
from rich.table import Table

__all__ = ["draw", "screen_width", "table", "wants_color"]

_NARROW, _USUAL = 40, 100


def screen_width(out: TextIO | None = None) -> int:
    """Columns to draw in: ``COLUMNS``, else the width of the terminal ``out``, else 100."""
    try:
        columns = int(os.environ["COLUMNS"])
    except (KeyError, ValueError):
        columns = 0
    if columns <= 0 and out is not None:
        try:
            columns = os.get_terminal_size(out.fileno()).columns
        except (OSError, ValueError):  # not a terminal, or not a file at all
            columns = 0
    return max(_NARROW, columns) if columns > 0 else _USUAL


def wants_color(out: TextIO) -> bool:
    """Whether to colour what is written to ``out``: a terminal, or ``FORCE_COLOR`` is set."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or out.isatty()


def table(*columns: str, numbers: Iterable[str] = ()) -> Table:
    """An empty table; the columns in ``numbers`` are flush right and give no room away."""
    right = set(numbers)
    drawn = Table(box=None, padding=(0, 0, 0, 2), header_style="dim")
    for column in columns:
        is_number = column in right
        drawn.add_column(
            column,
            justify="right" if is_number else "left",
            no_wrap=is_number,
            overflow="fold",
            vertical="bottom",
        )
    return drawn


def draw(parts: Iterable[RenderableType], *, color: bool, width: int) -> str:
    """The parts one below the other; without ``color`` there is no escape in the result.

    Strings are drawn as they are: nothing in them is markup.
    """
    out = StringIO()
    console = Console(
        file=out,
        force_terminal=color,
        color_system="standard" if color else None,
        no_color=not color,
        width=width,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
    )
    for part in parts:
        console.print(part)
    # Rich fills cells with blanks up to the edge.
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"
