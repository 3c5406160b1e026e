"""The comparison of two recordings for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from asyncctx_trace.analysis.cleanup import Order
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.comparison import Change, Comparison
from asyncctx_trace.analysis.summary.grouping import FindingGroup, group_findings
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.names import NAME_WIDTH, resource_name, site_path
from asyncctx_trace.model.text import count, plain, shorten
from asyncctx_trace_tui.reports.rich_tables import draw, screen_width, table

__all__ = ["render_comparison"]

_LINES = 12


def render_comparison(comparison: Comparison, *, color: bool, width: int | None = None) -> str:
    """Render ``comparison`` as text, without escape sequences unless ``color``."""
    return draw(_parts(comparison), color=color, width=width or screen_width(out=None))


def _parts(comparison: Comparison) -> Iterator[RenderableType]:
    slower, faster = comparison.slower, comparison.faster
    new = group_findings(comparison.after, comparison.new_findings)
    gone = group_findings(comparison.before, comparison.gone_findings)
    places = comparison.appeared + comparison.disappeared
    if not (
        slower or faster or new or gone or places or comparison.new_orders or comparison.gone_orders
    ):
        yield Text("No difference that is more than noise.", style="bold")
        return
    yield Text(
        f"{len(slower)} slower, {len(faster)} faster, {len(new)} new findings, {len(gone)} gone.",
        style="bold",
    )
    yield from _findings("New findings", comparison.after, new, "red")
    yield from _findings("Findings that are gone", comparison.before, gone, "green")
    yield from _durations("Slower", slower)
    yield from _durations("Faster", faster)
    yield from _places("New places", comparison.appeared)
    yield from _places("Places that are gone", comparison.disappeared)
    yield from _orders("New orders of cleanup", comparison.after, comparison.new_orders)
    yield from _orders("Orders of cleanup that are gone", comparison.before, comparison.gone_orders)


def _findings(
    title: str, snapshot: Snapshot, groups: list[FindingGroup], style: str
) -> Iterator[RenderableType]:
    if groups:
        yield Text(f"\n{title}", style="bold")
    for group in groups:
        where = site_path(snapshot.timeline, group.sites[0]) if group.sites else ""
        kind = (f"  {group.kind}", style)
        yield Text.assemble(kind, f" ({group.certainty}) {where}: {plain(group.sentence)}")
        for effect in group.consequences:
            yield Text(f"    follows from it: {effect.kind}, {count(effect.count, 'time')}")


def _durations(title: str, grown: list[tuple[Change, str, int]]) -> Iterator[RenderableType]:
    if not grown:
        return
    yield Text(f"\n{title}", style="bold")
    numbers = ("p95 before", "p95 after", "difference")
    drawn = table("resource", "at", "phase", *numbers, numbers=numbers)
    for change, phase, ns in grown[:_LINES]:
        drawn.add_row(
            Text(shorten(change.key[1], NAME_WIDTH)),
            Text(shorten(f"{change.key[2]}:{change.after_line}", 48)),
            phase,
            format_duration(change.before[phase].p95),
            format_duration(change.after[phase].p95),
            f"{'+' if ns > 0 else ''}{format_duration(ns)}",
        )
    yield drawn
    yield from _more(len(grown))


def _places(title: str, changes: list[Change]) -> Iterator[RenderableType]:
    if not changes:
        return
    yield Text(f"\n{title}", style="bold")
    drawn = table("resource", "at", "times", numbers=("times",))
    for change in changes[:_LINES]:
        line = change.after_line or change.before_line
        times = (change.after or change.before)["wait"].count
        where = shorten(f"{change.key[2]}:{line}", NAME_WIDTH)
        drawn.add_row(Text(shorten(change.key[1], NAME_WIDTH)), Text(where), str(times))
    yield drawn
    yield from _more(len(changes))


def _orders(title: str, snapshot: Snapshot, orders: list[Order]) -> Iterator[RenderableType]:
    if not orders:
        return
    yield Text(f"\n{title}", style="bold")
    drawn: Table = table("exits, one after the other", "times", numbers=("times",))
    for order in orders[:_LINES]:
        exits = [resource_name(snapshot.timeline, number) for number, _ in order.left[:_LINES]]
        drawn.add_row(Text(" → ".join(exits)), str(order.times))
    yield drawn
    yield from _more(len(orders))


def _more(count: int) -> Iterator[RenderableType]:
    if count > _LINES:
        yield Text(f"and {count - _LINES} more")
