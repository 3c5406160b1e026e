"""Who kept whom waiting, as table rows."""

from __future__ import annotations

from collections import defaultdict
from typing import Literal, TypeAlias

from asyncctx_trace.analysis.summary.report import Report
from asyncctx_trace.model.names import resource_name
from asyncctx_trace_tui.reports.labels import distinct_names

__all__ = ["Holder", "charges"]

Holder: TypeAlias = int | Literal["hand-over", "unknown"]
"""A site or a task; or the time between a release and the next enter, which is nobody's fault; or
other time in which the resource was not full."""

_SHOWN_SHARE = 0.01
"""The share of all waiting from which time without a holder to blame is shown: less is the normal
latency of the event loop."""


def charges(report: Report, by: str) -> list[tuple[str, Holder, int]]:
    """Return rows of resource name, holder and waiting time in ns, longest first.

    The holder is a site, or a task with ``by="task"``. Equal resources are grouped.
    """
    group_of = {
        each: number for number, group in enumerate(report.resources, 1) for each in group.resources
    }
    named = distinct_names(report)
    # A resource in a path is the number of its group, or its negative id if it is in none.
    sums: dict[tuple[tuple[int, ...], Holder], int] = defaultdict(int)
    names: dict[tuple[int, ...], str] = {}
    for number, blamed in report.blames.items():
        charged: list[tuple[Holder, tuple[int, ...], int]] = (
            [(site, path, ns) for site, path, ns in blamed.by_site()]
            if by == "site"
            else [(holder, (number,), ns) for holder, ns in blamed.by_task()]
        )
        if blamed.blamed:
            charged.append(("hand-over", (number,), blamed.hand_over))
            charged.append(("unknown", (number,), blamed.unknown - blamed.hand_over))
        for holder, path, ns in charged:
            key = tuple([group_of.get(each) or -each for each in path])
            if key not in names:
                names[key] = " → ".join(
                    named.get(each) or resource_name(report.snapshot.timeline, each)
                    for each in path
                )
            sums[key, holder] += ns
    total = sum(blamed.total for blamed in report.blames.values())
    ranked = sorted(sums.items(), key=lambda each: -each[1])
    return [
        (names[path], holder, ns)
        for (path, holder), ns in ranked
        if ns and (isinstance(holder, int) or ns >= _SHOWN_SHARE * total)
    ]
