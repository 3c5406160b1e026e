"""The overview of a recording, put together from its report."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.overview.culprits import Candidate, culprits
from asyncctx_trace.analysis.summary.overview.hanging import hanging
from asyncctx_trace.analysis.summary.overview.health import busiest, health
from asyncctx_trace.analysis.summary.overview.model import Item, Overview
from asyncctx_trace.analysis.summary.report import Report, report

__all__ = ["overview", "overview_of"]

_MOST = 5
"""The largest number of culprits."""
_ENOUGH = 3
"""The number of culprits from which the busiest resources are left out."""


def overview_of(snapshot: Snapshot) -> Overview:
    """Return the overview of ``snapshot``; rows are those of its timeline."""
    result = overview(snapshot.once(report))
    cut = snapshot.once(report).snapshot
    if cut.rows is None:
        return result
    return replace(
        result,
        culprits=tuple(_with_old_row(item, cut) for item in result.culprits),
        hanging=tuple(_with_old_row(item, cut) for item in result.hanging),
    )


def overview(report: Report) -> Overview:
    """Return the overview of what ``report`` covers; rows are those of its snapshot."""
    snapshot = report.snapshot
    now = hanging(snapshot) if snapshot.running else []
    hung = {item.row for item in now if item.kind != "wait"}
    found = [
        item
        for item in culprits(report)
        if item.kind not in ("deadlock", "still-waiting") or item.row not in hung
    ]
    shown = _chosen(found)
    return Overview(
        opening=report.opening,
        clean=report.headline.clean and not now,
        running=snapshot.running,
        hanging=tuple(now),
        culprits=tuple(candidate.describe() for candidate in shown),
        more=len(found) - len(shown),
        busiest=tuple(busiest(report)) if len(shown) < _ENOUGH else (),
        health=health(report),
        start=snapshot.start,
        end=snapshot.now,
    )


def _chosen(items: list[Candidate]) -> list[Candidate]:
    """Return the first few; certain errors are among them, whatever time they cost."""
    first, rest = items[:_MOST], items[_MOST:]
    faults = islice((item for item in rest if item.severity == "error" and item.certain), 2)
    for fault in faults:
        spare = [item for item in first if item.severity != "error"]
        if not spare:
            break
        first.remove(spare[-1])
        first.append(fault)
    return first


def _with_old_row(item: Item, cut: Snapshot) -> Item:
    """Return ``item`` with the row of the timeline that was cut at an interruption."""
    return item if item.row is None or cut.rows is None else replace(item, row=cut.rows[item.row])
