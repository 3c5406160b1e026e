"""The order, outcome and duration of exits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline

__all__ = ["Cleanup", "Order", "Unwinding", "cleanups", "orders", "unwindings"]


@dataclass(frozen=True, slots=True)
class Unwinding:
    """Exits that followed each other in one task, without an enter between them."""

    task: int
    stack: int | None
    """The row of the exit stack that ran them; ``None`` if the task did."""
    left: tuple[int, ...]
    """The rows in order of the ends of their exits."""
    entered: tuple[int, ...]
    """The same rows in order of entering."""

    @property
    def in_order(self) -> bool:
        """Whether the last one entered was the first one exited."""
        return self.left == self.entered[::-1]


@dataclass(slots=True)
class Order:
    """Equal unwindings: the same resources at the same sites in the same order."""

    left: tuple[tuple[int, int], ...]
    """(resource, site) in order of the exits."""
    in_order: bool
    by_stack: bool
    """Whether an exit stack ran them."""
    times: int = 0
    tasks: dict[int, None] = field(default_factory=dict)
    """The tasks, in order."""


@dataclass(frozen=True, slots=True)
class Cleanup:
    """The exits of one resource at one site: number, reasons and outcomes."""

    resource: int
    site: int
    exits: int
    under_error: int
    """After a body that failed."""
    under_cancellation: int
    """After a body that was cancelled, or whose deadline passed."""
    failed: int
    cut_off: int
    """Cancelled before they ended."""
    suppressed: int
    overlapping: int
    """Started during another exit of the same task."""
    slowest: int
    """In ns."""


def unwindings(snapshot: Snapshot) -> Iterator[Unwinding]:
    """Yield every unwinding of two or more exits, by task, and within a task by exit stack."""
    timeline = snapshot.timeline
    for task, rows in snapshot.stacked.items():
        moves = [(timeline.enter_started[row], row, False) for row in rows]
        moves += [
            (ended, row, True) for row in rows if (ended := timeline.exit_ended[row]) != NOT_YET
        ]
        run: list[int] = []
        for _, row, leaves in sorted(moves):
            if leaves:
                run.append(row)
            else:
                yield from _of_run(timeline, task, run)
                run = []
        yield from _of_run(timeline, task, run)


def orders(snapshot: Snapshot) -> list[Order]:
    """Return how tasks unwound, the most frequent order first."""
    timeline = snapshot.timeline
    result: dict[object, Order] = {}
    for unwinding in unwindings(snapshot):
        left = tuple((timeline.resource[row], timeline.site[row]) for row in unwinding.left)
        by_stack = unwinding.stack is not None
        key = left, unwinding.in_order, by_stack
        order = result.setdefault(key, Order(left, unwinding.in_order, by_stack))
        order.times += 1
        order.tasks[unwinding.task] = None
    return sorted(result.values(), key=lambda order: -order.times)


def cleanups(snapshot: Snapshot) -> list[Cleanup]:
    """Return what was cleaned up, by resource and site, the slowest first.

    Task groups are left out: their exits wait for tasks.
    """
    overlapping = _overlapping(snapshot)
    counts = snapshot.kernels.whole.cleanup_counts(snapshot.timeline, overlapping, snapshot.now)
    found = (Cleanup(*fields) for fields in counts)
    cleaned = [each for each in found if not snapshot.timeline.is_group(each.resource)]
    return sorted(cleaned, key=lambda cleanup: -cleanup.slowest)


def _of_run(timeline: Timeline, task: int, run: list[int]) -> Iterator[Unwinding]:
    if len(run) < 2:
        return
    stacked: set[int] = set()
    for stack in run:
        if _kind(timeline, stack) == "exit stack":
            inside = [row for row in run if row not in stacked and _within(timeline, row, stack)]
            stacked.update(inside)
            if len(inside) > 1:
                yield _unwinding(timeline, task, stack, inside)
    rest = [row for row in run if row not in stacked]
    if len(rest) > 1:
        yield _unwinding(timeline, task, None, rest)


def _unwinding(timeline: Timeline, task: int, stack: int | None, run: list[int]) -> Unwinding:
    entered = sorted(run, key=lambda row: (timeline.enter_started[row], row))
    return Unwinding(task, stack, tuple(run), tuple(entered))


def _within(timeline: Timeline, row: int, stack: int) -> bool:
    started, ended = timeline.exit_started, timeline.exit_ended
    return row != stack and started[stack] <= started[row] and ended[row] <= ended[stack]


def _kind(timeline: Timeline, row: int) -> str:
    definition = timeline.resources.get(timeline.resource[row])
    return definition.kind if definition else ""


def _overlapping(snapshot: Snapshot) -> set[int]:
    """Return the rows whose exit started during another one of the task, except exit stacks."""
    timeline = snapshot.timeline
    result: set[int] = set()
    for rows in snapshot.stacked.values():
        until = NOT_YET
        for row in sorted(rows, key=timeline.exit_started.__getitem__):
            started, ended = timeline.exit_started[row], timeline.exit_ended[row]
            if started == NOT_YET or _kind(timeline, row) == "exit stack":
                continue
            if started < until:
                result.add(row)
            until = max(until, ended)
    return result
