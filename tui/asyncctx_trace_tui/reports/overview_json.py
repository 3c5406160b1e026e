"""The overview as JSON values."""

from __future__ import annotations

from typing import Any

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.overview.model import Item, Overview
from asyncctx_trace_tui.reports.json_values import resource_as_dict, site_as_dict

__all__ = ["overview_as_dict"]


def overview_as_dict(snapshot: Snapshot, shown: Overview) -> dict[str, Any]:
    """Return ``shown`` as JSON values; times are ns since the start of the recording."""
    health = shown.health
    return {
        "opening": list(shown.opening),
        "clean": shown.clean,
        "hanging": [_item(snapshot, item) for item in shown.hanging],
        "culprits": [_item(snapshot, item) for item in shown.culprits],
        "culprits_left_out": shown.more,
        "busiest": [_item(snapshot, item) for item in shown.busiest],
        "health": {
            "tasks": health.tasks,
            "processes": health.processes,
            "acquisitions": health.acquisitions,
            "waits": health.waits,
            "waiting": health.waiting,
            "errors": health.errors,
            "timeouts": health.timeouts,
            "cancellations": health.cancellations,
            "stalls": health.stalls,
            "stalled_ns": health.stalled,
            "longest_stall_ns": health.longest_stall,
            "lost": list(health.lost),
        },
    }


def _item(snapshot: Snapshot, item: Item) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "severity": item.severity,
        "certain": item.certain,
        "title": item.title,
        "sentence": item.sentence,
        "remedy": item.remedy,
        "cost_ns": item.cost,
        "at_ns": item.at - snapshot.start,
        "history": list(item.history),
        "history_of": item.history_of,
        "acquisition": item.row,
        "resource": None if item.resource is None else resource_as_dict(snapshot, item.resource),
        "site": None if item.site is None else site_as_dict(snapshot, item.site),
    }
