"""The top of the text report: what cost most time, what to do next, and the health."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from rich.console import RenderableType
from rich.text import Text

from asyncctx_trace.analysis.summary.overview.model import Item, Overview
from asyncctx_trace.analysis.summary.overview.wording import describe_health, sparkline
from asyncctx_trace.analysis.summary.report import Report
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.text import plain
from asyncctx_trace_tui.reports.labels import time_of_day

__all__ = ["health", "overview_items"]

_COLORS = {"error": "bold red", "warning": "yellow", "note": "blue"}
_COST, _PICTURE = 11, 16
"""Widths in cells."""
_INDENT = 2
_NARROWEST = 10
"""The least width of a column of text, in cells."""


def overview_items(
    report: Report, shown: Overview, width: int, most: int
) -> Iterator[RenderableType]:
    """Render the first ``most`` things to look at, each with what to do next.

    What the report says about them elsewhere is not repeated: the verdict above, the findings
    below.
    """
    for title, items in (
        ("Now", shown.hanging),
        ("What cost most time", shown.culprits),
        ("Busiest resources", shown.busiest if not shown.culprits else ()),
    ):
        if items:
            yield Text(f"\n{title}", style="bold")
        for item in items[:most]:
            yield from _item(report, item, width)


def health(shown: Overview) -> RenderableType:
    """Render the health of the program in one paragraph."""
    text = Text()
    parts = describe_health(shown.health, running=shown.running, in_report=True)
    for index, (part, bad) in enumerate(parts):
        text.append(" · " if index else "", style="dim")
        text.append(plain(part), style="red" if bad else "")
    return text


def _item(report: Report, item: Item, width: int) -> Iterator[RenderableType]:
    cost = format_duration(item.cost) if item.cost else "-"
    picture = sparkline(item.history, _PICTURE).ljust(_PICTURE)
    clock = time_of_day(report, item.at)
    room = max(_NARROWEST, width - _INDENT - _COST - _PICTURE - 4)
    title = item.title
    when = f", worst at {clock}" if clock and item.kind in ("hold", "blocked-loop") else ""
    if len(title + when) <= room:
        title += when
    first, *others = wrap(plain(title), room) or [""]
    yield Text.assemble(
        " " * _INDENT,
        (cost.rjust(_COST), _COLORS[item.severity]),
        "  ",
        (picture, _COLORS[item.severity]),
        "  ",
        first,
    )
    yield from (Text(" " * (width - room) + line) for line in others)
    indent = " " * (_INDENT + _COST + 2)
    for number, line in enumerate(wrap(plain(item.remedy), width - len(indent) - 2)):
        yield Text(f"{indent}{'  ' if number else '→ '}{line}")
