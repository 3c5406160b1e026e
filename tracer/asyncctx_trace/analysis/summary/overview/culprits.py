"""What cost most time: holds that kept others waiting, and findings, as items."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import compress
from operator import sub

from asyncctx_trace.analysis.findings import Severity
from asyncctx_trace.analysis.loop_stalls import StallLine
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.culprit import Culprit, culprits_of
from asyncctx_trace.analysis.summary.grouping import FindingGroup
from asyncctx_trace.analysis.summary.overview import histories
from asyncctx_trace.analysis.summary.overview.model import Item
from asyncctx_trace.analysis.summary.overview.remedies import REMEDIES, remedy_for_holds
from asyncctx_trace.analysis.summary.report import Report
from asyncctx_trace.analysis.summary.resource_groups import ResourceGroup
from asyncctx_trace.analysis.timeline.row_lookup import holds_of, pick
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.text import count

__all__ = ["Candidate", "culprits", "group_label"]

_HOLDS = 8
"""The number of sites that are considered."""
_LEAST_SHARE = 0.01
"""The share of all waiting from which holds at one site are worth showing."""
_LEAST = 10_000_000
"""The waiting from which they are, in ns."""
_SYMPTOMS = ("held-across-wait", "starved-pool", "still-waiting")
"""Kinds of findings about resources that someone else held: the holds say it better."""
_CAUSES = ("deadlock", "leak", "destroyed-task", "still-waiting")
"""Kinds of findings that say better why something was held, if they name that acquisition."""
_STUCK = ("deadlock",)
"""Kinds of findings that come first, whatever they cost."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What may be shown, before it is described: that takes time."""

    kind: str
    severity: Severity
    certain: bool
    cost: int
    row: int | None
    describe: Callable[[], Item]


def culprits(report: Report) -> list[Candidate]:
    """Return what cost time, and what else is wrong, the worst first.

    Certain deadlocks come first; the rest is ranked by the time that tasks lost, and by severity
    where that is not known.
    """
    snapshot, groups = report.snapshot, report.groups
    explained = {
        row
        for group in groups
        if group.kind in _CAUSES
        for finding in group.findings
        for row in finding.rows
    }
    found = [
        culprit
        for culprit in culprits_of(snapshot, report.blames, report.resources, _HOLDS)
        if culprit.waited >= max(_LEAST, _LEAST_SHARE * culprit.waited_in_all)
    ]
    shown = [culprit for culprit in found if culprit.row not in explained]
    candidates = [
        Candidate(
            "hold",
            "warning",
            True,
            culprit.waited,
            culprit.row,
            partial(_of_holds, report, culprit),
        )
        for culprit in shown
    ]
    candidates += [
        _candidate(report, group) for group in groups if not _is_symptom(group, found, explained)
    ]
    return sorted(candidates, key=_rank)


def _candidate(report: Report, group: FindingGroup) -> Candidate:
    worst = group.findings[0]
    cost = group.cost
    if any(_stalls_of(report, group)):
        cost = max(cost, _waited_for(report, group))
    return Candidate(
        group.kind,
        group.severity,
        group.certainty == "certain",
        cost,
        worst.rows[0] if worst.rows else None,
        partial(_of_group, report, group, cost),
    )


def _rank(item: Candidate) -> tuple[bool, int, int]:
    stuck = item.kind in _STUCK and item.certain
    return not stuck, -item.cost, ("error", "warning", "note").index(item.severity)


def _is_symptom(group: FindingGroup, found: Sequence[Culprit], explained: set[int]) -> bool:
    """Return whether holds that are shown, or a graver finding, say it better."""
    if group.kind not in _SYMPTOMS:
        return False
    about = {resource for each in group.resources for resource in each.resources}
    rows = {row for finding in group.findings for row in finding.rows}
    if group.kind == "still-waiting" and rows & explained:
        return False
    return any(not about.isdisjoint(culprit.group.resources) for culprit in found)


# -- holds ----------------------------------------------------------------------------------


def _of_holds(report: Report, culprit: Culprit) -> Item:
    snapshot, first = report.snapshot, report.culprit
    label = group_label(snapshot, culprit.group)
    said = report.headline.group is None and first is not None and culprit.row == first.row
    kept = kept_waiting(snapshot, culprit)
    worst, at = _worst_hold(snapshot, culprit)
    times = f" {culprit.holds:,} times, up to" if culprit.holds > 1 else " for"
    still = " and still holds it" if culprit.lasts and snapshot.running else ""
    return Item(
        kind="hold",
        severity="warning",
        title=f"{label} held {culprit.holds:,}× at {snapshot.site_label(culprit.site)}, "
        f"{kept:,} waited",
        in_opening=said,
        sentence=(
            f"{_place(snapshot, culprit)} held {label}{times} "
            f"{format_duration(culprit.longest)}{still}, and kept {count(kept, 'acquisition')} "
            f"waiting, {format_duration(culprit.waited)} in all"
        ),
        cost=culprit.waited,
        history=histories.waiting(snapshot, culprit.group.resources),
        history_of="waiting",
        at=at,
        remedy=remedy_for_holds(snapshot, culprit, kept),
        row=worst,
        resource=snapshot.timeline.resource[worst],
        site=culprit.site,
    )


def _place(snapshot: Snapshot, culprit: Culprit) -> str:
    place = _at(snapshot, culprit.site)
    return (
        place if culprit.caller is None else f"{place}, entered by {_at(snapshot, culprit.caller)},"
    )


def _at(snapshot: Snapshot, site: int) -> str:
    function = snapshot.function_name(site)
    label = snapshot.site_label(site)
    return f"`{function}` at {label}" if function else f"the block at {label}"


def group_label(snapshot: Snapshot, group: ResourceGroup) -> str:
    """Return the name of a resource, with its kind where that helps: ``one of 20 locks `x```."""
    if len(group) > 1:
        return f"one of {len(group)} {group.kind}s `{group.name}`"
    return f"`{snapshot.resource_name(group.resources[0])}`"


def kept_waiting(snapshot: Snapshot, culprit: Culprit) -> int:
    """Return how many acquisitions waited for a resource while it was held at that site."""
    timeline, now = snapshot.timeline, snapshot.now
    rows_of: dict[int, list[int]] = {}
    for row, resource in zip(culprit.rows, pick(timeline.resource, culprit.rows), strict=True):
        rows_of.setdefault(resource, []).append(row)
    found = 0
    for resource, rows in rows_of.items():
        occupancy = snapshot.occupancy(resource)
        if len(rows) == len(occupancy.rows):  # nobody held it anywhere else
            found += occupancy.contended
            continue
        starts, ends = _merged(zip(*holds_of(timeline, array("q", rows), now), strict=True))
        waited = array("q", compress(occupancy.rows, occupancy.blocked_times))
        asked, got = pick(timeline.enter_started, waited), pick(timeline.enter_ended, waited)
        for start, end in zip(asked, got, strict=True):
            # The last hold that began before the wait ended.
            index = bisect_left(starts, now if end == NOT_YET else end) - 1
            found += index >= 0 and ends[index] > start
    return found


def _merged(holds: Iterable[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Return starts and ends of the times covered by ``holds``, which may overlap."""
    starts: list[int] = []
    ends: list[int] = []
    for start, end in sorted(holds):
        if ends and start <= ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    return starts, ends


def _worst_hold(snapshot: Snapshot, culprit: Culprit) -> tuple[int, int]:
    """Return the hold during which tasks waited most, and when most of them did."""
    timeline = snapshot.timeline
    starts, ends = holds_of(timeline, culprit.rows, snapshot.now)
    longest = sorted(zip(map(sub, ends, starts), starts, culprit.rows, strict=True), reverse=True)
    queues = {
        resource: max(snapshot.occupancy(resource).blocked_waiters, default=0)
        for resource in culprit.group.resources
    }
    most, worst, start, end = -1, 0, 0, 0
    for length, begun, row in longest:
        resource = timeline.resource[row]
        if length * max(queues.values()) <= most:  # shorter ones cannot be worse
            break
        waited = snapshot.occupancy(resource).blocked_between(begun, begun + length)
        if waited > most:
            most, worst, start, end = waited, row, begun, begun + length
    occupancy = snapshot.occupancy(timeline.resource[worst])
    first = max(0, bisect_right(occupancy.times, start) - 1)
    last = max(first + 1, bisect_left(occupancy.times, end))
    waiters = occupancy.blocked_waiters
    fullest = max(range(first, last), key=waiters.__getitem__)
    return worst, min(max(start, occupancy.times[fullest]), end)


# -- findings -------------------------------------------------------------------------------


def _of_group(report: Report, group: FindingGroup, cost: int) -> Item:
    snapshot = report.snapshot
    worst = group.findings[0]
    times = f" ({group.count:,} times)" if group.count > 1 and "times" not in group.sentence else ""
    line = next(iter(_stalls_of(report, group)), None)
    history, history_of = _history(report, group, line)
    return Item(
        kind=group.kind,
        severity=group.severity,
        certain=group.certainty == "certain",
        title=_title(snapshot, group),
        in_opening=group is report.headline.group,
        sentence=group.sentence.rstrip(".") + times,
        cost=cost,
        history=history,
        history_of=history_of,
        at=worst.at if line is None else line.longest.since,
        remedy=REMEDIES[group.kind],
        row=worst.rows[0] if worst.rows and line is None else None,
        stall=None if line is None else line.longest.started.stall,
        resource=worst.resource,
        site=line.longest.started.site if line is not None else next(iter(worst.sites), None),
    )


def _title(snapshot: Snapshot, group: FindingGroup) -> str:
    place = f" at {snapshot.site_label(group.sites[0])}" if group.sites else ""
    times = f" {group.count:,}×" if group.count > 1 else ""
    certainty = "" if group.certainty == "certain" else "possible "
    return f"{certainty}{group.kind}{place}{times}"


def _stalls_of(report: Report, group: FindingGroup) -> Iterator[StallLine]:
    """Yield the line that blocked an event loop, if the finding is about that."""
    if group.kind == "blocked-loop":
        for line in report.stalls:
            site = line.longest.started.site
            if site is None or site in group.sites:
                yield line


def _waited_for(report: Report, group: FindingGroup) -> int:
    """Return for how long tasks waited for resources while the event loop stood still, in ns."""
    return sum(
        share.ns
        for blamed in report.blames.values()
        for share in blamed.shares
        if share.stalled and share.charged[0] in group.sites
    )


def _history(
    report: Report, group: FindingGroup, line: StallLine | None
) -> tuple[tuple[float, ...], str]:
    snapshot = report.snapshot
    if line is not None:
        return histories.blocked(snapshot, line.stalls), "blocked"
    resources = {resource for each in group.resources for resource in each.resources}
    queue = histories.waiting(snapshot, resources.intersection(snapshot.limited))
    if queue:
        return queue, "waiting"
    return histories.occurrences(snapshot, (finding.at for finding in group.findings)), "found"
