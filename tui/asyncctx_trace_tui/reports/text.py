"""The report for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from asyncctx_trace.analysis.case import Case
from asyncctx_trace.analysis.contention import ResourceUse, got_in
from asyncctx_trace.analysis.critical_path import CriticalPath
from asyncctx_trace.analysis.findings import Finding
from asyncctx_trace.analysis.report import Report, report
from asyncctx_trace.analysis.timeline import Timeline
from asyncctx_trace_tui.reports.names import NAME, place, resource, task, way
from asyncctx_trace_tui.reports.tables import draw, screen_width, table
from asyncctx_trace_tui.text import duration, percent, plain, shorten

__all__ = ["render_report", "render_text"]

_IN_ORDER = 24
"""Tasks shown of the order in which they got in."""
_SITES = 5
"""Lines shown of a table that has one for each site."""
_STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold blue"}


def render_text(timeline: Timeline, *, color: bool, width: int | None = None) -> str:
    """The report on ``timeline``; plain text without escapes unless ``color``."""
    return render_report(report(Case(timeline)), color=color, width=width)


def render_report(told: Report, *, color: bool, width: int | None = None) -> str:
    """``told`` in text, ``width`` columns wide, by default as many as there are."""
    return draw(_parts(told), color=color, width=width or screen_width(color))


def _parts(told: Report) -> Iterator[RenderableType]:
    case = told.case
    yield Text(plain(told.verdict), style="bold")
    for each in case.timeline.dropped:
        reason = plain(each.reason)
        yield Text(f"{each.acquisitions} acquisitions are missing: {reason}", style="red")
    for breach in told.breaches:
        yield Text.assemble(("broken ", "bold red"), plain(breach.summary))
    for finding in told.findings:
        yield from _finding(case, finding)
    if not told.uses:
        return
    yield from _titled("Resources", _resources(told.uses))
    yield from _titled("Who kept them waiting", _blame(told))
    yield from _titled("Cleanup", _cleanups(told))
    yield from _titled("Order of cleanup", _orders(told))
    yield from _titled("What went wrong first", _mishaps(told))
    yield from _titled("Critical path", _path(case, told.path))
    yield Text("\nWho got in, in order", style="bold")
    for use in told.uses:
        yield Padding(_got_in(case, use), (0, 0, 0, 2))


def _titled(title: str, body: Table) -> Iterator[RenderableType]:
    if body.row_count:
        yield Text(f"\n{title}", style="bold")
        yield body


def _finding(case: Case, finding: Finding) -> Iterator[RenderableType]:
    where = place(case, finding.sites[0]) if finding.sites else ""
    yield Text.assemble(
        "\n",
        (finding.kind, _STYLES[finding.severity]),
        f" ({finding.certainty}) ",
        (where, "underline"),
    )
    yield Padding(Text(plain(finding.summary)), (0, 0, 0, 2))


def _resources(uses: list[ResourceUse]) -> Table:
    numbers = (
        "acquired",
        "contended",
        "wait p50",
        "wait p99",
        "wait max",
        "hold p50",
        "hold max",
        "most waiters",
    )
    drawn = table("resource", "kind", *numbers, numbers=numbers)
    for use in uses:
        size = "" if use.capacity is None or use.kind == "lock" else f" of {use.capacity}"
        drawn.add_row(
            Text(shorten(use.name, NAME)),
            Text(shorten(use.kind, 12) + size),
            str(use.acquisitions),
            percent(use.contended_share) if use.contends else "–",
            duration(use.wait.p50),
            duration(use.wait.p99),
            duration(use.wait.max),
            duration(use.hold.p50),
            duration(use.hold.max),
            str(use.most_waiters) if use.contends else "–",
        )
    return drawn


def _blame(told: Report) -> Table:
    drawn = table("waited for", "held at", "waited", "share", numbers=("waited", "share"))
    for use in told.uses:
        blamed = told.blames.get(use.resource)
        if blamed is None or not blamed.blamed:
            continue
        sites = blamed.by_site()
        lines = [(way(told.case, w), place(told.case, site), ns) for site, w, ns in sites[:_SITES]]
        if len(sites) > _SITES:
            rest = sum(ns for _, _, ns in sites[_SITES:])
            lines.append((lines[0][0], f"{len(sites) - _SITES} other sites", rest))
        if blamed.unknown:
            lines.append((resource(told.case, use.resource), "(no holder known)", blamed.unknown))
        for path, where, ns in lines:
            drawn.add_row(Text(path), Text(where), duration(ns), percent(ns / blamed.total))
    return drawn


def _cleanups(told: Report) -> Table:
    numbers = ("exits", "failed", "cut off", "swallowed", "after errors", "cancelled", "slowest")
    drawn = table("resource", "at", *numbers, numbers=numbers)
    for each in told.cleanups[: 2 * _SITES]:
        drawn.add_row(
            Text(resource(told.case, each.resource)),
            Text(place(told.case, each.site)),
            str(each.exits),
            str(each.failed),
            str(each.cut_off),
            str(each.suppressed),
            str(each.under_error),
            str(each.under_cancellation),
            duration(each.slowest),
        )
    return drawn


def _orders(told: Report) -> Table:
    drawn = table("exits, one after the other", "times", "last in, first out", numbers=("times",))
    for order in told.orders[:_SITES]:
        left = [resource(told.case, each) for each, _ in order.left[:_IN_ORDER]]
        more = len(order.left) - len(left)
        drawn.add_row(
            Text(" → ".join([*left, f"{more} more"] if more else left)),
            str(order.times),
            "yes" if order.in_order else Text("no", style="red"),
        )
    return drawn


def _mishaps(told: Report) -> Table:
    drawn = table("at", "task", "first", "what followed")
    case = told.case
    for mishap in told.mishaps[:_SITES]:
        first = mishap.first
        error = case.error(first.row, first.phase) or first.outcome.name.lower()
        where = f"{first.phase} of {case.where(first.row)}"
        followed = [f"{end.phase} of {case.where(end.row)}" for end in mishap.followed[:2]]
        left = len(mishap.followed) - len(followed)
        drawn.add_row(
            duration(first.at - case.start),
            Text(task(case, first.task)),
            Text(f"{shorten(error, 48)} in the {shorten(where, 60)}"),
            Text("; ".join([*followed, f"{left} more"] if left else followed)),
        )
    return drawn


def _path(case: Case, path: CriticalPath) -> Table:
    drawn = table("spent", "share", "doing", numbers=("spent", "share"))
    for (phase, number, site), ns in path.shares(case)[:_SITES]:
        if phase is None or number is None or site is None:
            doing = "outside of any `async with`"
        else:
            what = {"enter": "entering", "body": "in", "exit": "cleaning up"}[phase]
            doing = f"{what} {resource(case, number)} at {place(case, site)}"
        drawn.add_row(duration(ns), percent(ns / path.length), Text(doing))
    return drawn


def _got_in(case: Case, use: ResourceUse) -> Text:
    rows = got_in(case.timeline, use.resource)
    names = [task(case, case.timeline.task[row]) for row in rows[:_IN_ORDER]]
    left_out = len(rows) - len(names)
    if left_out:
        names.append(f"{left_out} more")
    order = " → ".join(names) if names else "nobody"
    return Text.assemble((shorten(use.name, NAME), "cyan"), f": {order}")
