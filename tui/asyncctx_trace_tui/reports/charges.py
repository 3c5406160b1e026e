"""Who kept whom waiting, as table rows."""

from __future__ import annotations

from collections import defaultdict
from typing import TypeAlias

from asyncctx_trace.analysis.summary.report import Report
from asyncctx_trace.analysis.summary.resource_groups import ResourceGroup
from asyncctx_trace.model.names import resource_name
from asyncctx_trace_tui.reports.labels import distinct_names

__all__ = ["charges"]

ResourcePath: TypeAlias = tuple[ResourceGroup | int, ...]


def charges(report: Report, by: str) -> list[tuple[str, int | None, int]]:
    """Return rows of resource name, holder and waiting time in ns, longest first.

    The holder is a site, or a task with ``by="task"``, or ``None`` if unknown. Equal resources are
    grouped.
    """
    group_of = {each: group for group in report.resources for each in group.resources}
    named = distinct_names(report)
    sums: dict[tuple[ResourcePath, int | None], int] = defaultdict(int)
    names: dict[ResourcePath, str] = {}
    for number, blamed in report.blames.items():
        charged: list[tuple[int | None, tuple[int, ...], int]] = (
            [(site, path, ns) for site, path, ns in blamed.by_site()]
            if by == "site"
            else [(holder, (number,), ns) for holder, ns in blamed.by_task()]
        )
        if blamed.blamed and blamed.unknown:
            charged.append((None, (number,), blamed.unknown))
        for holder, path, ns in charged:
            key = tuple(group_of.get(each, each) for each in path)
            if key not in names:
                names[key] = " → ".join(
                    named.get(each) or resource_name(report.snapshot.timeline, each)
                    for each in path
                )
            sums[key, holder] += ns
    ranked = sorted(sums.items(), key=lambda each: -each[1])
    return [(names[path], holder, ns) for (path, holder), ns in ranked]
