"""Rich tables rendered to a string."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import TextIO

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

__all__ = ["draw", "more", "screen_width", "table", "titled", "wants_color"]

_NARROW, _USUAL = 40, 100


def screen_width(out: TextIO | None = None) -> int:
    """Return the width to use: ``COLUMNS``, else that of the terminal ``out``, else 100."""
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
    """Return whether to write colors to ``out``: a terminal, or ``FORCE_COLOR`` is set."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or out.isatty()


def table(*columns: str, numbers: Iterable[str] = ()) -> Table:
    """Return an empty table; the columns in ``numbers`` are right-aligned and not wrapped."""
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


def titled(title: str, body: Table, rows: int, objects: int = 0) -> Iterator[RenderableType]:
    """Render a table that is not empty under its title; for the numbers, see :func:`more`."""
    if body.row_count:
        yield Text(f"\n{title}", style="bold")
        yield body
        yield from more(rows, objects)


def more(rows: int, objects: int = 0) -> Iterator[RenderableType]:
    """Render how many rows are hidden, and how many objects they stand for."""
    if rows > 0:
        stand_for = f" ({objects:,} objects)" if objects > rows else ""
        yield Text(f"  and {rows:,} more{stand_for}: --full", style="dim")


def draw(parts: Iterable[RenderableType], *, color: bool, width: int) -> str:
    """Render the parts below each other, without escape sequences unless ``color``.

    Strings are not interpreted as markup.
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
    # Rich pads cells with spaces.
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"
