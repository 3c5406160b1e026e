"""The comparison of two recordings for programs; the schema is in ``docs/report-json.md``."""

from __future__ import annotations

import json
from typing import Any

from asyncctx_trace.analysis.cleanup import Order
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.comparison import Change, Comparison
from asyncctx_trace.model.names import resource_name
from asyncctx_trace_tui.reports.json_report import VERSION, finding_as_dict
from asyncctx_trace_tui.reports.json_values import stats_as_dict

__all__ = ["render_comparison_json"]


def render_comparison_json(comparison: Comparison, before: str, after: str) -> str:
    """Render ``comparison`` as a JSON object; ``before`` and ``after`` name the recordings."""
    return json.dumps(_as_dict(comparison, before, after), indent=2) + "\n"


def _as_dict(comparison: Comparison, before: str, after: str) -> dict[str, Any]:
    new, gone = comparison.new_findings, comparison.gone_findings
    return {
        "schema": "asyncctx-trace/diff",
        "version": VERSION,
        "before": before,
        "after": after,
        "slower": [_grown(*each) for each in comparison.slower],
        "faster": [_grown(*each) for each in comparison.faster],
        "places": [
            {
                **_place(change),
                "before": _spreads(change.before),
                "after": _spreads(change.after),
            }
            for change in comparison.changes
        ],
        "new_findings": [finding_as_dict(comparison.after, each) for each in new],
        "gone_findings": [finding_as_dict(comparison.before, each) for each in gone],
        "new_cleanup_orders": [_order(comparison.after, each) for each in comparison.new_orders],
        "gone_cleanup_orders": [_order(comparison.before, each) for each in comparison.gone_orders],
    }


def _place(change: Change) -> dict[str, Any]:
    kind, name, file, function, text, _ = change.key
    return {
        "resource": {"kind": kind, "name": name},
        "file": file,
        "function": function,
        "text": text,
        "line_before": change.before_line,
        "line_after": change.after_line,
    }


def _grown(change: Change, phase: str, ns: int) -> dict[str, Any]:
    return {
        **_place(change),
        "phase": phase,
        "p95_before_ns": change.before[phase].p95,
        "p95_after_ns": change.after[phase].p95,
        "difference_ns": ns,
    }


def _spreads(duration_stats: dict[str, Any]) -> dict[str, Any] | None:
    return {phase: stats_as_dict(stats) for phase, stats in duration_stats.items()} or None


def _order(snapshot: Snapshot, order: Order) -> dict[str, Any]:
    return {
        "exits": [resource_name(snapshot.timeline, number) for number, _ in order.left],
        "in_order": order.in_order,
        "times": order.times,
    }
