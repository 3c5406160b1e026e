"""In which order tasks cleaned up, under what, for how long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline

__all__ = ["Cleanup", "Order", "Unwinding", "cleanups", "orders", "unwindings"]


@dataclass(frozen=True, slots=True)
class Unwinding:
    """Exits that followed each other in one task, with no enter in between."""

    task: int
    stack: int | None
    """Row of the exit stack whose exit did them; ``None`` where the task did."""
    left: tuple[int, ...]
    """Rows in the order in which their exits ended."""
    entered: tuple[int, ...]
    """The same rows in the order in which they were entered."""

    @property
    def in_order(self) -> bool:
        """Whether the last in was the first out."""
        return self.left == self.entered[::-1]


@dataclass(slots=True)
class Order:
    """Unwindings that look the same: one resource after the other, at the same sites."""

    left: tuple[tuple[int, int], ...]
    """(resource, site) in the order of the exits."""
    in_order: bool
    by_stack: bool
    """Whether an exit stack did them."""
    times: int = 0
    tasks: dict[int, None] = field(default_factory=dict)
    """Who unwound so, in order."""


@dataclass(frozen=True, slots=True)
class Cleanup:
    """All exits of one resource at one site: how many, under what, and how they went."""

    resource: int
    site: int
    exits: int
    under_error: int
    """The body had failed."""
    under_cancellation: int
    """The body had been cancelled, or a deadline had passed."""
    failed: int
    cut_off: int
    """Cancelled before they were done."""
    suppressed: int
    overlapping: int
    """Began while another exit of the same task was going on."""
    slowest: int
    """ns"""


def unwindings(snapshot: Snapshot) -> Iterator[Unwinding]:
    """Every run of two and more exits, task by task and within it stack by stack."""
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
    """The ways in which tasks unwound, the most frequent first."""
    timeline = snapshot.timeline
    found: dict[object, Order] = {}
    for unwinding in unwindings(snapshot):
        left = tuple((timeline.resource[row], timeline.site[row]) for row in unwinding.left)
        by_stack = unwinding.stack is not None
        key = left, unwinding.in_order, by_stack
        order = found.setdefault(key, Order(left, unwinding.in_order, by_stack))
        order.times += 1
        order.tasks[unwinding.task] = None
    return sorted(found.values(), key=lambda order: -order.times)


def cleanups(snapshot: Snapshot) -> list[Cleanup]:
    """Return what was cleaned up, by resource and site, the slowest first."""
    overlapping = _overlapping(snapshot)
    counts = snapshot.kernels.whole.cleanup_counts(snapshot.timeline, overlapping, snapshot.now)
    return sorted((Cleanup(*fields) for fields in counts), key=lambda cleanup: -cleanup.slowest)


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
    known = timeline.resources.get(timeline.resource[row])
    return known.kind if known else ""


def _overlapping(snapshot: Snapshot) -> set[int]:
    """Rows whose exit began while another one of the same task went on, but for exit stacks."""
    timeline = snapshot.timeline
    found: set[int] = set()
    for rows in snapshot.stacked.values():
        until = NOT_YET
        for row in sorted(rows, key=timeline.exit_started.__getitem__):
            started, ended = timeline.exit_started[row], timeline.exit_ended[row]
            if started == NOT_YET or _kind(timeline, row) == "exit stack":
                continue
            if started < until:
                found.add(row)
            until = max(until, ended)
    return found
