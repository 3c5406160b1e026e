"""Follow what the holders of resources wait for, from task to task.

A task that holds a lock may wait for a queue, whose producer waits for another lock: then the time
is due to the holders of that one. At each moment, a chain of waits leads from a task to the task
that was to end its wait, and so on, up to one that waits for a limited resource, or does not wait.
While an event loop stands still, its tasks wait for the line that blocks it.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from asyncctx_trace.analysis.contention.task_waits import TaskWait, TaskWaits, without
from asyncctx_trace.analysis.kernels.columns import Span, Waits, innermost_spans
from asyncctx_trace.analysis.occupancy import Occupancy
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.constants import PROCESS_SHIFT

__all__ = ["Cause", "WaitChains", "wait_chains"]

_LONGEST = 16
"""How many tasks a chain leads through at most."""
_MOST_PIECES = 4096
"""Into how many pieces one wait is cut at most; the rest of it is due to who ends it."""

_Link: TypeAlias = tuple[int, int, int, int]
"""Start, end, and the row of an acquisition that is entered, or -1, and the number of a cause."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a holder did not go on, other than for a limited resource."""

    site: int
    """The line at which it, or who was to wake it, waited; or the one that blocked the loop."""
    task: int | None
    """The task that ended the wait, or that blocked the loop; ``None`` for a timer, I/O, …"""
    stalled: bool = False
    """Whether the event loop stood still."""


class WaitChains:
    """The :class:`~asyncctx_trace.analysis.kernels.protocol.Contention` of a snapshot."""

    def __init__(
        self,
        snapshot: Snapshot,
        waits: Waits,
        causes: tuple[Waits, ...] = (),
        named: Sequence[Cause] = (),
    ) -> None:
        self._snapshot = snapshot
        self.waits = waits
        """When tasks waited for a limited resource, be it through other tasks; the rows are those
        of the acquisitions that were entered."""
        self.causes = causes
        """When they did not go on for another reason: the rows are numbers of causes, from 1."""
        self._named = named

    @property
    def timeline(self) -> Timeline:
        """All acquisitions."""
        return self._snapshot.timeline

    @property
    def max_paths(self) -> int:
        """The number of paths that are followed from one resource."""
        return self._snapshot.max_paths

    def occupancy(self, resource: int) -> Occupancy:
        """Return holders and waiters of ``resource``."""
        return self._snapshot.occupancy(resource)

    def cause(self, number: int) -> Cause | None:
        """Return the cause with a number; ``None`` for 0."""
        return self._named[number - 1] if number else None

    @cached_property
    def stalls(self) -> list[tuple[int, int, Cause, Collection[int]]]:
        """From when to when an event loop stood still, because of what, and the loop's tasks."""
        return [
            (start, end, self._named[number - 1], stalls.ranges.keys())
            for stalls in self.causes[1:]
            for start, end, number in zip(stalls.starts, stalls.ends, stalls.rows, strict=True)
        ]


def wait_chains(snapshot: Snapshot) -> WaitChains:
    """Return who waited for whom in ``snapshot``.

    Only waits during which a task holds what others wait for are followed: O(n log n) for n waits,
    unless many of them end at the same task.
    """
    timeline = snapshot.timeline
    if not len(timeline.waits) and not timeline.stalls:
        return WaitChains(snapshot, snapshot.waits)
    return _Builder(snapshot).chains()


class _Builder:
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._timeline = snapshot.timeline
        self._waits = snapshot.once(TaskWaits)
        self._named: list[Cause] = []
        self._numbers: dict[Cause, int] = {}
        self._budget = 0

    def chains(self) -> WaitChains:
        through: dict[int, list[Span]] = {}
        causes: dict[int, list[Span]] = {}
        for task, waits in self._to_follow().items():
            for wait in waits:
                self._budget = _MOST_PIECES
                for since, until, enter, cause in self._follow(wait, (task,)):
                    if enter >= 0:
                        through.setdefault(task, []).append((since, until, enter))
                    else:
                        causes.setdefault(task, []).append((since, until, cause))
        stalls = self._stalls()
        entering = self._snapshot.waits
        if through or stalls:
            own = {
                task: list(
                    zip(entering.starts[a:b], entering.ends[a:b], entering.rows[a:b], strict=True)
                )
                for task, (a, b) in entering.ranges.items()
            }
            entering = _columns(
                {
                    task: self._not_stalled(
                        task, stalls, [*own.get(task, ()), *through.get(task, ())]
                    )
                    for task in sorted({*own, *through})
                }
            )
        of_tasks = _columns(
            {task: self._not_stalled(task, stalls, causes[task]) for task in sorted(causes)}
        )
        of_loops = [self._of_loop(loop, spans) for loop, spans in stalls.items()]
        return WaitChains(self._snapshot, entering, (of_tasks, *of_loops), self._named)

    # -- chains -----------------------------------------------------------------------------

    def _to_follow(self) -> dict[int, list[TaskWait]]:
        """Return task -> the waits that it made while others waited for what it held."""
        found: dict[int, dict[TaskWait, None]] = {}
        for hold, wait in self._waits.while_holding:
            found.setdefault(self._holder(hold, wait), {})[wait] = None
        result: dict[int, list[TaskWait]] = {}
        for task, waits in found.items():
            done = 0
            for start, end, what, row in sorted(waits):  # of nested holds, each wait once
                if end > done:
                    result.setdefault(task, []).append(TaskWait(max(done, start), end, what, row))
                    done = end
        return result

    def _holder(self, hold: int, wait: TaskWait) -> int:
        return self._snapshot.holder(hold, wait.start)

    def _follow(self, wait: TaskWait, above: tuple[int, ...]) -> Iterator[_Link]:
        """Yield what a task waited for during ``wait``, through those that it waited for.

        The last of ``above`` waited for the task that ended the wait.
        """
        start, end, _, _ = wait
        waker = self._waits.waker(wait)
        cause = self._number(Cause(self._waits.site(wait), waker))
        self._budget -= 1
        if waker is not None and waker not in above and len(above) < _LONGEST:
            for inner in self._waits.within(waker, start, end):
                if self._budget <= 0:
                    break
                if inner.start > start:
                    yield start, inner.start, -1, cause
                if inner.what == "enter":
                    self._budget -= 1
                    yield inner.start, inner.end, inner.row, 0
                else:
                    yield from self._follow(inner, (*above, waker))
                start = inner.end
        if start < end:
            yield start, end, -1, cause

    def _number(self, cause: Cause) -> int:
        number = self._numbers.get(cause)
        if number is None:
            self._named.append(cause)
            number = self._numbers[cause] = len(self._named)
        return number

    # -- stalls -----------------------------------------------------------------------------

    def _stalls(self) -> dict[tuple[int | None, str | None], list[Span]]:
        """Return (process, thread) -> when its event loop stood still, in order."""
        timeline, now = self._timeline, self._snapshot.now
        found: dict[tuple[int | None, str | None], list[Span]] = defaultdict(list)
        for stall in timeline.stalls.values():
            over = timeline.stalls_ended.get(stall.stall)
            end = now if over is None else min(over.at, now)
            if stall.site is None or stall.since >= end:
                continue
            known = None if stall.task is None else timeline.tasks.get(stall.task)
            process = stall.stall >> PROCESS_SHIFT if known is None else known.process
            thread = None if known is None else known.thread
            number = self._number(Cause(stall.site, stall.task, stalled=True))
            found[process, thread].append((stall.since, end, number))
        return {loop: list(innermost_spans(spans)) for loop, spans in found.items()}

    def _not_stalled(
        self, task: int, stalls: dict[tuple[int | None, str | None], list[Span]], spans: list[Span]
    ) -> list[Span]:
        spans.sort()
        for loop, stalled in stalls.items():
            if self._runs_in(task, loop):
                spans = list(without(spans, stalled))
        return spans

    def _of_loop(self, loop: tuple[int | None, str | None], spans: list[Span]) -> Waits:
        tasks = [task for task in sorted(self._timeline.tasks) if self._runs_in(task, loop)]
        starts, ends, rows = (array("q", column) for column in zip(*spans, strict=True))
        return Waits(starts, ends, rows, dict.fromkeys(tasks, (0, len(spans))))

    def _runs_in(self, task: int, loop: tuple[int | None, str | None]) -> bool:
        known = self._timeline.tasks.get(task)
        process, thread = loop
        return known is not None and known.process == process and thread in (None, known.thread)


def _columns(spans: dict[int, list[Span]]) -> Waits:
    """Return the spans of tasks, which are in order."""
    starts, ends, rows = array("q"), array("q"), array("q")
    ranges: dict[int, tuple[int, int]] = {}
    for task, of_task in spans.items():
        first = len(starts)
        for start, end, row in of_task:
            starts.append(start)
            ends.append(end)
            rows.append(row)
        if len(starts) > first:
            ranges[task] = first, len(starts)
    return Waits(starts, ends, rows, ranges)
