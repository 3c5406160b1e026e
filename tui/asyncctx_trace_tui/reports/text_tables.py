"""The tables of the text report."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from asyncctx_trace.analysis.cleanup import Cleanup
from asyncctx_trace.analysis.contention.costs import ResourceUse, got_in
from asyncctx_trace.analysis.kernels.path_steps import Step
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.report import Report
from asyncctx_trace.analysis.summary.root_causes import Failure, RootCause
from asyncctx_trace.analysis.wait_subjects import describe_subject
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.names import NAME_WIDTH, resource_name, site_path, task_name
from asyncctx_trace.model.text import percent, plain, shorten
from asyncctx_trace_tui.reports.blame_rows import charges
from asyncctx_trace_tui.reports.extent import Extent
from asyncctx_trace_tui.reports.labels import (
    distinct_names,
    time_label,
)
from asyncctx_trace_tui.reports.rich_tables import more, table, titled

__all__ = [
    "blame",
    "cleanups",
    "critical_path",
    "failures",
    "orders",
    "resources",
    "who_got_in",
]

_IN_ORDER = 24
"""Tasks shown in the order of entering."""
_WIDE = 90
"""The width from which most columns of a resource are shown."""
_WIDER = 120
"""The width from which all columns are shown."""
_LEAST = 12
"""The smallest width of a name, in cells."""
_PATH_WIDTH = 44
"""The width of a path of resources, in cells."""


def resources(report: Report, extent: Extent, width: int) -> Iterator[RenderableType]:
    """Render one row per resource; in a short report, one per group of equal resources."""
    if extent.full:
        rows = [(shorten(use.name, NAME_WIDTH), use) for use in report.uses]
    else:
        names = distinct_names(report)
        rows = [(names[group.resources[0]], use) for group, use in report.grouped_uses]
    shown = rows[: extent.rows]
    objects = (
        len(report.uses) - sum(map(len, report.resources[: extent.rows])) if not extent.full else 0
    )
    yield from titled("Resources", _resources(shown, width), len(rows) - len(shown), objects)


def blame(report: Report, extent: Extent, width: int) -> Iterator[RenderableType]:
    """Render who kept whom waiting, longest first."""
    rows = charges(report, extent.by)
    held = "held at" if extent.by == "site" else "held by"
    drawn = table("waited for", held, "waited", "share", numbers=("waited", "share"))
    shown = rows[: extent.rows]
    total = sum(blamed.total for blamed in report.blames.values())
    timeline = report.snapshot.timeline
    for path, holder, ns in shown:
        if holder == "hand-over":
            who = "(between release and enter)"
        elif holder == "unknown":
            who = "(not full: no holder to blame)"
        elif extent.by == "site":
            who = site_path(timeline, holder, NAME_WIDTH)
        else:
            who = task_name(timeline, holder)
        drawn.add_row(
            Text(shorten(path, _PATH_WIDTH)), Text(who), format_duration(ns), percent(ns / total)
        )
    yield from titled("Who kept them waiting", drawn, len(rows) - len(shown))


def cleanups(report: Report, extent: Extent, width: int) -> Iterator[RenderableType]:
    """Render the exits of each resource at each site."""
    shown = report.cleanups[: extent.rows]
    yield from titled(
        "Cleanup", _cleanups(report.snapshot, shown), len(report.cleanups) - len(shown)
    )


def orders(report: Report, extent: Extent, width: int) -> Iterator[RenderableType]:
    """Render the orders in which tasks cleaned up."""
    shown = report.orders[: extent.rows]
    drawn = table("exits, one after the other", "times", "last in, first out", numbers=("times",))
    for order in shown:
        left = [resource_name(report.snapshot.timeline, each) for each, _ in order.left[:_IN_ORDER]]
        hidden = len(order.left) - len(left)
        drawn.add_row(
            Text(" → ".join([*left, f"{hidden} more"] if hidden else left)),
            f"{order.times:,}",
            "yes" if order.in_order else Text("no", style="red"),
        )
    yield from titled("Order of cleanup", drawn, len(report.orders) - len(shown))


def failures(report: Report, extent: Extent, width: int) -> Iterator[RenderableType]:
    """Render each root cause with its consequences."""
    shown = report.root_causes[: extent.rows]
    if shown:
        yield Text("\nWhat went wrong first", style="bold")
    for root_cause in shown:
        yield Padding(Text(_failure(report, root_cause)), (0, 0, 0, 2))
    yield from more(len(report.root_causes) - len(shown))


def critical_path(report: Report, extent: Extent, width: int) -> Iterator[RenderableType]:
    """Render the critical path: what determined the end of the run."""
    path = report.path
    drawn = table("spent", "share", "doing", numbers=("spent", "share"))
    spent: dict[tuple[object, ...], int] = {}
    firsts: dict[tuple[object, ...], Step] = {}
    for step in path.steps:
        key = _activity(report.snapshot, step)
        firsts.setdefault(key, step)
        spent[key] = spent.get(key, 0) + step.end - step.start
    shares = sorted(spent.items(), key=lambda each: -each[1])
    shown = shares[: extent.rows]
    for key, ns in shown:
        share = percent(ns / path.length if path.length else 0)
        drawn.add_row(format_duration(ns), share, Text(_doing(report.snapshot, firsts[key])))
    yield from titled("Critical path", drawn, len(shares) - len(shown))


def _activity(snapshot: Snapshot, step: Step) -> tuple[object, ...]:
    """Return what steps of the path that are added up have in common."""
    timeline, row, wait = snapshot.timeline, step.row, step.wait
    activity: tuple[object, ...] = ()
    if row is not None:
        activity = step.phase, timeline.resource[row], timeline.site[row]
    if wait is not None:
        waits = timeline.waits
        activity += waits.kind[wait], waits.subject[wait], waits.site[wait]
    return activity


def _doing(snapshot: Snapshot, step: Step) -> str:
    """Return what a step of the path is, such as ``in lock at app.py:12``."""
    timeline = snapshot.timeline
    if step.row is None or step.phase is None:
        doing = "outside of any `async with`"
    else:
        what = {"enter": "entering", "body": "in", "exit": "cleaning up"}[step.phase]
        if step.phase == "exit" and timeline.is_group(timeline.resource[step.row]):
            what = "waiting for the children of"
        where = site_path(timeline, timeline.site[step.row], NAME_WIDTH)
        doing = f"{what} {resource_name(timeline, timeline.resource[step.row])} at {where}"
    if step.wait is None:
        return doing
    subject = describe_subject(timeline, step.wait, NAME_WIDTH)
    where = site_path(timeline, timeline.waits.site[step.wait], NAME_WIDTH)
    return f"{doing}: waiting for {subject} at {where}"


def who_got_in(report: Report, extent: Extent, width: int) -> Iterator[RenderableType]:
    """Render the order in which tasks entered each resource."""
    shown = report.uses[: extent.rows]
    if shown:
        yield Text("\nWho got in, in order", style="bold")
    for use in shown:
        yield Padding(_got_in(report.snapshot, use), (0, 0, 0, 2))
    yield from more(len(report.uses) - len(shown))


# -- helpers --------------------------------------------------------------------------------


def _resources(rows: list[tuple[str, ResourceUse]], width: int) -> Table:
    uses = [use for _, use in rows]
    columns: dict[str, Callable[[ResourceUse], str]] = {
        "acquired": lambda use: f"{use.acquisitions:,}",
        "contended": lambda use: percent(use.contended_share) if use.contends else "–",
        "wait\np50": lambda use: format_duration(use.wait.p50),
        "wait\np99": lambda use: format_duration(use.wait.p99),
        "wait\nmax": lambda use: format_duration(use.wait.max),
        "hold\np50": lambda use: format_duration(use.hold.p50),
        "hold\nmax": lambda use: format_duration(use.hold.max),
        "most\nwaiters": lambda use: f"{use.most_waiters:,}" if use.contends else "–",
    }
    if width < _WIDER:
        del columns["contended"]
    elif any(use.overtaken for use in uses):
        columns["over-\ntaken"] = lambda use: f"{use.overtaken:,}"
    if width < _WIDE:
        del columns["wait\np99"]
    if width >= _WIDER and any(use.utilisation is not None for use in uses):
        columns["in use"] = lambda use: "–" if use.utilisation is None else percent(use.utilisation)
    drawn = table("resource", "kind", *columns, numbers=columns)
    kinds = [_kind(use) for use in uses]
    numbers = {column: [number(use) for use in uses] for column, number in columns.items()}
    taken = sum(_cells([*column.split("\n"), *cells]) for column, cells in numbers.items())
    available = max(_LEAST, min(NAME_WIDTH, width - taken - _cells(["kind", *kinds]) - 2))
    for (name, _), kind, *cells in zip(rows, kinds, *numbers.values(), strict=True):
        drawn.add_row(Text(shorten(name, available)), Text(kind), *cells)
    return drawn


def _kind(use: ResourceUse) -> str:
    size = "" if use.capacity is None or use.kind == "lock" else f" of {use.capacity}"
    return shorten(use.kind, 12) + size


def _cells(texts: list[str]) -> int:
    """Return the width of a column of ``texts`` with its padding, in cells."""
    return 2 + max(map(len, texts))


def _cleanups(snapshot: Snapshot, shown: list[Cleanup]) -> Table:
    columns: dict[str, Callable[[Cleanup], int]] = {
        "failed": lambda each: each.failed,
        "cut off": lambda each: each.cut_off,
        "swallowed\nerrors": lambda each: each.suppressed,
        "after\nerrors": lambda each: each.under_error,
        "after\ncancellations": lambda each: each.under_cancellation,
        "overlapping": lambda each: each.overlapping,
    }
    events_at = {name: count for name, count in columns.items() if any(map(count, shown))}
    numbers = ("exits", *events_at, "slowest")
    drawn = table("resource", "at", *numbers, numbers=numbers)
    for each in shown:
        drawn.add_row(
            Text(resource_name(snapshot.timeline, each.resource)),
            Text(site_path(snapshot.timeline, each.site, NAME_WIDTH)),
            f"{each.exits:,}",
            *(f"{count(each):,}" for count in events_at.values()),
            format_duration(each.slowest),
        )
    return drawn


def _failure(report: Report, root_cause: RootCause) -> str:
    snapshot, first = report.snapshot, root_cause.first
    error = snapshot.error_text(first.row, first.phase) or first.outcome.name.lower()
    line = (
        f"after {time_label(report, first.at)} in {task_name(snapshot.timeline, first.task)}: "
        f"{plain(error)} in the {_bad_end(snapshot, first)}"
    )
    followed = [f"the {_bad_end(snapshot, end)}" for end in root_cause.followed[:_IN_ORDER]]
    left = len(root_cause.followed) - len(followed)
    if left:
        followed.append(f"{left} more")
    return f"{line}; then {', '.join(followed)}" if followed else line


def _bad_end(snapshot: Snapshot, end: Failure) -> str:
    return f"{end.phase} of {plain(snapshot.acquisition_label(end.row))}"


def _got_in(snapshot: Snapshot, use: ResourceUse) -> Text:
    rows = got_in(snapshot, use.resource)
    names = [task_name(snapshot.timeline, snapshot.timeline.task[row]) for row in rows[:_IN_ORDER]]
    left_out = len(rows) - len(names)
    if left_out:
        names.append(f"{left_out:,} more")
    order = " → ".join(names) if names else "nobody"
    return Text.assemble((shorten(use.name, NAME_WIDTH), "cyan"), f": {order}")
