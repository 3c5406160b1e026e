"""The verdict: what is wrong and where, then how much was looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.culprit import Culprit
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.text import count, percent

if TYPE_CHECKING:
    from asyncctx_trace.analysis.summary.grouping import FindingGroup
    from asyncctx_trace.analysis.summary.resource_groups import ResourceGroup

__all__ = ["Headline", "headline", "opening", "summary"]

_SHARE = 0.25
"""The average number of waiting tasks from which contention is named first."""
_SHARE_OF_ERRORS = 2.0
"""The same if there is a certain finding that is an error."""
_STUCK = ("deadlock", "slow-cleanup", "still-waiting")
"""Kinds of findings about tasks that may not go on."""
_SYMPTOMS = (
    "held-across-wait",
    "lock-order-inversion",
    "slow-cleanup",
    "starved-pool",
    "still-waiting",
    "timeout",
)
"""Kinds that follow from a long hold, or do not explain it."""
_BOUNDS = ("semaphore", "limiter")
"""Kinds of resources that may be meant to make tasks queue."""


@dataclass(frozen=True, slots=True)
class Headline:
    """The first sentence of a report."""

    sentence: str
    group: FindingGroup | None = None
    """The findings that it describes."""
    lasts: bool = False
    """Whether it describes something that was still going on at the end."""
    clean: bool = False
    """Whether it says that there are no findings."""


def headline(
    snapshot: Snapshot, groups: Sequence[FindingGroup], culprit: Culprit | None
) -> Headline:
    """Return the sentence about the most important thing: site, function and resource.

    A certain deadlock comes first; then the holds that kept other tasks waiting for a large part of
    the run, or a very large one if something has certainly failed as well; then the first certain
    finding, and the first possible one.
    """
    if not len(snapshot.timeline) and not groups:
        return Headline(
            "No findings: nothing was acquired, and tasks waited only for other things."
            if len(snapshot.timeline.waits)
            else "Nothing was acquired: no traced `async with` was entered."
        )
    first = groups[0] if groups else None
    stuck = first is not None and first.kind == "deadlock" and first.certainty == "certain"
    if culprit is not None and not stuck and _matters(snapshot, groups, culprit):
        why = [g for g in groups if _explains(g, culprit)]
        if not why:
            return Headline(_blocked(snapshot, culprit), lasts=culprit.lasts)
        first = why[0]
    if first is not None:
        kind = first.kind.replace("-", " ")
        if first.certainty != "certain":
            kind = f"possible {kind}"
        return Headline(f"{kind.capitalize()}: {first.sentence}", first, _lasts(snapshot, first))
    if culprit is None:
        return Headline("No findings: no task waited for another one.", clean=True)
    return Headline(
        f"No findings. Tasks waited longest because {_blocked(snapshot, culprit)}", clean=True
    )


def opening(
    snapshot: Snapshot, groups: Sequence[FindingGroup], headline: Headline, last_moment: str
) -> tuple[str, ...]:
    """Return the first sentences of a report; ``last_moment`` describes an interrupted program.

    It comes first if tasks were stuck at that time, and replaces a headline about the same.
    Otherwise the headline comes first.
    """
    if not last_moment:
        return (headline.sentence,)
    if any(_lasts(snapshot, group) for group in groups):
        return (last_moment,) if headline.lasts else (last_moment, headline.sentence)
    return headline.sentence, last_moment


def summary(
    snapshot: Snapshot, groups: Sequence[FindingGroup], breaches: int, first: Headline
) -> str:
    """Return how much was found, in how many acquisitions; ``first`` is the headline."""
    timeline = snapshot.timeline
    if not len(timeline) and not len(timeline.waits):
        return ""
    length = format_duration(snapshot.now - snapshot.start)
    if len(timeline):
        seen = (
            f"{count(len(timeline), 'acquisition')} of "
            f"{count(len(timeline.rows_of_resource), 'resource')} by "
            f"{count(len(timeline.rows_of_task), 'task')} in {length}"
        )
    else:
        waiting = len(timeline.waits.rows_of_task)
        seen = f"{count(len(timeline.waits), 'wait')} of {count(waiting, 'task')} in {length}"
    if groups:
        sentences = [f"{_found(groups)} in {seen}."]
    else:
        clean = first.clean or not len(timeline)
        sentences = [f"{seen}." if clean else f"No findings in {seen}."]
    if breaches:
        sentences.append(f"{count(breaches, 'budget')} exceeded.")
    return " ".join(sentences)


def _found(groups: Sequence[FindingGroup]) -> str:
    certain = sum(group.certainty == "certain" for group in groups)
    kinds: dict[str, int] = {}
    for group in groups:
        kinds[group.kind] = kinds.get(group.kind, 0) + group.count
    which = ", ".join(f"{kind} ×{n}" if n > 1 else kind for kind, n in kinds.items())
    return f"{count(len(groups), 'finding')}, {certain} certain ({which}),"


def _lasts(snapshot: Snapshot, group: FindingGroup) -> bool:
    """Return whether tasks of ``group`` were still stuck at the end, in an enter or in an exit."""
    if group.kind not in _STUCK:
        return False
    timeline = snapshot.timeline
    rows = [row for finding in group.findings for row in finding.rows]
    return any(
        timeline.enter_ended[row] == NOT_YET
        or (timeline.exit_started[row] != NOT_YET and timeline.exit_ended[row] == NOT_YET)
        for row in rows
    )


def _explains(group: FindingGroup, culprit: Culprit) -> bool:
    """Return whether ``group`` explains why the culprit held the resource."""
    certain = group.certainty == "certain"
    return certain and group.kind not in _SYMPTOMS and culprit.site in group.sites


def _matters(snapshot: Snapshot, groups: Sequence[FindingGroup], culprit: Culprit) -> bool:
    failed = any(g.certainty == "certain" and g.severity == "error" for g in groups)
    share = _SHARE_OF_ERRORS if failed else _SHARE
    if culprit.waited < share * (snapshot.now - snapshot.start):
        return False
    if culprit.group.kind not in _BOUNDS:
        return True
    about = {resource for g in groups for each in g.resources for resource in each.resources}
    return not about.isdisjoint(culprit.group.resources)


def _blocked(snapshot: Snapshot, culprit: Culprit) -> str:
    """Describe who held what for how long, and how long others waited because of it."""
    who = _site(snapshot, culprit.site)
    if culprit.caller is not None:
        who += f", entered by {_site(snapshot, culprit.caller)},"
    times = f"{culprit.holds:,} times, " if culprit.holds > 1 else ""
    upto = "up to " if culprit.holds > 1 else "for "
    still = ""
    if culprit.lasts:
        still = " and still holds it" if snapshot.running else " and still held it at the end"
    tasks = f"{count(culprit.waiters, 'task')} waited at once" if culprit.waiters > 1 else ""
    many = f"while up to {tasks}" if tasks else "while a task waited"
    share = percent(culprit.waited / culprit.waited_in_all) if culprit.waited_in_all else "0 %"
    return (
        f"{who} held {_name(snapshot, culprit.group)} "
        f"{times}{upto}{format_duration(culprit.longest)}{still}, "
        f"{many}: {format_duration(culprit.waited)} of waiting in all, {share} of the total."
    )


def _site(snapshot: Snapshot, site: int) -> str:
    definition = snapshot.timeline.sites.get(site)
    function = snapshot.function_name(site)
    return (
        f"{function} ({snapshot.site_label(site)})"
        if definition and function
        else snapshot.site_label(site)
    )


def _name(snapshot: Snapshot, group: ResourceGroup) -> str:
    name = snapshot.resource_name(group.resources[0]) if len(group) == 1 else group.name
    kind = group.kind
    if len(group) > 1:
        return f"one of {len(group)} {kind}s `{name}`"
    size = f" of {group.capacity}" if group.capacity is not None and kind != "lock" else ""
    return f"the {kind}{size} `{name}`" if size else f"`{name}`"
