"""Waits for other things than managers, in parallel columns."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

from asyncctx_trace.analysis.timeline.phases import NOT_YET
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import OF_TASKS

__all__ = ["WaitColumns"]


class WaitColumns:
    """The waits of a program; rows are in order of their starts.

    A task waits for one thing at a time, so the waits of a task never overlap.
    """

    def __init__(self) -> None:
        self.id = array("q")
        self.task = array("q")
        self.kind = array("B")
        """A :class:`~asyncctx_trace.model.waits.WaitKind`."""
        self.subject = array("q")
        """The task or resource that is waited for, as the kind says; 0 where it is not known."""
        self.site = array("q")
        self.started = array("q")
        self.ended = array("q")
        self.outcome = array("B")
        self.woken_by = array("q")
        """The task that ended the wait; 0 for a callback, a timer or I/O."""
        self.targets: dict[int, list[int]] = {}
        """Row -> the tasks whose end is waited for, where they are several."""
        self.rows_of_task: dict[int, array[int]] = {}
        self.open: dict[int, int] = {}
        """Id -> row of those that have not ended."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WaitColumns) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __len__(self) -> int:
        """Return the number of waits."""
        return len(self.id)

    def start(self, at: int, id: int, task: int, kind: int, subject: int, site: int) -> None:
        """Append a wait that starts at ``at``; ``subject`` is 0 if there is none."""
        row = len(self.id)
        self.id.append(id)
        self.task.append(task)
        self.kind.append(kind)
        self.subject.append(subject)
        self.site.append(site)
        self.started.append(at)
        self.ended.append(NOT_YET)
        self.outcome.append(0)
        self.woken_by.append(0)
        self.rows_of_task.setdefault(task, array("q")).append(row)
        self.open[id] = row

    def extend(
        self,
        *,
        id: array[int],
        task: array[int],
        kind: array[int],
        subject: array[int],
        site: array[int],
        started: array[int],
    ) -> range:
        """Append many waits that start, and return their rows.

        The caller adds them to the rows of their tasks.
        """
        first, count = len(self), len(id)
        self.id.extend(id)
        self.task.extend(task)
        self.kind.extend(kind)
        self.subject.extend(subject)
        self.site.extend(site)
        self.started.extend(started)
        self.ended.extend(array("q", [NOT_YET]) * count)
        self.outcome.extend(array("B", [0]) * count)
        self.woken_by.extend(array("q", [0]) * count)
        rows = range(first, first + count)
        self.open.update(zip(id, rows, strict=True))
        return rows

    def end(self, at: int, id: int, outcome: int, woken_by: int) -> None:
        """End the wait ``id`` at ``at``; one that is not open is left as it is."""
        row = self.open.pop(id, None)
        if row is not None:
            self.ended[row] = at
            self.outcome[row] = outcome
            self.woken_by[row] = woken_by

    def add_target(self, id: int, task: int) -> None:
        """Add a task whose end the open wait ``id`` is for."""
        row = self.open.get(id)
        if row is not None:
            self.targets.setdefault(row, []).append(task)

    def until(self, limit_of: Callable[[int], float]) -> WaitColumns:
        """Return the waits as they stood when each task had come to its moment.

        ``limit_of``: task -> monotonic ns, infinity for a task without such a moment.
        """
        result = WaitColumns()
        for row, (task, started) in enumerate(zip(self.task, self.started, strict=True)):
            limit = limit_of(task)
            if started > limit:
                continue
            result.start(
                started, self.id[row], task, self.kind[row], self.subject[row], self.site[row]
            )
            for target in self.targets.get(row, ()):
                result.add_target(self.id[row], target)
            if NOT_YET < self.ended[row] <= limit:
                result.end(self.ended[row], self.id[row], self.outcome[row], self.woken_by[row])
        return result

    def rows_between(self, task: int, since: int, until: int) -> Sequence[int]:
        """Return the rows of ``task`` that start from ``since`` on and before ``until``, in order.

        Times are in monotonic ns. O(log n).
        """
        rows = self.rows_of_task.get(task, ())
        first, last = (bisect_left(rows, at, key=self.started.__getitem__) for at in (since, until))
        return rows[first:last]

    def at(self, task: int, at: int) -> int | None:
        """Return the row in which ``task`` waited at ``at`` (monotonic ns). O(log n)."""
        rows = self.rows_of_task.get(task)
        if not rows:
            return None
        index = bisect_right(rows, at, key=self.started.__getitem__) - 1
        if index < 0:
            return None
        row = rows[index]
        ended = self.ended[row]
        return row if ended == NOT_YET or ended > at else None

    def tasks_awaited(self, row: int) -> list[int]:
        """Return the tasks whose end the wait in ``row`` is for."""
        if row in self.targets:
            return self.targets[row]
        subject = self.subject[row]
        return [subject] if subject and self.kind[row] in OF_TASKS else []

    def cancelled(self, row: int) -> bool:
        """Return whether the wait in ``row`` was ended by a cancellation."""
        return self.outcome[row] == Outcome.CANCELLED
