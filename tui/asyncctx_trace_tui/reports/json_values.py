"""Tasks, resources, sites and statistics as JSON values."""

from __future__ import annotations

from typing import Any

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.statistics import DurationStats

__all__ = ["resource_as_dict", "site_as_dict", "stats_as_dict", "task_as_dict"]


def task_as_dict(snapshot: Snapshot, task: int) -> dict[str, Any]:
    """Return a task as JSON values."""
    known = snapshot.timeline.tasks.get(task)
    return {"id": task, "name": known.name if known else None}


def resource_as_dict(snapshot: Snapshot, resource: int) -> dict[str, Any]:
    """Return a resource as JSON values."""
    known = snapshot.timeline.resources.get(resource)
    return {
        "id": resource,
        "name": known.name if known else None,
        "kind": known.kind if known else None,
    }


def site_as_dict(snapshot: Snapshot, site: int) -> dict[str, Any]:
    """Return the site of an ``async with`` as JSON values."""
    known = snapshot.timeline.sites.get(site)
    if known is None:
        return {"file": None, "line": None, "function": None, "text": None}
    return {
        "file": known.file,
        "line": known.line,
        "function": known.function,
        "text": known.text,
    }


def stats_as_dict(stats: DurationStats) -> dict[str, int]:
    """Return statistics of durations in ns as JSON values."""
    return {
        "count": stats.count,
        "p50_ns": stats.p50,
        "p95_ns": stats.p95,
        "p99_ns": stats.p99,
        "max_ns": stats.max,
        "total_ns": stats.total,
    }
