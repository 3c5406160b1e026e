"""Follow what the holders of resources wait for, from task to task.

A task that holds a lock may wait for a queue, whose producer waits for another lock: then the time
is due to the holders of that one. At each moment, a chain of waits leads from a task to the task
that was to end its wait, and so on, up to one that waits for a limited resource, or does not wait.
While an event loop stands still, its tasks wait for the line that blocks it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

from asyncctx_trace.analysis.contention.wakers import waker_of
from asyncctx_trace.analysis.kernels.columns import Span, Waits, innermost_spans
from asyncctx_trace.analysis.occupancy import Occupancy
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.constants import PROCESS_SHIFT

__all__ = ["Cause", "WaitChains", "wait_chains", "waits_of_holders"]

_LONGEST = 16
"""How many tasks a chain leads through at most."""
_MOST_PIECES = 4096
"""Into how many pieces one wait is cut at most; the rest of it is due to who ends it."""

_What: TypeAlias = Literal["enter", "wait", "group"]
_Piece: TypeAlias = tuple[int, int, _What, int]
"""Start and end; the row of an acquisition that is entered, of a wait for something else, or of a
task group that is left."""
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


def waits_of_holders(snapshot: Snapshot) -> dict[int, dict[int, list[int]]]:
    """Return the waits for other things that were made while a resource was held.

    Wait -> the acquisitions that were held, by task. A wait that did not keep anybody out is left
    out, and so is one within an enter.
    """
    result: dict[int, dict[int, list[int]]] = {}
    waits = snapshot.timeline.waits
    if not len(waits):
        return result
    for task, start, end, row in _holds_that_block(snapshot):
        rows = waits.rows_of_task.get(task)
        if rows is None:
            continue
        first = bisect_left(rows, start, key=waits.started.__getitem__)
        for index in range(first, bisect_left(rows, end, key=waits.started.__getitem__)):
            result.setdefault(task, {}).setdefault(rows[index], []).append(row)
    return result


def _holds_that_block(snapshot: Snapshot) -> Iterator[tuple[int, int, int, int]]:
    """Yield task, start, end and row of each hold during which somebody was kept waiting."""
    for resource in snapshot.limited:
        occupancy = snapshot.occupancy(resource)
        if not occupancy.crowded:
            continue
        holds = occupancy.holds
        for index in holds.during(_blocked(occupancy)):
            yield holds.tasks[index], holds.starts[index], holds.ends[index], holds.rows[index]


def _blocked(occupancy: Occupancy) -> Iterator[tuple[int, int]]:
    for index, waiters in enumerate(occupancy.blocked_waiters[:-1]):
        if waiters:
            yield occupancy.times[index], occupancy.times[index + 1]


class _Builder:
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._timeline = snapshot.timeline
        self._named: list[Cause] = []
        self._numbers: dict[Cause, int] = {}
        self._pieces_of: dict[int, list[_Piece]] = {}
        self._budget = 0

    def chains(self) -> WaitChains:
        through: dict[int, list[Span]] = {}
        causes: dict[int, list[Span]] = {}
        for task, pieces in self._to_follow().items():
            for start, end, what, row in pieces:
                self._budget = _MOST_PIECES
                for since, until, enter, cause in self._follow(what, row, start, end, (task,)):
                    if enter >= 0:
                        through.setdefault(task, []).append((since, until, enter))
                    else:
                        causes.setdefault(task, []).append((since, until, cause))
        stalls = self._stalls()
        waits = self._snapshot.waits
        own = (
            {
                task: zip(waits.starts[a:b], waits.ends[a:b], waits.rows[a:b], strict=True)
                for task, (a, b) in waits.ranges.items()
            }
            if through or stalls
            else {}
        )
        if own:
            tasks = sorted({*waits.ranges, *through})
            waits = _columns(
                {
                    task: self._not_stalled(
                        task, stalls, [*own.get(task, ()), *through.get(task, ())]
                    )
                    for task in tasks
                }
            )
        of_tasks = _columns(
            {task: self._not_stalled(task, stalls, causes[task]) for task in sorted(causes)}
        )
        of_loops = [self._of_loop(loop, spans) for loop, spans in stalls.items()]
        return WaitChains(self._snapshot, waits, (of_tasks, *of_loops), self._named)

    # -- chains -----------------------------------------------------------------------------

    def _to_follow(self) -> dict[int, list[_Piece]]:
        """Return the pieces of waits that a task made while others waited for what it held."""
        if not len(self._timeline.waits):
            return {}
        held: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for task, start, end, _ in _holds_that_block(self._snapshot):
            held[task].append((start, end))
        result: dict[int, list[_Piece]] = {}
        for task, spans in held.items():
            done = 0
            for start, end in sorted(spans):
                for piece in self._within(task, max(done, start), end):
                    if piece[2] != "enter":
                        result.setdefault(task, []).append(piece)
                done = max(done, end)
        return result

    def _follow(
        self, what: _What, row: int, start: int, end: int, above: tuple[int, ...]
    ) -> Iterator[_Link]:
        """Yield what a task waited for from ``start`` to ``end``, through those that it waited
        for: ``above``, and the task that ended the wait."""
        waker = self._waker(what, row)
        cause = self._number(
            Cause(
                self._timeline.waits.site[row] if what == "wait" else self._timeline.site[row],
                waker,
            )
        )
        self._budget -= 1
        if waker is not None and waker not in above and len(above) < _LONGEST:
            for since, until, inner, inside in self._within(waker, start, end):
                if self._budget <= 0:
                    break
                if since > start:
                    yield start, since, -1, cause
                if inner == "enter":
                    self._budget -= 1
                    yield since, until, inside, 0
                else:
                    yield from self._follow(inner, inside, since, until, (*above, waker))
                start = until
        if start < end:
            yield start, end, -1, cause

    def _number(self, cause: Cause) -> int:
        number = self._numbers.get(cause)
        if number is None:
            self._named.append(cause)
            number = self._numbers[cause] = len(self._named)
        return number

    def _waker(self, what: _What, row: int) -> int | None:
        if what == "wait":
            return waker_of(self._timeline, row)
        timeline = self._timeline
        started, ended = timeline.exit_started[row], timeline.exit_ended[row]
        children = self._children.get(timeline.task[row], [])
        over = [(timeline.task_ended.get(task, NOT_YET), task) for task in children]
        if ended == NOT_YET:
            return next((task for at, task in over if at == NOT_YET), None)
        return max((each for each in over if started <= each[0] <= ended), default=(NOT_YET, None))[
            1
        ]

    @cached_property
    def _children(self) -> dict[int, list[int]]:
        children: dict[int, list[int]] = defaultdict(list)
        for known in self._timeline.tasks.values():
            if known.parent is not None:
                children[known.parent].append(known.task)
        return children

    def _within(self, task: int, start: int, end: int) -> Iterator[_Piece]:
        """Yield the parts of what ``task`` waited for that lie between two times."""
        pieces = self._pieces_of.get(task)
        if pieces is None:
            pieces = self._pieces_of[task] = self._pieces(task)
        first = bisect_right(pieces, start, key=lambda piece: piece[1])
        for index in range(first, len(pieces)):
            since, until, what, row = pieces[index]
            if since >= end:
                break
            yield max(since, start), min(until, end), what, row

    def _pieces(self, task: int) -> list[_Piece]:
        """Return all that ``task`` waited for, in order and without overlaps.

        While it enters a limited resource, nothing else counts.
        """
        timeline, now = self._timeline, self._snapshot.now
        waits = timeline.waits
        others: list[Span] = []
        for row in waits.rows_of_task.get(task, ()):
            ended = waits.ended[row]
            end = now + 1 if ended == NOT_YET or ended > now else ended
            if waits.started[row] < end:
                others.append((waits.started[row], end, row))
        for group in self._groups.get(task, ()):
            ended = timeline.exit_ended[group]
            end = now + 1 if ended == NOT_YET or ended > now else ended
            if timeline.exit_started[group] < end:
                others.append((timeline.exit_started[group], end, ~group))
        spans = innermost_spans(others) if task in self._groups else iter(others)
        entering = self._snapshot.waits
        first, last = entering.ranges.get(task, (0, 0))
        enters = list(
            zip(
                entering.starts[first:last],
                entering.ends[first:last],
                entering.rows[first:last],
                strict=True,
            )
        )
        pieces: list[_Piece] = [(start, end, "enter", row) for start, end, row in enters]
        for start, end, row in _without(spans, enters):
            pieces.append((start, end, "wait", row) if row >= 0 else (start, end, "group", ~row))
        return sorted(pieces)

    @cached_property
    def _groups(self) -> dict[int, list[int]]:
        """Task -> the task groups that it left."""
        timeline = self._timeline
        groups: dict[int, list[int]] = defaultdict(list)
        for resource, rows in timeline.rows_of_resource.items():
            definition = timeline.resources.get(resource)
            if definition is not None and definition.kind == "task group":
                for row in rows:
                    if timeline.exit_started[row] != NOT_YET:
                        groups[timeline.exit_task[row]].append(row)
        return groups

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
                spans = list(_without(spans, stalled))
        return spans

    def _of_loop(self, loop: tuple[int | None, str | None], spans: list[Span]) -> Waits:
        tasks = [task for task in sorted(self._timeline.tasks) if self._runs_in(task, loop)]
        starts, ends, rows = (array("q", column) for column in zip(*spans, strict=True))
        return Waits(starts, ends, rows, dict.fromkeys(tasks, (0, len(spans))))

    def _runs_in(self, task: int, loop: tuple[int | None, str | None]) -> bool:
        known = self._timeline.tasks.get(task)
        process, thread = loop
        return known is not None and known.process == process and thread in (None, known.thread)


def _without(spans: Iterable[Span], taken: list[Span]) -> Iterator[Span]:
    """Yield the parts of ``spans`` that are in none of ``taken``; both are in order."""
    first = 0
    for start, end, row in spans:
        while first < len(taken) and taken[first][1] <= start:
            first += 1
        index = first
        while index < len(taken) and taken[index][0] < end:
            if taken[index][0] > start:
                yield start, taken[index][0], row
            start = max(start, taken[index][1])
            index += 1
        if start < end:
            yield start, end, row


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
