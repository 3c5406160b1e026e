"""The report for programs; its schema is documented in ``docs/report-json.md``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from asyncctx_trace.analysis.contention.costs import ResourceUse
from asyncctx_trace.analysis.estimates import estimates
from asyncctx_trace.analysis.findings import Finding
from asyncctx_trace.analysis.kernels.path_steps import Step
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.culprit import Culprit
from asyncctx_trace.analysis.summary.grouping import FindingGroup
from asyncctx_trace.analysis.summary.last_moment import ended_by, pending_waits
from asyncctx_trace.analysis.summary.overview.assemble import overview
from asyncctx_trace.analysis.summary.report import Report
from asyncctx_trace.analysis.summary.resource_groups import ResourceGroup
from asyncctx_trace.analysis.summary.root_causes import Failure
from asyncctx_trace_tui.reports.json_values import (
    resource_as_dict,
    site_as_dict,
    stats_as_dict,
    task_as_dict,
)
from asyncctx_trace_tui.reports.overview_json import overview_as_dict
from asyncctx_trace_tui.reports.wait_json import (
    awaited_as_dict,
    open_waits,
    stalls_as_dict,
    waits_as_dict,
)

__all__ = ["VERSION", "as_dict", "finding_as_dict", "render_json"]

VERSION = 2
"""Increases when a field is removed or changes its meaning; new fields do not change it."""

_STEPS = 10_000
"""The largest number of steps of the critical path; the last ones are written."""


def render_json(report: Report, file: str) -> str:
    """Render ``report`` on the recording ``file`` as a JSON object."""
    return json.dumps(as_dict(report, file), indent=2) + "\n"


def as_dict(report: Report, file: str) -> dict[str, Any]:
    """Return ``report`` as JSON values; times are ns since the start of the recording."""
    snapshot = report.snapshot
    timeline = snapshot.timeline
    return {
        "schema": "asyncctx-trace/report",
        "version": VERSION,
        "recording": {
            "file": file,
            "length_ns": snapshot.now - snapshot.start,
            "acquisitions": len(timeline),
            "in_flight": len(timeline.in_flight),
            "tasks": len(timeline.rows_of_task.keys() | timeline.waits.rows_of_task.keys()),
            "waits": len(timeline.waits),
            "running": snapshot.running,
            "started_at": _time_of_day(report, snapshot.start),
            "ended_at": _time_of_day(report, snapshot.now),
        },
        "dump": _dump(report),
        "sampled": _sampled(report),
        "verdict": report.verdict,
        "interrupted": _interrupted(report),
        "headline": report.headline.sentence,
        "culprit": None if report.culprit is None else _culprit(snapshot, report.culprit),
        "overview": overview_as_dict(snapshot, overview(report)),
        "dropped": {
            "acquisitions": report.dropped,
            "reasons": [each.reason for each in timeline.dropped],
        },
        "findings": [finding_as_dict(snapshot, finding) for finding in report.findings],
        "groups": _groups(report),
        "budgets": [
            {
                "budget": breach.budget.text,
                "resource": None
                if breach.resource is None
                else resource_as_dict(snapshot, breach.resource),
                "summary": breach.summary,
            }
            for breach in report.breaches
        ],
        "resources": [_use(report, use) for use in report.uses],
        "resource_groups": [_resource_group(group) for group in report.resources],
        "waits": [
            waits_as_dict(snapshot, group, report.wait_blame.of(group)) for group in report.waits
        ],
        "stalls": [stalls_as_dict(snapshot, line) for line in report.stalls],
        "cleanup": [
            {
                "resource": resource_as_dict(snapshot, each.resource),
                "site": site_as_dict(snapshot, each.site),
                "exits": each.exits,
                "under_error": each.under_error,
                "under_cancellation": each.under_cancellation,
                "failed": each.failed,
                "cut_off": each.cut_off,
                "suppressed": each.suppressed,
                "overlapping": each.overlapping,
                "slowest_ns": each.slowest,
            }
            for each in report.cleanups
        ],
        "cleanup_order": [
            {
                "exits": [
                    {
                        "resource": resource_as_dict(snapshot, number),
                        "site": site_as_dict(snapshot, site),
                    }
                    for number, site in order.left
                ],
                "in_order": order.in_order,
                "by_exit_stack": order.by_stack,
                "times": order.times,
                "tasks": [task_as_dict(snapshot, task) for task in list(order.tasks)[:20]],
            }
            for order in report.orders
        ],
        "mishaps": [
            {
                "first": _bad_end(snapshot, root_cause.first),
                "followed": [_bad_end(snapshot, end) for end in root_cause.followed],
            }
            for root_cause in report.root_causes
        ],
        "critical_path": [_step(snapshot, step) for step in report.path.steps[-_STEPS:]],
        "critical_path_left_out": max(0, len(report.path.steps) - _STEPS),
        "critical_path_shares": [
            {
                "phase": phase,
                "resource": None if resource is None else resource_as_dict(snapshot, resource),
                "site": None if site is None else site_as_dict(snapshot, site),
                "ns": ns,
            }
            for (phase, resource, site), ns in report.path.shares(snapshot)
        ],
    }


def _sampled(report: Report) -> list[dict[str, Any]] | None:
    if not report.snapshot.timeline.is_sampled:
        return None
    return [
        {
            "resource": resource_as_dict(report.snapshot, each.resource),
            "kept": each.kept,
            "acquisitions": each.acquisitions.value,
            "acquisitions_error": each.acquisitions.error,
            "wait_ns": each.wait.value,
            "wait_error_ns": each.wait.error,
            "wait_p99_ns": each.wait_p99,
            "hold_ns": each.hold.value,
            "hold_error_ns": each.hold.error,
        }
        for each in report.snapshot.once(estimates)
    ]


def _dump(report: Report) -> dict[str, Any] | None:
    dump = report.snapshot.timeline.dump
    if dump is None:
        return None
    return {
        "trigger": dump.trigger,
        "reason": dump.reason,
        "at_ns": dump.triggered - report.snapshot.start,
        "at": _time_of_day(report, dump.triggered),
        "before_ns": dump.triggered - dump.since,
        "after_ns": dump.at - dump.triggered,
        "pid": dump.pid,
        "suppressed": dump.suppressed,
    }


def _groups(report: Report) -> list[dict[str, Any]]:
    """Return the groups of findings; each refers to its findings by index."""
    index = {id(finding): number for number, finding in enumerate(report.findings)}

    def as_dict(group: FindingGroup) -> dict[str, Any]:
        snapshot = report.snapshot
        return {
            "kind": group.kind,
            "severity": group.severity,
            "certainty": group.certainty,
            "summary": group.sentence,
            "sites": [site_as_dict(snapshot, site) for site in group.sites],
            "resources": [_resource_group(each) for each in group.resources],
            "count": group.count,
            "first_ns": group.first - snapshot.start,
            "last_ns": group.last - snapshot.start,
            "cost_ns": group.cost,
            "findings": [index[id(finding)] for finding in group.findings],
            "consequences": [as_dict(each) for each in group.consequences],
        }

    return [as_dict(group) for group in report.groups]


def _resource_group(group: ResourceGroup) -> dict[str, Any]:
    return {
        "name": group.name,
        "kind": group.kind,
        "capacity": group.capacity,
        "count": len(group),
        "ids": list(group.resources),
    }


def _culprit(snapshot: Snapshot, culprit: Culprit) -> dict[str, Any]:
    return {
        "site": site_as_dict(snapshot, culprit.site),
        "caller": None if culprit.caller is None else site_as_dict(snapshot, culprit.caller),
        "resource": _resource_group(culprit.group),
        "holds": culprit.holds,
        "longest_hold_ns": culprit.longest,
        "acquisition": snapshot.timeline.id[culprit.row],
        "task": task_as_dict(snapshot, snapshot.timeline.task[culprit.row]),
        "lasts": culprit.lasts,
        "most_waiters": culprit.waiters,
        "waited_ns": culprit.waited,
        "waited_in_all_ns": culprit.waited_in_all,
    }


def _interrupted(report: Report) -> dict[str, Any] | None:
    snapshot = report.snapshot
    timeline = snapshot.timeline
    cause = ended_by(snapshot)
    if cause is None:
        return None
    return {
        "by": cause,
        "at_ns": snapshot.now - snapshot.start,
        "summary": report.last_moment,
        "waiting": [
            {
                "resource": resource_as_dict(snapshot, timeline.resource[wait.rows[0]]),
                "site": site_as_dict(snapshot, timeline.site[wait.rows[0]]),
                "phase": wait.phase,
                "since_ns": wait.since - snapshot.start,
                "acquisitions": [timeline.id[row] for row in wait.rows],
                "tasks": [task_as_dict(snapshot, timeline.task[row]) for row in wait.rows],
                "holders": [
                    {
                        "acquisition": timeline.id[row],
                        "task": task_as_dict(snapshot, snapshot.holder(row, snapshot.now)),
                        "site": site_as_dict(snapshot, timeline.site[row]),
                        "since_ns": timeline.enter_ended[row] - snapshot.start,
                    }
                    for row in wait.holders
                ],
            }
            for wait in pending_waits(snapshot)
        ],
        "waits": open_waits(snapshot),
    }


def _time_of_day(report: Report, at: int) -> str | None:
    """ISO 8601 in UTC, or ``None``."""
    wall = report.wall_ns(at)
    try:
        return None if wall is None else datetime.fromtimestamp(wall / 1e9, UTC).isoformat()
    except (ValueError, OverflowError, OSError):  # the recorded time may be invalid
        return None


def _step(snapshot: Snapshot, step: Step) -> dict[str, Any]:
    timeline, row = snapshot.timeline, step.row
    return {
        "start_ns": step.start - snapshot.start,
        "end_ns": step.end - snapshot.start,
        "task": task_as_dict(snapshot, step.task),
        "phase": step.phase,
        "acquisition": None if row is None else timeline.id[row],
        "resource": None if row is None else resource_as_dict(snapshot, timeline.resource[row]),
        "site": None if row is None else site_as_dict(snapshot, timeline.site[row]),
        "wait": None if step.wait is None else awaited_as_dict(snapshot, step.wait),
        "link": step.link,
        "released_by": None if step.by is None else timeline.id[step.by],
    }


def finding_as_dict(snapshot: Snapshot, finding: Finding) -> dict[str, Any]:
    """Return a finding with its evidence as JSON values."""
    return {
        "kind": finding.kind,
        "severity": finding.severity,
        "certainty": finding.certainty,
        "summary": finding.summary,
        "resource": None
        if finding.resource is None
        else resource_as_dict(snapshot, finding.resource),
        "tasks": [task_as_dict(snapshot, task) for task in finding.tasks],
        "sites": [site_as_dict(snapshot, site) for site in finding.sites],
        "acquisitions": [snapshot.timeline.id[row] for row in finding.rows],
        "at_ns": finding.at - snapshot.start,
        "cost_ns": finding.cost,
        "count": finding.count,
    }


def _use(report: Report, use: ResourceUse) -> dict[str, Any]:
    snapshot = report.snapshot
    blamed = report.blames.get(use.resource)
    when = use.most_waiters_at
    return {
        "id": use.resource,
        "name": use.name,
        "kind": use.kind,
        "capacity": use.capacity,
        "contends": use.contends,
        "acquisitions": use.acquisitions,
        "contended": use.contended,
        "wait": stats_as_dict(use.wait),
        "hold": stats_as_dict(use.hold),
        "cleanup": stats_as_dict(use.cleanup),
        "most_waiters": use.most_waiters,
        "most_waiters_at_ns": None if when is None else when - snapshot.start,
        "utilisation": use.utilisation,
        "overtaken": use.overtaken,
        "fairness": use.fairness,
        "blame": None
        if blamed is None
        else {
            "total_ns": blamed.total,
            "blamed_ns": blamed.blamed,
            "unknown_ns": blamed.unknown,
            "hand_over_ns": blamed.hand_over,
            "by_site": [
                {
                    "site": site_as_dict(snapshot, site),
                    "way": [resource_as_dict(snapshot, each) for each in path],
                    "ns": ns,
                }
                for site, path, ns in blamed.by_site()
            ],
            "by_task": [
                {"task": task_as_dict(snapshot, task), "ns": ns} for task, ns in blamed.by_task()
            ],
        },
    }


def _bad_end(snapshot: Snapshot, end: Failure) -> dict[str, Any]:
    timeline = snapshot.timeline
    error = timeline.errors.get((end.row, end.phase))
    return {
        "at_ns": end.at - snapshot.start,
        "task": task_as_dict(snapshot, end.task),
        "acquisition": timeline.id[end.row],
        "resource": resource_as_dict(snapshot, timeline.resource[end.row]),
        "site": site_as_dict(snapshot, timeline.site[end.row]),
        "phase": end.phase,
        "outcome": end.outcome.name.lower(),
        "error": None if error is None else {"type": error.type, "message": error.message},
    }
