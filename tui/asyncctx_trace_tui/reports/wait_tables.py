"""The tables of waits for other things than managers, and of stalls, in the text report."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.console import RenderableType
from rich.text import Text

from asyncctx_trace.analysis.loop_stalls import StallLine, describe_line
from asyncctx_trace.analysis.summary.report import Report
from asyncctx_trace.analysis.summary.wait_charges import describe_charge, wait_charges
from asyncctx_trace.analysis.wait_statistics import WaitGroup, describe_group, describe_wakers
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.names import site_path
from asyncctx_trace.model.text import percent, plain, shorten
from asyncctx_trace_tui.reports.extent import Extent
from asyncctx_trace_tui.reports.rich_tables import table, titled

__all__ = ["let_wait", "stalls", "waits"]

_WIDE = 110
"""The width from which all columns are shown."""
_NAME, _NARROW_NAME = 32, 24
"""The width of a name or a path, in cells."""


def waits(report: Report, extent: Extent, width: int) -> Iterator[RenderableType]:
    """Render what tasks waited for besides managers, most time first."""
    columns: dict[str, Callable[[WaitGroup], str]] = {
        "times": lambda group: f"{group.duration.count:,}",
        "total": lambda group: format_duration(group.duration.total),
        "p50": lambda group: format_duration(group.duration.p50),
        "p99": lambda group: format_duration(group.duration.p99),
        "max": lambda group: format_duration(group.duration.max),
    }
    if width < _WIDE:
        del columns["p50"], columns["p99"]
    name = _NAME if width >= _WIDE else _NARROW_NAME
    drawn = table("waited for", "at", *columns, "ended by", numbers=columns)
    snapshot = report.snapshot
    shown = report.waits[: extent.rows]
    for group in shown:
        ended_by = shorten(describe_wakers(snapshot, group), name)
        if group.open:
            lasting = f"{group.open:,} not ended"
            ended_by = f"{ended_by} ({lasting})" if ended_by else f"({lasting})"
        drawn.add_row(
            Text(plain(describe_group(snapshot, group, name))),
            Text(site_path(snapshot.timeline, group.site, name)),
            *(value(group) for value in columns.values()),
            Text(ended_by),
        )
    yield from titled("Waits for other things", drawn, len(report.waits) - len(shown))


def let_wait(report: Report, extent: Extent, width: int) -> Iterator[RenderableType]:
    """Render who let tasks wait for other things than managers, most time first."""
    snapshot = report.snapshot
    name = _NAME if width >= _WIDE else _NARROW_NAME
    drawn = table("waited for", "because", "at", "waited", "share", numbers=("waited", "share"))
    rows = wait_charges(snapshot, report.wait_blame, report.waits)
    shown = rows[: extent.rows]
    total = sum(each.ns for each in rows)
    for each in shown:
        drawn.add_row(
            Text(plain(describe_group(snapshot, each.group, name))),
            Text(shorten(plain(describe_charge(snapshot, each, name)), 2 * name)),
            Text(site_path(snapshot.timeline, each.site, name) if each.site else "–"),
            format_duration(each.ns),
            percent(each.ns / total),
        )
    yield from titled("Who let them wait for other things", drawn, len(rows) - len(shown))


def stalls(report: Report, extent: Extent, width: int) -> Iterator[RenderableType]:
    """Render the lines that blocked an event loop, most time first."""
    snapshot = report.snapshot
    length = snapshot.now - snapshot.start
    numbers = ("times", "total", "share", "max")
    drawn = table("the event loop stood still at", "in", *numbers, numbers=numbers)
    shown = report.stalls[: extent.rows]
    for line in shown:
        drawn.add_row(
            Text(shorten(describe_line(snapshot.timeline, line.longest.started, _NAME), 2 * _NAME)),
            Text(_tasks(report, line)),
            f"{line.duration.count:,}",
            format_duration(line.duration.total),
            percent(line.duration.total / length) if length else "–",
            format_duration(line.duration.max),
        )
    yield from titled("Stalls of the event loop", drawn, len(report.stalls) - len(shown))


def _tasks(report: Report, line: StallLine) -> str:
    tasks = dict.fromkeys(stall.started.task for stall in line.stalls)
    named = [report.snapshot.task_name(task) for task in tasks if task is not None]
    if not named:
        return "a callback"
    return named[0] + (f" and {len(tasks) - 1} more" if len(tasks) > 1 else "")
