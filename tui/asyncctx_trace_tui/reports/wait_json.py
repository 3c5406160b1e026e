"""Waits for other things than managers, and stalls, in the report for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asyncctx_trace.analysis.contention.wait_blame import WaitShare
from asyncctx_trace.analysis.loop_stalls import StallLine, describe_line
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.wait_statistics import WaitGroup, describe_group
from asyncctx_trace.analysis.wait_subjects import describe_subject
from asyncctx_trace.model.names import NAME_WIDTH
from asyncctx_trace.model.waits import WaitKind
from asyncctx_trace_tui.reports.json_values import (
    resource_as_dict,
    site_as_dict,
    stats_as_dict,
    task_as_dict,
)

__all__ = ["awaited_as_dict", "open_waits", "stalls_as_dict", "waits_as_dict"]

_MOST_SHARES = 50
"""The number of shares of the blame that are listed; the others are added up."""


def waits_as_dict(
    snapshot: Snapshot, group: WaitGroup, shares: Sequence[WaitShare]
) -> dict[str, Any]:
    """Return waits of one kind, for one subject, at one site, with who is to blame for them."""
    return {
        "kind": group.kind.label,
        "subject": resource_as_dict(snapshot, group.subject) if group.subject else None,
        "summary": describe_group(snapshot, group, NAME_WIDTH),
        "site": site_as_dict(snapshot, group.site),
        **stats_as_dict(group.duration),
        "in_flight": group.open,
        "cancelled": group.cancelled,
        "failed": group.failed,
        "ended_by": [
            {"task": task_as_dict(snapshot, task) if task else None, "times": times}
            for task, times in group.wakers
        ],
        "ended_by_count": group.waker_count,
        "blame": [_share(snapshot, share) for share in shares[:_MOST_SHARES]],
        "blame_left_out_ns": sum(share.ns for share in shares[_MOST_SHARES:]),
    }


def _share(snapshot: Snapshot, share: WaitShare) -> dict[str, Any]:
    return {
        "task": None if share.task is None else task_as_dict(snapshot, share.task),
        "site": site_as_dict(snapshot, share.site) if share.site else None,
        "reason": share.reason,
        "resource": resource_as_dict(snapshot, share.resource) if share.resource else None,
        "kind": None if share.kind is None else share.kind.label,
        "ns": share.ns,
    }


def stalls_as_dict(snapshot: Snapshot, line: StallLine) -> dict[str, Any]:
    """Return the stalls in one line, and the longest of them."""
    worst = line.longest
    started = worst.started
    tasks = dict.fromkeys(stall.started.task for stall in line.stalls)
    return {
        "summary": describe_line(snapshot.timeline, started),
        "site": None if started.site is None else site_as_dict(snapshot, started.site),
        **stats_as_dict(line.duration),
        "tasks": [task_as_dict(snapshot, task) for task in tasks if task is not None][:20],
        "longest": {
            "at_ns": worst.since - snapshot.start,
            "task": None if started.task is None else task_as_dict(snapshot, started.task),
            "lasts": not worst.ended,
            "collections": worst.collections,
            "stack": [
                {"file": file, "line": number, "function": function}
                for file, number, function in started.stack
            ],
        },
    }


def awaited_as_dict(snapshot: Snapshot, wait: int) -> dict[str, Any]:
    """Return what a wait for something other than a manager is for, and where."""
    timeline, waits = snapshot.timeline, snapshot.timeline.waits
    return {
        "kind": WaitKind(waits.kind[wait]).label,
        "summary": describe_subject(timeline, wait),
        "site": site_as_dict(snapshot, waits.site[wait]),
    }


def open_waits(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return who waits for other things than managers, the longest wait first."""
    waits = snapshot.timeline.waits
    groups: dict[tuple[int, int, int], list[int]] = {}
    for row in sorted(waits.open.values(), key=waits.started.__getitem__):
        groups.setdefault((waits.kind[row], waits.subject[row], waits.site[row]), []).append(row)
    return [
        {
            **awaited_as_dict(snapshot, first),
            "since_ns": waits.started[first] - snapshot.start,
            "tasks": [task_as_dict(snapshot, waits.task[row]) for row in (first, *others)],
        }
        for first, *others in groups.values()
    ]
