"""The report for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.console import RenderableType
from rich.text import Text

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.overview.assemble import overview
from asyncctx_trace.analysis.summary.overview.model import Overview
from asyncctx_trace.analysis.summary.report import Report
from asyncctx_trace.analysis.summary.report import report as make_report
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.text import plain
from asyncctx_trace_tui.reports.estimate_tables import estimate_table
from asyncctx_trace_tui.reports.extent import Extent
from asyncctx_trace_tui.reports.labels import date_and_time
from asyncctx_trace_tui.reports.rich_tables import draw, screen_width
from asyncctx_trace_tui.reports.text_findings import findings, left_out_findings
from asyncctx_trace_tui.reports.text_overview import health, overview_items
from asyncctx_trace_tui.reports.text_tables import (
    blame,
    cleanups,
    critical_path,
    failures,
    orders,
    resources,
    who_got_in,
)
from asyncctx_trace_tui.reports.wait_tables import let_wait, stalls, waits

__all__ = ["render_report", "render_text"]

_EXTENTS = (
    *((5, 5, 10), (5, 5, 7), (5, 5, 5), (3, 5, 5), (3, 5, 3), (3, 3, 3), (3, 3, 2), (2, 2, 2)),
    *((2, 2, 1), (2, 1, 1)),
)
"""Things to look at, groups of findings and rows of tables: the first that fits is used."""
_LINES = 50
"""The largest number of lines of a report that fits on a screen."""


Section = Callable[[Report, Extent, int], Iterator[RenderableType]]
"""Renders a section of a report: report, extent, width in columns."""


def render_text(timeline: Timeline, *, color: bool, width: int | None = None) -> str:
    """Render the report on ``timeline``, without escape sequences unless ``color``."""
    return render_report(make_report(Snapshot(timeline)), color=color, width=width)


def render_report(
    report: Report, *, color: bool, width: int | None = None, by: str = "site", full: bool = False
) -> str:
    """Render ``report`` as text, ``width`` columns wide (default: the width of the screen).

    It has about 50 lines: the verdict, the first groups of findings, the first rows of the tables,
    and counts of what is left out. ``full`` shows everything. For ``by`` see :class:`Extent`.
    """
    columns = width or screen_width()
    shown = overview(report)
    if full:
        return draw(
            _parts(report, shown, Extent(None, None, by), columns), color=color, width=columns
        )
    text = ""
    for items, groups, rows in _EXTENTS:
        extent = Extent(groups, rows, by, items)
        text = draw(_parts(report, shown, extent, columns), color=color, width=columns)
        if text.count("\n") <= _LINES:
            break
    return text


def _parts(report: Report, shown: Overview, extent: Extent, width: int) -> Iterator[RenderableType]:
    first, *more = report.opening
    yield Text(plain(first), style="bold")
    yield from (Text(plain(sentence)) for sentence in more)
    yield from _summary(report)
    yield from _checks(report)
    if report.snapshot.timeline.is_sampled:
        yield from findings(report, extent, width)
        yield from estimate_table(report, extent, width)
        return
    if report.uses or report.findings:
        yield health(shown)
        yield from overview_items(report, shown, width, extent.items)
    if not (report.uses or report.findings or report.waits or report.stalls):
        return
    for section in _SECTIONS if extent.full else _FIRST:
        yield from section(report, extent, width)
    if not extent.full:
        yield from _left_out(report, extent)


def _summary(report: Report) -> Iterator[RenderableType]:
    snapshot = report.snapshot
    if not report.summary:
        return
    start, end = date_and_time(report, snapshot.start), date_and_time(report, snapshot.now)
    if not start:
        when = ""
    elif start == end:
        when = f" At {start}."
    else:
        when = f" From {start} to {end.removeprefix(start[:11])}."
    yield Text(report.summary + when)


def _checks(report: Report) -> Iterator[RenderableType]:
    for lost, reason in report.losses:
        yield Text(f"{lost}: {plain(reason)}", style="red")
    for breach in report.breaches:
        yield Text.assemble(("exceeded ", "bold red"), plain(breach.summary))


def _left_out(report: Report, extent: Extent) -> Iterator[RenderableType]:
    """Yield what ``--full`` adds."""
    more = list(left_out_findings(report, extent))
    if report.snapshot.timeline.errors:
        more.append("errors and what followed")
    if report.uses:
        more += ["cleanup", "the critical path", "the order of entering"]
    if more:
        yield Text(f"\n--full adds: {', '.join(more)}", style="dim")


_FIRST: tuple[Section, ...] = (findings, resources, blame, waits, let_wait, stalls)
"""The sections of a short report."""
_SECTIONS: tuple[Section, ...] = (
    *_FIRST,
    cleanups,
    orders,
    failures,
    critical_path,
    who_got_in,
)
"""The sections of a full report."""
