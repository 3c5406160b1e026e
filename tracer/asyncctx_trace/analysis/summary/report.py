"""All answers about one recording, for the reports in different formats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property, partial

from asyncctx_trace.analysis.cleanup import Cleanup, Order, cleanups, orders
from asyncctx_trace.analysis.contention.attribution import Blame, blame
from asyncctx_trace.analysis.contention.costs import ResourceUse, contention_in
from asyncctx_trace.analysis.contention.critical_path import CriticalPath, critical_path
from asyncctx_trace.analysis.contention.wait_blame import WaitBlame, wait_blame
from asyncctx_trace.analysis.endings.interruption import cut_at_interruption
from asyncctx_trace.analysis.findings import Finding, Thresholds, find_in
from asyncctx_trace.analysis.loop_stalls import StallLine, stall_lines
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.budgets import Breach, Budget
from asyncctx_trace.analysis.summary.culprit import Culprit, culprit_of
from asyncctx_trace.analysis.summary.dump_origin import describe_dump
from asyncctx_trace.analysis.summary.grouping import FindingGroup, group_findings
from asyncctx_trace.analysis.summary.last_moment import describe_last_moment
from asyncctx_trace.analysis.summary.resource_groups import ResourceGroup, group_resources, use_of
from asyncctx_trace.analysis.summary.root_causes import RootCause, root_causes
from asyncctx_trace.analysis.summary.verdict import Headline, headline, opening, summary
from asyncctx_trace.analysis.timeline.row_lookup import pick
from asyncctx_trace.analysis.wait_statistics import WaitGroup, wait_groups
from asyncctx_trace.model.names import resource_name, task_name
from asyncctx_trace.recording.format import Anchor

__all__ = ["SORTS", "Report", "report"]

SORTS: dict[str, Callable[[ResourceUse], object]] = {
    "wait": lambda use: -use.wait.total,
    "max": lambda use: -use.wait.max,
    "avg": lambda use: -use.wait.mean,
    "contended": lambda use: -use.contended,
    "hold": lambda use: -use.hold.total,
    "cleanup": lambda use: -use.cleanup.total,
    "acquisitions": lambda use: -use.acquisitions,
    "name": lambda use: use.name,
}
"""What resources can be sorted by -> the sort key."""


@dataclass(frozen=True)
class Report:
    """Everything that a report can show."""

    snapshot: Snapshot
    findings: list[Finding]
    """Every finding."""
    groups: list[FindingGroup]
    """The findings by cause: similar ones are one group, with their consequences."""
    culprit: Culprit | None
    """The holds that kept other tasks waiting longest."""
    breaches: list[Breach]
    uses: list[ResourceUse]
    """One entry for each resource, sorted by ``sort``."""
    resources: list[ResourceGroup]
    """The resources of ``uses`` in their order; similar ones are grouped."""
    blames: dict[int, Blame]
    """By resource, for those that tasks can keep each other out of."""
    shown_tasks: frozenset[int]
    """The tasks that the report covers."""
    some_tasks: bool = False
    """Whether only some tasks were selected."""
    resource_patterns: tuple[str, ...] = ()
    """The patterns of names by which resources were selected; empty for all."""
    sort: str = "wait"
    """The key of :data:`SORTS` by which resources are sorted."""
    anchor: Anchor | None = None
    """Converts monotonic times to the time of day."""

    # What not every report shows is computed when it is asked for.

    @cached_property
    def waits(self) -> list[WaitGroup]:
        """The waits for other things than managers, most time first."""
        timeline = self.snapshot.timeline
        groups = wait_groups(self.snapshot, self.shown_tasks if self.some_tasks else None)
        return [
            group
            for group in groups
            if not self.resource_patterns
            or (
                group.subject
                and any(
                    fnmatchcase(resource_name(timeline, group.subject, None), pattern)
                    for pattern in self.resource_patterns
                )
            )
        ]

    @cached_property
    def wait_blame(self) -> WaitBlame:
        """Who let the tasks of :attr:`waits` wait."""
        return wait_blame(self.snapshot, self.shown_tasks if self.some_tasks else None)

    @cached_property
    def stalls(self) -> list[StallLine]:
        """The lines that blocked an event loop, most time first.

        They are not limited to the selected tasks: a loop that stands still delays all of them.
        """
        return stall_lines(self.snapshot)

    @cached_property
    def cleanups(self) -> list[Cleanup]:
        """The exits by resource and site, the slowest first."""
        return [cleanup for cleanup in cleanups(self.snapshot) if cleanup.resource in self._shown]

    @cached_property
    def orders(self) -> list[Order]:
        """The orders of exits, the most frequent first."""
        return [
            order
            for order in orders(self.snapshot)
            if self.shown_tasks.intersection(order.tasks)
            and any(resource in self._shown for resource, _ in order.left)
        ]

    @cached_property
    def root_causes(self) -> list[RootCause]:
        """The failures that did not follow from another one, with their consequences."""
        return [
            root_cause
            for root_cause in root_causes(self.snapshot)
            if root_cause.first.task in self.shown_tasks
        ]

    @cached_property
    def path(self) -> CriticalPath:
        """The critical path to the end of the run, or of the last of the selected tasks."""
        if not self.some_tasks:
            return critical_path(self.snapshot)
        last = max(self.shown_tasks, key=partial(_last_seen, self.snapshot), default=None)
        return critical_path(self.snapshot, last)

    @cached_property
    def _shown(self) -> frozenset[int]:
        return frozenset(use.resource for use in self.uses)

    @property
    def dropped(self) -> int:
        """The number of acquisitions that are missing from the recording."""
        return sum(loss.acquisitions for loss in self.snapshot.timeline.dropped)

    @cached_property
    def headline(self) -> Headline:
        """The sentence about the most important thing."""
        return headline(self.snapshot, self.groups, self.culprit)

    @property
    def verdict(self) -> str:
        """Two or three sentences: :attr:`opening`, then :attr:`summary`."""
        return " ".join(filter(None, [*self.opening, self.summary]))

    @cached_property
    def opening(self) -> tuple[str, ...]:
        """The headline, and what an interrupted program was doing; the more important one first.

        Of a dump, the reason for it comes before both; of a sample, it is all that is certain.
        """
        dump = self.snapshot.timeline.dump
        if dump is not None and self.snapshot.timeline.is_sampled:
            return (describe_dump(dump, self.anchor),)
        first = opening(self.snapshot, self.groups, self.headline, self.last_moment)
        return first if dump is None else (describe_dump(dump, self.anchor), *first)

    @cached_property
    def last_moment(self) -> str:
        """Who waited for what when the program was interrupted; empty if it was not."""
        return describe_last_moment(self.snapshot)

    @cached_property
    def grouped_uses(self) -> list[tuple[ResourceGroup, ResourceUse]]:
        """Each group of ``resources`` with its costs, in the order of ``sort``."""
        by_resource = {use.resource: use for use in self.uses}
        grouped = [
            (
                group,
                use_of(
                    self.snapshot, group, [by_resource[resource] for resource in group.resources]
                ),
            )
            for group in self.resources
        ]
        return sorted(grouped, key=lambda each: SORTS[self.sort](each[1]))  # type: ignore[arg-type, return-value]  # each key is comparable to its own kind

    @property
    def losses(self) -> list[tuple[str, str]]:
        """What is missing and why, once for each reason."""
        acquisitions: Counter[str] = Counter()
        lines: Counter[str] = Counter()
        for loss in self.snapshot.timeline.dropped:
            acquisitions[loss.reason] += loss.acquisitions
            lines[loss.reason] += loss.lines
        result = []
        for reason, number in acquisitions.items():
            parts = [f"{number:,} acquisitions"] if number else []
            parts += [f"{lines[reason]:,} printed lines"] if lines[reason] else []
            lost = f"{' and '.join(parts)} are missing" if parts else "Incomplete"
            result.append((lost, reason))
        return result

    def wall_ns(self, at: int) -> int | None:
        """Return the time of day (ns since 1970, UTC) at monotonic time ``at``, if known."""
        return None if self.anchor is None else self.anchor.wall(at)

    @property
    def summary(self) -> str:
        """How much was found, in how many acquisitions."""
        return summary(self.snapshot, self.groups, len(self.breaches), self.headline)


def report(
    snapshot: Snapshot,
    *,
    thresholds: Thresholds | None = None,
    budgets: Iterable[Budget] = (),
    tasks: Sequence[str] = (),
    resources: Sequence[str] = (),
    sort: str = "wait",
    anchor: Anchor | None = None,
) -> Report:
    """Return the report on ``snapshot``, at the time of the interruption if there was one.

    With ``tasks`` or ``resources``, which are patterns of names in which ``*`` matches anything,
    only what concerns those is included; the numbers of a resource always cover all of its tasks.
    ``sort`` is a key of :data:`SORTS`; ``anchor`` is the recording's.
    """
    snapshot = cut_at_interruption(snapshot)
    timeline = snapshot.timeline
    uses = contention_in(snapshot)
    breaches = [breach for budget in budgets for breach in budget.check(snapshot, uses)]
    shown_tasks = {
        task
        for task in dict.fromkeys([*timeline.rows_of_task, *timeline.waits.rows_of_task])
        if not tasks
        or any(fnmatchcase(task_name(snapshot.timeline, task, None), pattern) for pattern in tasks)
    }
    used = {
        resource
        for task in shown_tasks
        for resource in set(pick(timeline.resource, timeline.rows_of_task.get(task, ())))
    }
    shown = {
        use.resource
        for use in uses
        if use.resource in used
        and (not resources or any(fnmatchcase(use.name, pattern) for pattern in resources))
    }

    def concerns(finding: Finding) -> bool:
        about = {timeline.resource[row] for row in finding.rows}
        concerned = bool(shown & about) if about else not resources
        return concerned and (not finding.tasks or not shown_tasks.isdisjoint(finding.tasks))

    findings = [f for f in find_in(snapshot, thresholds or Thresholds()) if concerns(f)]
    sorted_uses = sorted((u for u in uses if u.resource in shown), key=SORTS[sort])  # type: ignore[arg-type]  # each key is comparable to its own kind
    resources_shown = group_resources(snapshot, [use.resource for use in sorted_uses])
    blames = {r: blame(snapshot, r) for r in snapshot.limited if r in shown}
    return Report(
        snapshot=snapshot,
        findings=findings,
        groups=group_findings(snapshot, findings),
        culprit=culprit_of(snapshot, blames, resources_shown),
        breaches=breaches,
        uses=sorted_uses,
        resources=resources_shown,
        blames=blames,
        shown_tasks=frozenset(shown_tasks),
        some_tasks=bool(tasks),
        resource_patterns=tuple(resources),
        sort=sort,
        anchor=anchor,
    )


def _last_seen(snapshot: Snapshot, task: int) -> int:
    timeline = snapshot.timeline
    return max(
        max(timeline.enter_ended[row], timeline.exit_ended[row], timeline.enter_started[row])
        for row in timeline.rows_of_task[task][-8:]
    )
