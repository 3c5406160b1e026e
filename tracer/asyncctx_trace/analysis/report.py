"""All answers about one recording, gathered for whoever prints them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from asyncctx_trace.analysis.blame import Blame, blame
from asyncctx_trace.analysis.budgets import Breach, Budget
from asyncctx_trace.analysis.case import Case
from asyncctx_trace.analysis.cleanup import Cleanup, Order, cleanups, orders
from asyncctx_trace.analysis.columns import pick
from asyncctx_trace.analysis.contention import ResourceUse, contention_in
from asyncctx_trace.analysis.critical_path import CriticalPath, critical_path
from asyncctx_trace.analysis.findings import Finding, Thresholds, find_in
from asyncctx_trace.analysis.mishaps import Mishap, mishaps
from asyncctx_trace.analysis.words import duration, percent

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
"""What resources can be sorted by -> the key."""


@dataclass(frozen=True)
class Report:
    """What a recording tells."""

    case: Case
    findings: list[Finding]
    breaches: list[Breach]
    uses: list[ResourceUse]
    blames: dict[int, Blame]
    """By resource, of those that tasks contend for."""
    cleanups: list[Cleanup]
    orders: list[Order]
    mishaps: list[Mishap]
    path: CriticalPath

    @property
    def dropped(self) -> int:
        """How many acquisitions are missing from the recording."""
        return sum(each.acquisitions for each in self.case.timeline.dropped)

    @property
    def verdict(self) -> str:
        """The whole in a sentence or two."""
        timeline = self.case.timeline
        if not len(timeline):
            return "Nothing was acquired: no traced `async with` was entered."
        length = duration(self.case.now - self.case.start)
        seen = (
            f"{_count(len(timeline), 'acquisition')} of "
            f"{_count(len(timeline.rows_of_resource), 'resource')} by "
            f"{_count(len(timeline.rows_of_task), 'task')} in {length}"
        )
        return " ".join(filter(None, [self._found(seen), self._broken(), self._waited()]))

    def _found(self, seen: str) -> str:
        if not self.findings:
            return f"No findings: {seen}."
        kinds = Counter(finding.kind for finding in self.findings)
        certain = sum(finding.certainty == "certain" for finding in self.findings)
        which = ", ".join(f"{kind} ×{n}" if n > 1 else kind for kind, n in kinds.items())
        return f"{_count(len(self.findings), 'finding')}, {certain} certain, in {seen}: {which}."

    def _broken(self) -> str:
        if not self.breaches:
            return ""
        return f"{_count(len(self.breaches), 'budget')} broken."

    def _waited(self) -> str:
        contended = [use for use in self.uses if use.contended]
        if not contended:
            return ""
        worst = max(contended, key=lambda use: use.wait.total)
        words = (
            f"Tasks waited longest for `{self.case.resource(worst.resource)}`: "
            f"{duration(worst.wait.total)} in all"
        )
        sites = self.blames[worst.resource].by_site()
        if not sites:
            return f"{words}."
        share = percent(sites[0][2] / worst.wait.total)
        return f"{words}, {share} of it for {self.case.place(sites[0][0])}."


def report(
    case: Case,
    *,
    thresholds: Thresholds | None = None,
    budgets: Iterable[Budget] = (),
    tasks: Sequence[str] = (),
    resources: Sequence[str] = (),
    sort: str = "wait",
) -> Report:
    """Everything about ``case``; with ``tasks`` or ``resources``, patterns of names in which ``*``
    stands for anything, only what concerns those.

    The numbers of a resource always count all of its tasks: whoever waits, waits for others.
    ``sort`` is a key of SORTS.
    """
    timeline = case.timeline
    uses = contention_in(case)
    breaches = [breach for budget in budgets for breach in budget.check(case, uses)]
    shown_tasks = {
        task
        for task in timeline.rows_of_task
        if not tasks or any(fnmatchcase(_task_name(case, task), pattern) for pattern in tasks)
    }
    used = {
        resource
        for task in shown_tasks
        for resource in set(pick(timeline.resource, timeline.rows_of_task[task]))
    }
    shown = {
        use.resource
        for use in uses
        if use.resource in used
        and (not resources or any(fnmatchcase(use.name, pattern) for pattern in resources))
    }

    def concerns(finding: Finding) -> bool:
        about = {timeline.resource[row] for row in finding.rows}
        return bool(shown_tasks.intersection(finding.tasks)) and bool(shown & about)

    last = max(shown_tasks, key=lambda task: _last_seen(case, task), default=None)
    return Report(
        case=case,
        findings=[f for f in find_in(case, thresholds or Thresholds()) if concerns(f)],
        breaches=breaches,
        uses=sorted((u for u in uses if u.resource in shown), key=SORTS[sort]),  # type: ignore[arg-type]  # each key is comparable to its own kind
        blames={r: blame(case, r) for r in case.limited if r in shown},
        cleanups=[each for each in cleanups(case) if each.resource in shown],
        orders=[
            order
            for order in orders(case)
            if shown_tasks.intersection(order.tasks)
            and any(resource in shown for resource, _ in order.left)
        ],
        mishaps=[each for each in mishaps(case) if each.first.task in shown_tasks],
        path=critical_path(case, last if tasks else None),
    )


def _task_name(case: Case, task: int) -> str:
    known = case.timeline.tasks.get(task)
    return known.name if known else f"task {task}"


def _last_seen(case: Case, task: int) -> int:
    timeline = case.timeline
    return max(
        max(timeline.enter_ended[row], timeline.exit_ended[row], timeline.enter_started[row])
        for row in timeline.rows_of_task[task][-8:]
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
