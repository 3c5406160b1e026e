"""Rich tables drawn to a string, for a terminal or for a file."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from io import StringIO

from rich.console import Console, RenderableType
from rich.table import Table

__all__ = ["draw", "screen_width", "table"]


def screen_width(color: bool) -> int:
    """Columns to draw in: the terminal's; for a file as many as a wide terminal has."""
    return max(40, shutil.get_terminal_size((80, 24)).columns) if color else 120


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
