"""Acquisitions in parallel columns, with the operations that add events to them."""

from __future__ import annotations

from array import array
from bisect import bisect_right

from asyncctx_trace.analysis.timeline.open_rows import OpenAcquisitions
from asyncctx_trace.analysis.timeline.phases import NOT_YET, Phase, phase_at
from asyncctx_trace.analysis.timeline.wait_columns import WaitColumns
from asyncctx_trace.model.events import ErrorText, Outcome, ReleaseUnmatched

__all__ = ["AcquisitionColumns"]

_OK = int(Outcome.OK)


class AcquisitionColumns:
    """The acquisitions of a program; rows are in order of the first event.

    Columns are parallel arrays: ``enter_started[row]`` and so on, with ``NOT_YET`` where the event
    has not happened. Both ways to read a recording, event by event and batch by batch with numpy,
    add rows, depths and times through the methods below.
    """

    def __init__(self) -> None:
        self.start: int | None = None
        """The time of the first event, ``None`` while there is none."""
        self.end: int | None = None
        """The time of the last event."""
        self.facts = array("q")
        """The times of all events other than definitions, in order."""
        self.task_ended: dict[int, int] = {}
        """Task -> when it was seen to have ended."""
        self.unmatched: list[ReleaseUnmatched] = []
        """Releases that ended no recorded acquisition, in order of time."""

        self.id = array("q")
        self.parent = array("q")
        self.task = array("q")
        self.resource = array("q")
        self.site = array("q")
        self.by_call = array("B")
        self.manager: list[str] = []
        self.depth = array("I")
        self.enter_started = array("q")
        self.enter_ended = array("q")
        self.exit_started = array("q")
        self.exit_ended = array("q")
        self.exit_task = array("q")
        self.exit_site = array("q")
        """The call that started the exit; 0 if that is the end of the ``async with``."""
        self.exit_flags = array("B")
        """Bits of :class:`~asyncctx_trace.model.outcomes.ExitFlag`."""
        self.enter_outcome = array("B")
        self.body_outcome = array("B")
        self.exit_outcome = array("B")
        self.suppressed = array("B")
        self.errors: dict[tuple[int, Phase], ErrorText] = {}
        """By row and phase; most have none."""
        self.collected: dict[int, int] = {}
        """Row -> when the garbage collector took the object that an open acquisition holds."""
        self.rows_of_task: dict[int, array[int]] = {}
        self.rows_of_resource: dict[int, array[int]] = {}
        self.waits = WaitColumns()
        """Waits for other things than managers."""
        self.open = OpenAcquisitions()
        """The acquisitions that lack their last event."""

    def __len__(self) -> int:
        """Return the number of acquisitions."""
        return len(self.id)

    @property
    def times(self) -> tuple[array[int], array[int], array[int], array[int]]:
        """The columns of times, in the order of the events."""
        return self.enter_started, self.enter_ended, self.exit_started, self.exit_ended

    @property
    def in_flight(self) -> list[int]:
        """Rows that lack their last event, in order."""
        return sorted(self.open.rows)

    def entered(self, row: int) -> bool:
        """Return whether the enter of ``row`` succeeded."""
        return self.enter_outcome[row] == _OK

    def phase_at(self, row: int, at: int) -> Phase | None:
        """Return the phase of ``row`` at ``at``; ``None`` before the start and after the end."""
        times = (
            self.enter_started[row],
            self.enter_ended[row],
            self.exit_started[row],
            self.exit_ended[row],
        )
        return phase_at(times, self.enter_outcome[row] == _OK, at)

    # -- ingest -----------------------------------------------------------------------------

    def add_row(
        self,
        id: int,
        parent: int,
        task: int,
        resource: int,
        site: int,
        by_call: bool,
        enter_started: int,
        manager: str,
    ) -> None:
        """Append an acquisition whose enter has started; ``parent`` is 0 if there is none."""
        row = len(self.id)
        self.id.append(id)
        self.parent.append(parent)
        self.task.append(task)
        self.resource.append(resource)
        self.site.append(site)
        self.by_call.append(by_call)
        self.enter_started.append(enter_started)
        self.manager.append(manager)
        self.exit_task.append(task)
        self.enter_ended.append(NOT_YET)
        self.exit_started.append(NOT_YET)
        self.exit_ended.append(NOT_YET)
        self.exit_site.append(0)
        self.exit_flags.append(0)
        self.enter_outcome.append(0)
        self.body_outcome.append(0)
        self.exit_outcome.append(0)
        self.suppressed.append(0)
        self.depth.append(self.open.start(id, task, row))
        self.rows_of_task.setdefault(task, array("q")).append(row)
        self.rows_of_resource.setdefault(resource, array("q")).append(row)

    def add_rows(
        self,
        *,
        id: array[int],
        parent: array[int],
        task: array[int],
        resource: array[int],
        site: array[int],
        by_call: array[int],
        enter_started: array[int],
        manager: list[str],
    ) -> range:
        """Append many acquisitions as :meth:`add_row` does, and return their rows.

        The caller sets their depths, and adds their rows to :attr:`open` and to the rows of their
        tasks and resources.
        """
        first, count = len(self), len(id)
        self.id.extend(id)
        self.parent.extend(parent)
        self.task.extend(task)
        self.resource.extend(resource)
        self.site.extend(site)
        self.by_call.extend(by_call)
        self.enter_started.extend(enter_started)
        self.manager.extend(manager)
        self.exit_task.extend(task)
        for column in (self.enter_ended, self.exit_started, self.exit_ended):
            column.extend(array(column.typecode, [NOT_YET]) * count)
        for column in (
            self.depth,
            self.exit_site,
            self.exit_flags,
            self.enter_outcome,
            self.body_outcome,
            self.exit_outcome,
            self.suppressed,
        ):
            column.extend(array(column.typecode, [0]) * count)
        return range(first, first + count)

    def end_row(self, row: int) -> None:
        """Take ``row``, which has had its last event, off the stack of its task."""
        self.open.end(self.id[row], self.task[row], self.depth[row])

    def add_time(self, at: int) -> None:
        """Add the time of an event; it may be earlier than those of other threads and processes."""
        facts = self.facts
        if facts and at < facts[-1]:
            facts.insert(bisect_right(facts, at), at)
        else:
            facts.append(at)
        self.start = facts[0]
        self.end = at if self.end is None else max(self.end, at)

    def add_times(self, times: array[int]) -> None:
        """Add the times of many events, which are in order and not before those known."""
        if not times:
            return
        facts = self.facts
        facts.extend(times)
        self.start = facts[0]
        self.end = facts[-1] if self.end is None else max(self.end, facts[-1])

    def take_times_after(self, at: int) -> array[int]:
        """Remove and return the times after ``at``, to be added again with earlier ones."""
        index = bisect_right(self.facts, at)
        later = self.facts[index:]
        del self.facts[index:]
        return later
