"""Charge the waits for queues, events, tasks and the like, ns by ns, to what made them last.

A consumer that waits for an item waits for the task that puts it: while that one waits itself, for
the task that ends its wait; while it enters a full resource, for the holders. So at each moment a
chain leads to a task that ran, that held a resource, or that waited for what no task ends (a timer,
I/O).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import Literal, TypeAlias

from asyncctx_trace.analysis.contention.task_lines import Doing, TaskLines
from asyncctx_trace.analysis.contention.task_waits import TaskWait, TaskWaits
from asyncctx_trace.analysis.contention.wait_chains import Cause, wait_chains
from asyncctx_trace.analysis.kernels.charges import SCALE, round_charges
from asyncctx_trace.analysis.kernels.wait_groups import WaitGroup
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.waits import OF_TASKS, WaitKind

__all__ = ["Reason", "WaitBlame", "WaitShare", "wait_blame"]

_LONGEST_CHAIN = 16
"""How many tasks a chain leads through at most; what is beyond is charged to the last of them."""
_MOST_PIECES = 4096
"""Into how many pieces one wait is cut at most; the rest of it is charged to who ended it."""
_MOST_FOLLOWED = 20_000
"""How many waits are followed, the longest first; the others are charged to who ended them."""
_WHOLE = 1 << SCALE

Reason: TypeAlias = Doing | Literal["held", "not full", "waited", "stalled"]
"""What the charged task did. ``held``: it held a resource; ``not full``: it entered one that was
not full; ``waited``: it waited for what no known task ended; ``stalled``: it blocked the event
loop; for the others see :data:`~asyncctx_trace.analysis.contention.task_lines.Doing`."""
_Key: TypeAlias = tuple[int, int, Reason, int]
"""See the first fields of :class:`WaitShare`; 0 for no task."""
_Group: TypeAlias = tuple[int, int, int]
"""Site, kind and number of the subject's name."""


@dataclass(frozen=True, slots=True)
class WaitShare:
    """The part of the waiting time of a group of waits that is charged to one task at one line."""

    task: int | None
    """``None`` if the event loop was blocked by no task."""
    site: int
    """The line at which it was last seen, held the resource, waited, or blocked the event loop; 0
    if it was not seen before."""
    reason: Reason
    resource: int
    """What it held, entered or left; 0 for nothing."""
    kind: WaitKind | None
    """What it waited for, if the reason is ``waited``."""
    ns: int


class WaitBlame:
    """The shares of all waits, by group."""

    def __init__(self, names: dict[int, int], shares: dict[_Group, list[WaitShare]]) -> None:
        self._names = names
        self._shares = shares

    def of(self, group: WaitGroup) -> Sequence[WaitShare]:
        """Return the shares of ``group``, the largest first; their sum is its total time."""
        return self._shares.get((group.site, group.kind, self._names.get(group.subject, 0)), ())


def wait_blame(snapshot: Snapshot, tasks: Iterable[int] | None = None) -> WaitBlame:
    """Charge all waits in ``snapshot``, or those of ``tasks`` only.

    Every ns is charged once; several holders of a resource share it equally. For the limits see
    :data:`_MOST_FOLLOWED`. O(n log n) for n waits, if their chains are short.
    """
    timeline = snapshot.timeline
    waits, now = timeline.waits, snapshot.now
    numbers: dict[str, int] = {}
    names = {
        resource: numbers.setdefault(known.name, len(numbers) + 1)
        for resource, known in timeline.resources.items()
    }
    rows = (
        range(len(waits))
        if tasks is None
        else [row for task in tasks for row in waits.rows_of_task.get(task, ())]
    )
    lengths = {
        row: (max(waits.started[row], now) if waits.ended[row] == NOT_YET else waits.ended[row])
        - waits.started[row]
        for row in rows
    }
    followed = (
        lengths.keys()
        if len(lengths) <= _MOST_FOLLOWED
        else set(nlargest(_MOST_FOLLOWED, lengths, key=lengths.__getitem__))
    )
    charger = _Charger(snapshot)
    totals: dict[_Group, int] = defaultdict(int)
    for row, length in lengths.items():
        if not length:
            continue
        kind = waits.kind[row]
        name = 0 if kind in OF_TASKS else names.get(waits.subject[row], 0)
        key = waits.site[row], kind, name
        totals[key] += length
        start = waits.started[row]
        wait = TaskWait(start, start + length, "wait", row)
        charger.charge(key, waits.task[row], wait, follow=row in followed)
    shares: dict[_Group, list[WaitShare]] = {}
    for key, charges in charger.charges.items():
        whole = round_charges(charges.values(), totals[key])
        found = [_share(charge, ns) for charge, ns in zip(charges, whole, strict=True) if ns]
        shares[key] = sorted(found, key=lambda share: -share.ns)
    return WaitBlame(names, shares)


def _share(key: _Key, ns: int) -> WaitShare:
    task, site, reason, what = key
    waited = reason == "waited"
    kind = WaitKind(what) if waited and what else None
    return WaitShare(task or None, site, reason, 0 if waited else what, kind, ns)


class _Charger:
    """Follows waits from task to task; collects the charges, in units of ``2**-SCALE`` ns."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.charges: dict[_Group, dict[_Key, int]] = {}
        self._snapshot = snapshot
        self._timeline = snapshot.timeline
        self._waits = snapshot.once(TaskWaits)
        self._lines = snapshot.once(TaskLines)
        self._stalls_of_loops = snapshot.once(wait_chains).stalls
        self._stalls: dict[int, list[tuple[int, int, Cause]]] = {}
        """Task -> when its event loop stood still."""
        self._into: dict[_Key, int] = {}
        self._budget = 0

    def charge(self, group: _Group, task: int, wait: TaskWait, *, follow: bool) -> None:
        """Charge ``wait`` of ``task``, and count it in ``group``."""
        self._into = self.charges.setdefault(group, defaultdict(int))
        self._budget = _MOST_PIECES if follow else 0
        for start, end in self._unless_stalled(task, wait.start, wait.end, _WHOLE):
            self._wait(task, wait._replace(start=start, end=end), _WHOLE, (task,))

    def _add(self, start: int, end: int, weight: int, key: _Key) -> None:
        self._into[key] += (end - start) * weight

    def _unless_stalled(
        self, task: int, start: int, end: int, weight: int
    ) -> Iterable[tuple[int, int]]:
        """Charge the time in which the loop of ``task`` stood still, and yield the rest of it."""
        if not self._stalls_of_loops:
            yield start, end
            return
        stalls = self._stalls.get(task)
        if stalls is None:
            stalls = self._stalls[task] = sorted(
                (
                    (since, until, cause)
                    for since, until, cause, tasks in self._stalls_of_loops
                    if task in tasks
                ),
                key=lambda each: each[0],
            )
        for since, until, cause in stalls[
            max(0, bisect_right(stalls, start, key=lambda each: each[0]) - 1) :
        ]:
            if since >= end:
                break
            if until <= start:
                continue
            if start < since:
                yield start, since
            stop = min(until, end)
            self._add(max(start, since), stop, weight, (cause.task or 0, cause.site, "stalled", 0))
            start = stop
        if start < end:
            yield start, end

    def _wait(self, task: int, wait: TaskWait, weight: int, above: tuple[int, ...]) -> None:
        """Charge a wait for something else than a limited resource; ``task`` is in ``above``."""
        waker = self._waits.waker(wait)
        if waker is None or waker in above:
            kind = self._timeline.waits.kind[wait.row] if wait.what == "wait" else WaitKind.TASKS
            key: _Key = task, self._waits.site(wait), "waited", kind
            self._add(wait.start, wait.end, weight, key)
        else:
            self._task(waker, wait.start, wait.end, weight, (*above, waker), None)

    def _task(
        self,
        task: int,
        start: int,
        end: int,
        weight: int,
        above: tuple[int, ...],
        holds: _Key | None,
    ) -> None:
        """Charge the time in which somebody waited for ``task``, which is the last of ``above``.

        ``holds``: whom to charge while it does not wait; ``None`` for the line where it was.
        """
        born = self._lines.starts_at(task)
        if holds is None and born is not None and start < born:
            parent = self._timeline.tasks[task].parent
            before = min(born, end)
            if parent is not None and parent not in above and self._may_follow(above):
                self._task(parent, start, before, weight, (*above, parent), None)
            else:
                self._ran(task, start, before, weight, None)
            start = before
        for since, until in self._unless_stalled(task, start, end, weight):
            at = since
            for inner in self._waits.within(task, since, until):
                if not self._may_follow(above):
                    break
                self._ran(task, at, inner.start, weight, holds)
                if inner.what == "enter":
                    self._enter(task, inner, weight, above)
                else:
                    self._wait(task, inner, weight, above)
                at = inner.end
            self._ran(task, at, until, weight, holds)

    def _may_follow(self, above: tuple[int, ...]) -> bool:
        self._budget -= 1
        return self._budget >= 0 and len(above) <= _LONGEST_CHAIN

    def _ran(self, task: int, start: int, end: int, weight: int, holds: _Key | None) -> None:
        if start >= end:
            return
        if holds is not None:
            self._add(start, end, weight, holds)
            return
        for seen in self._lines.within(task, start, end):
            self._budget -= 1
            key: _Key = task, seen.site, seen.doing, seen.resource
            self._add(seen.start, seen.end, weight, key)

    def _enter(self, task: int, wait: TaskWait, weight: int, above: tuple[int, ...]) -> None:
        """Charge the enter of a limited resource to its holders while it is full."""
        timeline = self._timeline
        resource, site = timeline.resource[wait.row], timeline.site[wait.row]
        occupancy = self._snapshot.occupancy(resource)
        times, at = occupancy.times, wait.start
        step = max(0, bisect_right(times, at) - 1)
        while at < wait.end:
            last = step + 1 >= len(times)
            until = wait.end if last else min(times[step + 1], wait.end)
            held = self._snapshot.holders(resource, at)
            if at < until and len(held) >= occupancy.limit:
                part, left = divmod(weight, len(held))
                for number, row in enumerate(held):
                    share = part + (number < left)
                    self._holder(row, at, until, share, above, resource)
            else:
                self._add(at, until, weight, (task, site, "not full", resource))
            at, step = until, step + 1

    def _holder(
        self, row: int, start: int, end: int, weight: int, above: tuple[int, ...], resource: int
    ) -> None:
        left = self._timeline.exit_started[row]
        if start < left < end:  # another task may end the hold than the one that began it
            self._holder(row, start, left, weight, above, resource)
            start = left
        holder = self._snapshot.holder(row, start)
        key: _Key = holder, self._timeline.site[row], "held", resource
        if holder in above or not self._may_follow(above):
            self._add(start, end, weight, key)
        else:
            self._task(holder, start, end, weight, (*above, holder), key)
