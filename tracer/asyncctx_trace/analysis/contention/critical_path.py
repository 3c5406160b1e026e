"""The chain of holds and waits that determined when a run, or one task, came to its end."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, pairwise
from typing import Literal, TypeAlias

from asyncctx_trace.analysis import kernels
from asyncctx_trace.analysis.contention.wakeups import wakeups
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.lookups import pick
from asyncctx_trace.analysis.timeline.table import NOT_YET, Phase, Timeline

__all__ = ["CriticalPath", "Doing", "Link", "Piece", "Step", "critical_path"]

Doing: TypeAlias = tuple[Phase | None, int | None, int | None]
"""Phase, resource and site; all ``None`` for a task that was in no acquisition."""

_LOOK_BACK = 64
"""How many of a task's children that ended last are looked at."""

Link: TypeAlias = Literal["start", "same task", "released", "created", "joined"]
Piece: TypeAlias = tuple[int, int, int, Link, int | None]
"""What a path has of one task: the task, from when to when, and how it came there."""


@dataclass(frozen=True, slots=True)
class Step:
    """A piece of the path: what one task did from ``start`` to ``end`` (monotonic ns)."""

    start: int
    end: int
    task: int
    phase: Phase | None
    """Of the innermost acquisition; ``None`` where the task was in none."""
    row: int | None
    """That acquisition."""
    link: Link
    """How the path came here from the step before: ``released``: its exit let this task in;
    ``created``: it created this task; ``joined``: this task went on after it had ended."""
    by: int | None
    """The acquisition whose exit let this task in, at the first step after it was released."""


@dataclass(frozen=True, slots=True)
class CriticalPath:
    """Steps from the beginning to the end, without gaps: shorten one and the end comes sooner."""

    steps: tuple[Step, ...] = ()

    @property
    def length(self) -> int:
        """ns from its beginning to its end."""
        return self.steps[-1].end - self.steps[0].start if self.steps else 0

    def shares(self, snapshot: Snapshot) -> list[tuple[Doing, int]]:
        """ns of the path by what was done, the longest first."""
        timeline = snapshot.timeline
        spent: dict[Doing, int] = defaultdict(int)
        for step in self.steps:
            if step.row is None:
                spent[None, None, None] += step.end - step.start
            else:
                doing = step.phase, timeline.resource[step.row], timeline.site[step.row]
                spent[doing] += step.end - step.start
        return sorted(spent.items(), key=lambda each: -each[1])


def critical_path(snapshot: Snapshot, task: int | None = None) -> CriticalPath:
    """The path that ends where ``task`` ended, or where the last of all tasks did.

    Backwards from there: a task that had to wait for a holder could go on when that one let go,
    so the path goes on in the holder's task; at a task's beginning it goes on in its creator;
    where a task did nothing while those that it had created ended, in the last of these.
    """
    return CriticalPath(tuple(_Walk(snapshot).back_from(task)))


class _Walk:
    """From an end back to the beginning."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.timeline = snapshot.timeline
        self.wakeups = snapshot.once(wakeups)
        self._facts_of: dict[int, array[int]] = {}
        self._waits_of: dict[int, tuple[array[int], array[int]]] = {}
        self._followed: set[int] = set()
        """Waits that the path has gone through: never twice, where all happens in one tick."""

    def back_from(self, task: int | None) -> list[Step]:
        """The steps of the path to the end of ``task``, in order of time."""
        if task is None:
            task = max(self._last, key=lambda each: (self._last[each], each), default=None)
        if task is None or task not in self._last:
            return []
        at = self._last[task]
        pieces: list[Piece] = []  # the last first
        while task is not None:
            since, before, link, by = self._came_from(task, at)
            pieces.append((task, since, at, link, by))
            task, at = before, since
        pieces.reverse()
        # What links a piece to the one before it was found while looking back from its start.
        if kernels.pays(self.timeline, pieces):
            from asyncctx_trace.analysis.kernels.critical_path import steps

            return list(steps(self.snapshot, pieces, self._facts))
        return [step for piece in pieces for step in self._steps(*piece)]

    def _came_from(self, task: int, at: int) -> tuple[int, int | None, Link, int | None]:
        """When the path of ``task`` up to ``at`` began, in which task it was before, and why."""
        woken = self._woken(task, at)
        joined = self._joined(task, at)
        if woken is not None and (joined is None or woken[1] >= joined[1]):
            row, since = woken
            self._followed.add(row)
            by = self.wakeups[row]
            return since, self.timeline.exit_task[by], "released", by
        if joined is not None:
            child, since = joined
            return since, child, "joined", None
        begun = self._begun(task)
        known = self.timeline.tasks.get(task)
        parent = known.parent if known else None
        if parent is not None and parent in self._last and begun < at:
            return begun, parent, "created", None
        return min(begun, at), None, "start", None

    def _woken(self, task: int, at: int) -> tuple[int, int] | None:
        """The last wait of ``task`` that an exit had ended by ``at``, and when that let go."""
        ends, rows = self._waits(task)
        for index in range(bisect_right(ends, at) - 1, -1, -1):
            row = rows[index]
            if row not in self._followed:
                released = self.timeline.exit_ended[self.wakeups[row]]
                return row, ends[index] if released == NOT_YET else min(released, ends[index])
        return None

    def _joined(self, task: int, at: int) -> tuple[int, int] | None:
        """The child of ``task`` that ended last before ``at`` while ``task`` waited for it."""
        children = self._children.get(task, [])
        index = bisect_left(children, (at, 0))
        for ended, child in reversed(children[max(0, index - _LOOK_BACK) : index]):
            if self._awaited(task, child, ended):
                return child, ended
        return None

    def _awaited(self, task: int, child: int, ended: int) -> bool:
        """Whether ``task`` left a task group then, or had done nothing since ``child`` began.

        No fact tells that a task awaits another, so silence has to.
        """
        facts = self._facts(task)
        silent_since = bisect_right(facts, self._begun(child))
        if silent_since == len(facts) or facts[silent_since] > ended:
            return True
        row = self._innermost(task, ended)
        if row is None or self.timeline.phase_at(row, ended) != "exit":
            return False
        known = self.timeline.resources.get(self.timeline.resource[row])
        return known is not None and known.kind == "task group"

    def _steps(self, task: int, start: int, end: int, link: Link, by: int | None) -> Iterator[Step]:
        """The piece of a path in one task, cut wherever what it did changed."""
        timeline = self.timeline
        facts = self._facts(task)
        first, last = bisect_right(facts, start), bisect_left(facts, end)
        bounds = [start, *dict.fromkeys(facts[first:last]), end]
        merged: list[Step] = []
        for since, until in pairwise(bounds):
            row = self._innermost(task, since)
            phase = None if row is None else timeline.phase_at(row, since)
            if not merged:
                merged.append(Step(since, until, task, phase, row, link, by))
            elif (merged[-1].row, merged[-1].phase) == (row, phase):
                merged[-1] = replace(merged[-1], end=until)
            else:
                merged.append(Step(since, until, task, phase, row, "same task", None))
        yield from merged

    def _innermost(self, task: int, at: int) -> int | None:
        timeline = self.timeline
        rows = timeline.rows_of_task.get(task, ())
        index = bisect_right(rows, at, key=timeline.enter_started.__getitem__) - 1
        row = rows[index] if index >= 0 else -1
        while row >= 0 and timeline.phase_at(row, at) is None:
            row = self.snapshot.parents[row]
        return row if row >= 0 else None

    def _begun(self, task: int) -> int:
        """When a task was first seen."""
        known, facts = self.timeline.tasks.get(task), self._facts(task)
        if known is None or (facts and facts[0] < known.at):
            return facts[0]
        return known.at

    def _facts(self, task: int) -> array[int]:
        """When ``task`` did something, in order."""
        found = self._facts_of.get(task)
        if found is None:
            timeline, now = self.timeline, self.snapshot.now
            rows = timeline.rows_of_task.get(task, array("q"))
            for_others = array("q", self.snapshot.ended_for_others.get(task, ()))
            if kernels.pays(timeline, rows):
                from asyncctx_trace.analysis.kernels.critical_path import facts_of
            else:
                facts_of = _facts_of
            found = self._facts_of[task] = facts_of(timeline, rows, for_others, now)
        return found

    def _waits(self, task: int) -> tuple[array[int], array[int]]:
        """The waits of ``task`` that an exit ended: their ends in order, and rows."""
        found = self._waits_of.get(task)
        if found is None:
            ends = self.timeline.enter_ended
            rows = filter(self.wakeups.__contains__, self.timeline.rows_of_task.get(task, ()))
            ranked = array("q", sorted(rows, key=ends.__getitem__))
            found = self._waits_of[task] = array("q", pick(ends, ranked)), ranked
        return found

    @cached_property
    def _last(self) -> dict[int, int]:
        """Task -> its last fact; one that is still in an acquisition goes on until now."""
        if len(self.timeline) and kernels.pays(self.timeline):
            from asyncctx_trace.analysis.kernels.critical_path import last_facts
        else:
            last_facts = _last_facts
        last = last_facts(self.timeline)
        for task, at in list(last.items()):
            if at > self.snapshot.now:
                del last[task]  # of a task that is still to come by then, nothing is left
                if facts := self._facts(task):
                    last[task] = facts[-1]
        for row in self.timeline.in_flight:
            if self.timeline.enter_started[row] <= self.snapshot.now:
                last[self.timeline.task[row]] = self.snapshot.now
        return last

    @cached_property
    def _children(self) -> dict[int, list[tuple[int, int]]]:
        """Task -> those that it created, as (last fact, task), in order of their ends."""
        children: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for task, ended in self._last.items():
            known = self.timeline.tasks.get(task)
            if known is not None and known.parent is not None:
                children[known.parent].append((ended, task))
        return {parent: sorted(ends) for parent, ends in children.items()}


def _facts_of(
    timeline: Timeline, rows: Sequence[int], for_others: Sequence[int], now: int
) -> array[int]:
    """When the task of ``rows`` did something up to ``now``, in order; it ended ``for_others``."""
    asked, got_in, left, over = timeline.times
    ended = [row for row in rows if timeline.exit_task[row] == timeline.task[row]]
    ended += for_others
    times = chain(pick(asked, rows), pick(got_in, rows), pick(left, ended), pick(over, ended))
    return array("q", sorted(at for at in times if NOT_YET < at <= now))


def _last_facts(timeline: Timeline) -> dict[int, int]:
    """Task -> its last fact."""
    last: dict[int, int] = {}
    asked, got_in, left, over = timeline.times
    for task, exit_task, *times in zip(
        timeline.task, timeline.exit_task, asked, got_in, left, over, strict=True
    ):
        last[task] = max(last.get(task, NOT_YET), *times[:2])
        last[exit_task] = max(last.get(exit_task, NOT_YET), *times[2:])
    return last
