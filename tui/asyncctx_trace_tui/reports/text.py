"""The report for people at a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from asyncctx_trace.analysis.case import Case
from asyncctx_trace.analysis.cleanup import Cleanup
from asyncctx_trace.analysis.contention import ResourceUse, got_in
from asyncctx_trace.analysis.critical_path import CriticalPath
from asyncctx_trace.analysis.findings import Finding
from asyncctx_trace.analysis.mishaps import BadEnd
from asyncctx_trace.analysis.report import Report, report
from asyncctx_trace.analysis.timeline import Timeline
from asyncctx_trace_tui.reports.names import NAME, place, resource, task, way
from asyncctx_trace_tui.reports.tables import draw, screen_width, table
from asyncctx_trace_tui.text import duration, percent, plain, shorten

__all__ = ["render_report", "render_text"]

_IN_ORDER = 24
"""Tasks shown of the order in which they got in."""
_MOST = 200
"""Findings told, and resources shown; what comes after is counted."""
_SITES = 5
"""Lines shown of a table that has one for each site."""
_WIDE = 100
"""Columns from which on there is room for most numbers of a resource."""
_WIDER = 120
"""The same for all of them."""
_STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold blue"}


def render_text(timeline: Timeline, *, color: bool, width: int | None = None) -> str:
    """The report on ``timeline``; plain text without escapes unless ``color``."""
    return render_report(report(Case(timeline)), color=color, width=width)


def render_report(told: Report, *, color: bool, width: int | None = None, by: str = "site") -> str:
    """``told`` in text, ``width`` columns wide, by default as many as there are.

    ``by`` says what the time of waiters is charged to: each ``site`` or each ``task`` that held.
    """
    columns = width or screen_width(color)
    return draw(_parts(told, columns, by), color=color, width=columns)


def _parts(told: Report, width: int, by: str) -> Iterator[RenderableType]:
    case = told.case
    yield Text(plain(told.verdict), style="bold")
    for each in case.timeline.dropped:
        reason = plain(each.reason)
        yield Text(f"{each.acquisitions} acquisitions are missing: {reason}", style="red")
    for breach in told.breaches:
        yield Text.assemble(("broken ", "bold red"), plain(breach.summary))
    for finding in told.findings[:_MOST]:
        yield from _finding(case, finding)
    yield from _more("findings", len(told.findings) - _MOST)
    if not told.uses:
        return
    yield from _titled("Resources", _resources(told.uses[:_MOST], width))
    yield from _more("resources", len(told.uses) - _MOST)
    yield from _titled("Who kept them waiting", _blame(told, by))
    yield from _titled("Cleanup", _cleanups(told))
    yield from _titled("Order of cleanup", _orders(told))
    yield from _mishaps(told)
    yield from _titled("Critical path", _path(case, told.path))
    yield Text("\nWho got in, in order", style="bold")
    for use in told.uses[:_MOST]:
        yield Padding(_got_in(case, use), (0, 0, 0, 2))


def _titled(title: str, body: Table) -> Iterator[RenderableType]:
    if body.row_count:
        yield Text(f"\n{title}", style="bold")
        yield body


def _more(what: str, left: int) -> Iterator[RenderableType]:
    if left > 0:
        yield Text(f"\n  and {left} more {what}: the format json has them all", style="dim")


def _finding(case: Case, finding: Finding) -> Iterator[RenderableType]:
    where = place(case, finding.sites[0]) if finding.sites else ""
    yield Text.assemble(
        "\n",
        (finding.kind, _STYLES[finding.severity]),
        f" ({finding.certainty}) ",
        (where, "underline"),
    )
    yield Padding(Text(plain(finding.summary)), (0, 0, 0, 2))


def _resources(uses: list[ResourceUse], width: int) -> Table:
    columns: dict[str, Callable[[ResourceUse], str]] = {
        "acquired": lambda use: str(use.acquisitions),
        "contended": lambda use: percent(use.contended_share) if use.contends else "–",
        "wait\np50": lambda use: duration(use.wait.p50),
        "wait\np99": lambda use: duration(use.wait.p99),
        "wait\nmax": lambda use: duration(use.wait.max),
        "hold\np50": lambda use: duration(use.hold.p50),
        "hold\nmax": lambda use: duration(use.hold.max),
        "most\nwaiters": lambda use: str(use.most_waiters) if use.contends else "–",
    }
    if width < _WIDE:
        del columns["contended"], columns["wait\np99"]
    elif any(use.overtaken for use in uses):
        columns["over-\ntaken"] = lambda use: str(use.overtaken)
    if width >= _WIDER and any(use.utilisation is not None for use in uses):
        columns["in use"] = lambda use: "–" if use.utilisation is None else percent(use.utilisation)
    drawn = table("resource", "kind", *columns, numbers=columns)
    for use in uses:
        size = "" if use.capacity is None or use.kind == "lock" else f" of {use.capacity}"
        drawn.add_row(
            Text(shorten(use.name, NAME)),
            Text(shorten(use.kind, 12) + size),
            *(number(use) for number in columns.values()),
        )
    return drawn


def _blame(told: Report, by: str) -> Table:
    case = told.case
    held = "held at" if by == "site" else "held by"
    drawn = table("waited for", held, "waited", "share", numbers=("waited", "share"))
    for use in told.uses[:_MOST]:
        blamed = told.blames.get(use.resource)
        if blamed is None or not blamed.blamed:
            continue
        name = resource(case, use.resource)
        if by == "site":
            lines = [
                (way(case, w), _short_place(case, site), ns) for site, w, ns in blamed.by_site()
            ]
        else:
            lines = [(name, task(case, number), ns) for number, ns in blamed.by_task()]
        if len(lines) > _SITES:
            rest = sum(ns for _, _, ns in lines[_SITES:])
            lines[_SITES:] = [(name, f"{len(lines) - _SITES} others", rest)]
        if blamed.unknown:
            lines.append((name, "(no holder known)", blamed.unknown))
        for path, holder, ns in lines:
            drawn.add_row(Text(path), Text(holder), duration(ns), percent(ns / blamed.total))
    return drawn


def _cleanups(told: Report) -> Table:
    columns: dict[str, Callable[[Cleanup], int]] = {
        "failed": lambda each: each.failed,
        "cut off": lambda each: each.cut_off,
        "swallowed\nerrors": lambda each: each.suppressed,
        "after\nerrors": lambda each: each.under_error,
        "after\ncancellations": lambda each: each.under_cancellation,
        "overlapping": lambda each: each.overlapping,
    }
    shown = told.cleanups[: 2 * _SITES]
    happened = {name: count for name, count in columns.items() if any(map(count, shown))}
    numbers = ("exits", *happened, "slowest")
    drawn = table("resource", "at", *numbers, numbers=numbers)
    for each in shown:
        drawn.add_row(
            Text(resource(told.case, each.resource)),
            Text(_short_place(told.case, each.site)),
            str(each.exits),
            *(str(count(each)) for count in happened.values()),
            duration(each.slowest),
        )
    return drawn


def _short_place(case: Case, site: int) -> str:
    # In the middle: the line stands at the end.
    return shorten(place(case, site), NAME)


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


def _mishaps(told: Report) -> Iterator[RenderableType]:
    case = told.case
    if told.mishaps:
        yield Text("\nWhat went wrong first", style="bold")
    for mishap in told.mishaps[:_SITES]:
        first = mishap.first
        error = case.error(first.row, first.phase) or first.outcome.name.lower()
        line = (
            f"after {duration(first.at - case.start)} in {task(case, first.task)}: "
            f"{plain(error)} in the {_bad_end(case, first)}"
        )
        followed = [f"the {_bad_end(case, end)}" for end in mishap.followed[:_SITES]]
        left = len(mishap.followed) - len(followed)
        if left:
            followed.append(f"{left} more")
        if followed:
            line += f"; then {', '.join(followed)}"
        yield Padding(Text(line), (0, 0, 0, 2))
    if len(told.mishaps) > _SITES:
        yield Padding(Text(f"and {len(told.mishaps) - _SITES} more"), (0, 0, 0, 2))


def _bad_end(case: Case, end: BadEnd) -> str:
    return f"{end.phase} of {plain(case.where(end.row))}"


def _path(case: Case, path: CriticalPath) -> Table:
    drawn = table("spent", "share", "doing", numbers=("spent", "share"))
    for (phase, number, site), ns in path.shares(case)[:_SITES]:
        if phase is None or number is None or site is None:
            doing = "outside of any `async with`"
        else:
            what = {"enter": "entering", "body": "in", "exit": "cleaning up"}[phase]
            doing = f"{what} {resource(case, number)} at {_short_place(case, site)}"
        drawn.add_row(duration(ns), percent(ns / path.length if path.length else 0), Text(doing))
    return drawn


def _got_in(case: Case, use: ResourceUse) -> Text:
    rows = got_in(case.timeline, use.resource)
    names = [task(case, case.timeline.task[row]) for row in rows[:_IN_ORDER]]
    left_out = len(rows) - len(names)
    if left_out:
        names.append(f"{left_out} more")
    order = " → ".join(names) if names else "nobody"
    return Text.assemble((shorten(use.name, NAME), "cyan"), f": {order}")
