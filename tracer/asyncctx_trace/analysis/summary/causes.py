"""Which findings follow from which other findings.

A rule names two kinds and the relation that must hold between a finding of each. The relations
look at the recorded acquisitions, so that two findings that only happen to be of these kinds
stay apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from asyncctx_trace.analysis.findings import Finding
from asyncctx_trace.analysis.occupancy import contends
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.events import Outcome

__all__ = ["causes_of"]

Relation: TypeAlias = Callable[[Snapshot, Finding, Finding], bool]
"""Whether the second finding follows from the first."""

_CANDIDATES = 64
"""The maximum number of findings that are looked at as the cause of one."""
_ENCLOSING = 32
"""The maximum number of enclosing acquisitions, or of ancestors of a task, that are looked at."""


def causes_of(snapshot: Snapshot, findings: Sequence[Finding]) -> dict[int, int]:
    """Return index of a finding -> index of the finding that causes it.

    A cause is not itself in the result: if one follows from another, which follows from a third,
    both map to the third. O(n) for n findings, as only a limited number of candidates is looked at.
    """
    candidates = _Candidates(snapshot, findings)
    result: dict[int, int] = {}
    for index, effect in enumerate(findings):
        for candidate in candidates.of(index, effect):
            if _follows(snapshot, findings[candidate], effect):
                root = _root(result, candidate)
                if root != index:
                    result[index] = root
                    break
    for index, root in result.items():
        result[index] = _root(result, root)
    return result


class _Candidates:
    """The findings that may be the cause of another: they share a row, a resource or a task."""

    def __init__(self, snapshot: Snapshot, findings: Sequence[Finding]) -> None:
        self._snapshot = snapshot
        self._by_row: dict[int, list[int]] = defaultdict(list)
        self._by_resource: dict[int, list[int]] = defaultdict(list)
        self._by_task: dict[int, list[int]] = defaultdict(list)
        self._deadlocks: list[int] = []
        for index, finding in enumerate(findings):
            if finding.kind in _CAUSES:
                self._add(index, finding)

    def of(self, index: int, effect: Finding) -> Iterator[int]:
        """Yield the indices of up to 64 findings for ``effect``, whose own index is ``index``."""
        seen = {index}
        for candidate in self._sharing(effect):
            if candidate in seen:
                continue
            if len(seen) > _CANDIDATES:
                return
            seen.add(candidate)
            yield candidate

    def _add(self, index: int, finding: Finding) -> None:
        for row in finding.rows:
            self._by_row[row].append(index)
            if not self._snapshot.timeline.entered(row):
                for outer in _around(self._snapshot, row):
                    self._by_row[outer].append(index)
        for resource in _resources(self._snapshot, finding):
            self._by_resource[resource].append(index)
        if finding.kind == "deadlock":
            self._deadlocks.append(index)
            for task in finding.tasks:
                self._by_task[task].append(index)

    def _sharing(self, effect: Finding) -> Iterator[int]:
        """Yield the indices of all findings that share something, some of them several times."""
        for row in effect.rows:
            yield from self._by_row.get(row, ())
            for outer in _around(self._snapshot, row):
                yield from self._by_row.get(outer, ())
        for resource in _resources(self._snapshot, effect):
            yield from self._by_resource.get(resource, ())
        for task in (*effect.tasks, *_holders(self._snapshot, effect)):
            yield from self._by_task.get(task, ())
        if effect.kind == "timeout":
            yield from self._deadlocks


def _follows(snapshot: Snapshot, cause: Finding, effect: Finding) -> bool:
    """Return whether a rule applies to the two findings."""
    relations = _RULES.get((cause.kind, effect.kind), ())
    return any(relation(snapshot, cause, effect) for relation in relations)


def _root(cause_of: dict[int, int], index: int) -> int:
    """Return the first finding of the chain of causes that ends at ``index``."""
    while index in cause_of:
        index = cause_of[index]
    return index


# -- relations ------------------------------------------------------------------------------


def _same_acquisition(_snapshot: Snapshot, cause: Finding, effect: Finding) -> bool:
    return not set(cause.rows).isdisjoint(effect.rows)


def _waited_inside(snapshot: Snapshot, cause: Finding, effect: Finding) -> bool:
    """Return whether enters of ``effect`` waited for an acquisition of ``cause`` inside them."""
    rows = set(effect.rows)
    return any(
        not snapshot.timeline.entered(row) and not rows.isdisjoint(_around(snapshot, row))
        for row in cause.rows
    )


def _same_resource(snapshot: Snapshot, cause: Finding, effect: Finding) -> bool:
    """Return whether rows of ``effect`` asked for the resource of ``cause``, and waited later."""
    asked = [
        row
        for row in effect.rows
        if snapshot.timeline.resource[row] == cause.resource and row not in cause.rows
    ]
    return bool(asked) and all(_end_of_enter(snapshot, row) > cause.at for row in asked)


def _asked_for_it(snapshot: Snapshot, cause: Finding, effect: Finding) -> bool:
    """Return whether a failed enter of ``effect`` asked for the resource of ``cause``."""
    timeline = snapshot.timeline
    return any(
        timeline.resource[row] == cause.resource and not timeline.entered(row)
        for row in effect.rows
    )


def _waits_in_the_cycle(snapshot: Snapshot, cause: Finding, effect: Finding) -> bool:
    """Return whether the tasks of ``effect`` wait for a resource or a task of the deadlock."""
    if not set(_resources(snapshot, cause)).isdisjoint(_resources(snapshot, effect)):
        return any(_end_of_enter(snapshot, row) >= cause.at for row in effect.rows)
    return not set(cause.tasks).isdisjoint(_holders(snapshot, effect))


def _broke_the_cycle(snapshot: Snapshot, cause: Finding, effect: Finding) -> bool:
    """Return whether a deadline of ``effect`` cancelled the waits of the deadlock."""
    timeline = snapshot.timeline
    deadline = effect.rows[0]
    above = timeline.task[deadline]
    began, ended = timeline.enter_started[deadline], timeline.exit_ended[deadline]
    return any(
        timeline.enter_outcome[row] == Outcome.CANCELLED
        and began <= timeline.enter_started[row]
        and timeline.enter_ended[row] <= ended
        and above in _ancestors(snapshot, timeline.task[row])
        for row in cause.rows
    )


def _never_exited(snapshot: Snapshot, cause: Finding, effect: Finding) -> bool:
    """Return whether ``effect`` contains an acquisition that leaked."""
    timeline = snapshot.timeline
    sites = {(timeline.resource[row], timeline.site[row]) for row in cause.rows}
    return any(
        timeline.exit_ended[row] == NOT_YET
        and timeline.entered(row)
        and (timeline.resource[row], timeline.site[row]) in sites
        for row in effect.rows
    )


def _in_expired_deadline(snapshot: Snapshot, cause: Finding, effect: Finding) -> bool:
    """Return whether all rows of ``effect`` were in a deadline of ``cause`` that passed."""
    timeline = snapshot.timeline
    sites = {timeline.site[row] for row in cause.rows}
    return all(
        row in cause.rows
        or any(
            timeline.exit_outcome[outer] == Outcome.TIMED_OUT and timeline.site[outer] in sites
            for outer in _around(snapshot, row)
        )
        for row in effect.rows
    )


def _inside(snapshot: Snapshot, cause: Finding, effect: Finding) -> bool:
    """Return whether every row of ``effect`` is one of ``cause``, or was inside one."""
    rows = set(cause.rows)
    return all(row in rows or not rows.isdisjoint(_around(snapshot, row)) for row in effect.rows)


def _holder_waited_for_it(snapshot: Snapshot, cause: Finding, effect: Finding) -> bool:
    """Return whether the holder waited for the resource of ``cause``."""
    return len(effect.rows) > 1 and snapshot.timeline.resource[effect.rows[1]] == cause.resource


_STUCK = (_same_acquisition, _waits_in_the_cycle, _waited_inside)
_FAILED_ENTERS = ("timeout", "cancelled-in-enter", "enter-error", "still-waiting")
_RULES: dict[tuple[str, str], tuple[Relation, ...]] = {
    **{
        ("deadlock", kind): _STUCK for kind in (*_FAILED_ENTERS, "starved-pool", "held-across-wait")
    },
    ("deadlock", "timeout"): (*_STUCK, _broke_the_cycle),
    ("deadlock", "leak"): (_same_acquisition,),
    ("deadlock", "slow-cleanup"): (_same_acquisition,),
    ("skipped-cleanup", "leak"): (_inside,),
    ("skipped-cleanup", "out-of-order-exit"): (_same_acquisition,),
    **{("leak", kind): (_same_resource,) for kind in (*_FAILED_ENTERS, "starved-pool")},
    ("leak", "out-of-order-exit"): (_never_exited,),
    ("leak", "foreign-exit"): (_same_acquisition,),
    ("foreign-exit", "leak"): (_same_acquisition,),
    ("foreign-exit", "out-of-order-exit"): (_same_acquisition,),
    ("foreign-exit", "slow-cleanup"): (_same_acquisition,),
    **{("starved-pool", kind): (_asked_for_it, _waited_inside) for kind in _FAILED_ENTERS},
    ("starved-pool", "held-across-wait"): (_holder_waited_for_it,),
    ("enter-error", "timeout"): (_same_acquisition,),
    ("enter-error", "cancelled-in-enter"): (_same_acquisition,),
    ("timeout", "cancelled-in-enter"): (_in_expired_deadline,),
    ("timeout", "cleanup-cancelled"): (_in_expired_deadline,),
    ("cleanup-error", "cleanup-cancelled"): (_same_acquisition,),
}
_CAUSES = {cause for cause, _ in _RULES}


# -- helpers --------------------------------------------------------------------------------


def _resources(snapshot: Snapshot, finding: Finding) -> dict[int, None]:
    return dict.fromkeys(snapshot.timeline.resource[row] for row in finding.rows)


def _around(snapshot: Snapshot, row: int) -> Iterator[int]:
    """Yield the acquisitions around ``row``, the innermost first."""
    for _ in range(_ENCLOSING):
        row = snapshot.parents[row]
        if row < 0:
            return
        yield row


def _ancestors(snapshot: Snapshot, task: int) -> Iterator[int]:
    """Yield the task, its parent, and so on."""
    current: int | None = task
    for _ in range(_ENCLOSING):
        if current is None:
            return
        yield current
        definition = snapshot.timeline.tasks.get(current)
        current = definition.parent if definition else None


def _end_of_enter(snapshot: Snapshot, row: int) -> int:
    ended = snapshot.timeline.enter_ended[row]
    return snapshot.now if ended == NOT_YET else ended


def _holders(snapshot: Snapshot, finding: Finding) -> list[int]:
    """Return the tasks that held the resource of a wait when the wait ended."""
    if finding.kind not in _FAILED_ENTERS or not finding.rows:
        return []
    row = finding.rows[0]
    if snapshot.timeline.entered(row) or not contends(
        snapshot.timeline.resources.get(snapshot.timeline.resource[row])
    ):
        return []
    at = _end_of_enter(snapshot, row)
    at -= snapshot.timeline.enter_ended[row] != NOT_YET
    return [
        snapshot.holder(hold, at) for hold in snapshot.holders(snapshot.timeline.resource[row], at)
    ]
