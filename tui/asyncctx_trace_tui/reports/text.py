"""The report for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from asyncctx_trace.analysis.contention import ResourceUse, contention, got_in
from asyncctx_trace.analysis.timeline import Timeline
from asyncctx_trace_tui.reports.tables import draw, screen_width, table
from asyncctx_trace_tui.text import duration, shorten

__all__ = ["render_text"]

_NAME = 32
"""Cells for one name."""
_IN_ORDER = 24
"""Tasks shown of the order in which they got in."""


def render_text(timeline: Timeline, *, color: bool, width: int | None = None) -> str:
    """The report on ``timeline``; plain text without escapes unless ``color``."""
    return draw(_parts(timeline), color=color, width=width or screen_width(color))


def _parts(timeline: Timeline) -> Iterator[RenderableType]:
    uses = contention(timeline)
    if not uses:
        yield Text("Nothing was acquired: no traced `async with` was entered.")
        return
    yield Text("Resources", style="bold")
    yield _resources(uses)
    yield Text("Who got in, in order", style="bold")
    for use in uses:
        yield _order(timeline, use)


def _resources(uses: list[ResourceUse]) -> Table:
    numbers = ("acquired", "wait p50", "wait max", "hold p50", "hold max", "most waiters")
    drawn = table("resource", "kind", *numbers, numbers=numbers)
    for use in uses:
        drawn.add_row(
            Text(shorten(use.name, _NAME)),
            Text(shorten(use.kind, 12)),
            str(use.acquisitions),
            duration(use.wait.p50),
            duration(use.wait.max),
            duration(use.hold.p50),
            duration(use.hold.max),
            str(use.most_waiters) if use.contends else "–",
        )
    return drawn


def _order(timeline: Timeline, use: ResourceUse) -> Text:
    rows = got_in(timeline, use.resource)
    names = [_task(timeline, timeline.task[row]) for row in rows[:_IN_ORDER]]
    left_out = len(rows) - len(names)
    if left_out:
        names.append(f"… {left_out} more")
    return Text.assemble(
        "  ",
        (shorten(use.name, _NAME), "cyan"),
        ": ",
        " → ".join(names) if names else "nobody",
    )


def _task(timeline: Timeline, task: int) -> str:
    known = timeline.tasks.get(task)
    return shorten(known.name, _NAME) if known else f"task {task}"
