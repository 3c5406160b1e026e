"""Names, sites and times of the traced program, safe to print."""

from __future__ import annotations

from datetime import datetime

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.report import Report
from asyncctx_trace.analysis.summary.resource_groups import ResourceGroup
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.names import NAME_WIDTH, resource_name
from asyncctx_trace.model.text import shorten

__all__ = [
    "date_and_time",
    "distinct_names",
    "group_name",
    "time_label",
    "time_of_day",
    "path_label",
]


def group_name(group: ResourceGroup, width: int = NAME_WIDTH) -> str:
    """Return the name of a group: ``name`` for one resource, ``20 × name`` for several."""
    if len(group) == 1:
        return shorten(group.name, width)
    count = f"{len(group)} × "
    return count + shorten(group.name, width - len(count))


def distinct_names(report: Report) -> dict[int, str]:
    """Return resource -> name in tables; equal names of groups get a size or a number."""
    groups: dict[str, list[ResourceGroup]] = {}
    for group in report.resources:
        groups.setdefault(group_name(group), []).append(group)
    names: dict[int, str] = {}
    for alike in groups.values():
        sizes = [group.capacity for group in alike]
        for number, group in enumerate(alike, 1):
            suffix = ""
            if len(alike) > 1:
                by_size = group.capacity is not None and sizes.count(group.capacity) == 1
                suffix = f" (of {group.capacity})" if by_size else f" #{number}"
            shown = group_name(group, NAME_WIDTH - len(suffix)) + suffix
            names.update(dict.fromkeys(group.resources, shown))
    return names


def path_label(snapshot: Snapshot, resources: tuple[int, ...]) -> str:
    """Return the names from the resource that was waited for to the one that was held."""
    return " → ".join(resource_name(snapshot.timeline, each) for each in resources)


# -- times ----------------------------------------------------------------------------------


def time_label(report: Report, at: int) -> str:
    """Return a time as ``7.05 s (15:04:05)``: since the start, and local time of day."""
    clock = time_of_day(report, at)
    return format_duration(at - report.snapshot.start) + (f" ({clock})" if clock else "")


def time_of_day(report: Report, at: int) -> str:
    """Return a time as ``15:04:05`` in local time; ``""`` if unknown."""
    there = _local(report, at)
    return "" if there is None else f"{there:%H:%M:%S}"


def date_and_time(report: Report, at: int) -> str:
    """Return a time as ``2026-01-31 15:04:05`` in local time; ``""`` if unknown."""
    there = _local(report, at)
    return "" if there is None else f"{there:%Y-%m-%d %H:%M:%S}"


def _local(report: Report, at: int) -> datetime | None:
    wall = report.wall_ns(at)
    if wall is None:
        return None
    try:
        return datetime.fromtimestamp(wall / 1e9)
    except (ValueError, OverflowError, OSError):  # the recorded time may be invalid
        return None
