"""The tables of the report with sortable values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from asyncctx_trace.analysis.cleanup import cleanups
from asyncctx_trace.analysis.contention.attribution import blame
from asyncctx_trace.analysis.contention.costs import contention_in
from asyncctx_trace.analysis.contention.critical_path import critical_path
from asyncctx_trace.analysis.contention.wait_blame import wait_blame
from asyncctx_trace.analysis.loop_stalls import describe_line, stall_lines
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.wait_charges import describe_charge, wait_charges
from asyncctx_trace.analysis.timeline.table import Phase
from asyncctx_trace.analysis.wait_statistics import describe_group, describe_wakers, wait_groups
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.text import percent, shorten

__all__ = ["TABLES", "Line", "ReportTable"]

_NAME = 30
"""The largest width of a name, in cells."""
_MOST_WAITS = 200
"""The number of groups of waits that are shown."""


class Line(NamedTuple):
    """One line of a table, with the resource, wait or stall, and the time, that it leads to."""

    values: tuple[Any, ...]
    """The values by column, unformatted."""
    resource: int | None = None
    at: int | None = None
    wait: int | None = None
    stall: int | None = None


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table: column headings with formatters, and the function that computes the lines."""

    title: str
    columns: dict[str, Callable[[Any], str]]
    lines: Callable[[Snapshot], Sequence[Line]]


def _text(value: str) -> str:
    return shorten(value, _NAME)


def _count(value: int) -> str:
    return f"{value:,}"


def _resources(snapshot: Snapshot) -> list[Line]:
    return [
        Line(
            (
                *(use.name, use.kind, use.acquisitions, use.contended, use.wait.p50, use.wait.max),
                *(use.hold.p50, use.hold.max, use.most_waiters),
            ),
            use.resource,
            use.most_waiters_at,
        )
        for use in contention_in(snapshot)
    ]


def _holders(snapshot: Snapshot) -> list[Line]:
    lines = []
    for resource in snapshot.limited:
        found = blame(snapshot, resource)
        sums: dict[tuple[int, int], int] = {}
        for share in found.shares:
            key = share.task, share.site
            sums[key] = sums.get(key, 0) + share.ns
        lines += [
            Line(
                (
                    snapshot.resource_name(resource),
                    snapshot.task_name(task),
                    snapshot.site_label(site),
                    ns,
                    ns / found.total,
                ),
                resource,
            )
            for (task, site), ns in sums.items()
        ]
    return sorted(lines, key=lambda line: -line.values[3])


def _cleanups(snapshot: Snapshot) -> list[Line]:
    return [
        Line(
            (
                *(
                    snapshot.resource_name(each.resource),
                    snapshot.site_label(each.site),
                    each.exits,
                    each.failed,
                ),
                *(each.cut_off, each.suppressed, each.under_error, each.under_cancellation),
                each.slowest,
            ),
            each.resource,
        )
        for each in cleanups(snapshot)
    ]


def _path(snapshot: Snapshot) -> list[Line]:
    path = critical_path(snapshot)
    return [
        Line(
            (
                _doing(snapshot, phase, resource),
                "" if resource is None else snapshot.resource_name(resource),
                "" if site is None else snapshot.site_label(site),
                ns,
                ns / path.length if path.length else 0,
            ),
            resource,
        )
        for (phase, resource, site), ns in path.shares(snapshot)
    ]


def _doing(snapshot: Snapshot, phase: Phase | None, resource: int | None) -> str:
    """Return what a task does in a phase of an acquisition of ``resource``."""
    if phase is None:
        return "outside of any"
    if phase == "exit" and resource is not None and snapshot.timeline.is_group(resource):
        return "waiting for the children of"
    return {"enter": "entering", "body": "holding", "exit": "cleaning up"}[phase]


def _waits(snapshot: Snapshot) -> list[Line]:
    timeline = snapshot.timeline
    return [
        Line(
            (
                describe_group(snapshot, group, _NAME),
                snapshot.site_label(group.site),
                group.duration.count,
                group.duration.total,
                group.duration.p50,
                group.duration.p99,
                group.duration.max,
                describe_wakers(snapshot, group),
            ),
            at=timeline.waits.started[group.longest],
            wait=group.longest,
        )
        for group in wait_groups(snapshot)[:_MOST_WAITS]
    ]


def _let_wait(snapshot: Snapshot) -> list[Line]:
    timeline = snapshot.timeline
    charges = wait_charges(snapshot, snapshot.once(wait_blame), wait_groups(snapshot))
    total = sum(each.ns for each in charges)
    return [
        Line(
            (
                describe_group(snapshot, each.group, _NAME),
                describe_charge(snapshot, each, _NAME),
                snapshot.site_label(each.site) if each.site else "",
                each.ns,
                each.ns / total,
            ),
            at=timeline.waits.started[each.group.longest],
            wait=each.group.longest,
        )
        for each in charges[:_MOST_WAITS]
    ]


def _stalls(snapshot: Snapshot) -> list[Line]:
    return [
        Line(
            (
                describe_line(snapshot.timeline, line.longest.started, _NAME),
                line.duration.count,
                line.duration.total,
                line.duration.max,
            ),
            at=line.longest.since,
            stall=line.longest.started.stall,
        )
        for line in stall_lines(snapshot)
    ]


TABLES = (
    ReportTable(
        "Resources",
        {
            "resource": _text,
            "kind": _text,
            "acquired": _count,
            "contended": _count,
            "wait p50": format_duration,
            "wait max": format_duration,
            "hold p50": format_duration,
            "hold max": format_duration,
            "most waiters": _count,
        },
        _resources,
    ),
    ReportTable(
        "Who kept them waiting",
        {
            "waited for": _text,
            "held by": _text,
            "at": _text,
            "waited": format_duration,
            "share": percent,
        },
        _holders,
    ),
    ReportTable(
        "Cleanup",
        {
            "resource": _text,
            "at": _text,
            "exits": _count,
            "failed": _count,
            "cut off": _count,
            "swallowed": _count,
            "after errors": _count,
            "after cancellations": _count,
            "slowest": format_duration,
        },
        _cleanups,
    ),
    ReportTable(
        "Critical path",
        {
            "doing": _text,
            "resource": _text,
            "at": _text,
            "spent": format_duration,
            "share": percent,
        },
        _path,
    ),
    ReportTable(
        "Waits for other things",
        {
            "waited for": _text,
            "at": _text,
            "times": _count,
            "total": format_duration,
            "p50": format_duration,
            "p99": format_duration,
            "max": format_duration,
            "ended by": _text,
        },
        _waits,
    ),
    ReportTable(
        "Who let them wait for other things",
        {
            "waited for": _text,
            "because": partial(shorten, width=2 * _NAME),
            "at": _text,
            "waited": format_duration,
            "share": percent,
        },
        _let_wait,
    ),
    ReportTable(
        "Stalls of the event loop",
        {"at": _text, "times": _count, "total": format_duration, "max": format_duration},
        _stalls,
    ),
)
"""The tables in the order of the key `b`."""
