"""Every acquisition of a program in columns, grown as the events arrive."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Literal, TypeAlias

from asyncctx_trace.model.events import (
    NO_FLAGS,
    Collected,
    Definition,
    Dropped,
    EnterEnded,
    EnterStarted,
    ErrorText,
    Event,
    ExitEnded,
    ExitStarted,
    Heartbeat,
    Interrupted,
    Marked,
    Note,
    Outcome,
    Printed,
    ProcessDefined,
    ProcessEnded,
    ReleaseUnmatched,
    ResourceDefined,
    SiteDefined,
    TaskDefined,
    TaskEnded,
)
from asyncctx_trace.model.outcomes import ExitFlag
from asyncctx_trace.recording.batch import Batch

__all__ = ["NOT_YET", "Acquisition", "Phase", "Timeline"]

Phase: TypeAlias = Literal["enter", "body", "exit"]

_MANY = 2_000
"""Facts from which on numpy is worth its import."""

NOT_YET = -1
"""Stands in a column of times for a fact that has not come."""
_OK = int(Outcome.OK)


@dataclass(frozen=True, slots=True)
class Acquisition:
    """One pass of one task through one manager, as far as it has come.

    Times are monotonic ns; ``None`` where the fact has not come.
    """

    row: int
    """Its place in the timeline's columns, in order of the first fact."""
    id: int
    parent: int | None
    task: int
    resource: int
    site: int
    manager: str
    depth: int
    """How many of its task's acquisitions lay below it on the stack."""
    enter_started: int
    enter_ended: int | None
    exit_started: int | None
    exit_ended: int | None
    exit_task: int
    """The task that cleaned up: the same as ``task`` but for foreign exits."""
    enter_outcome: Outcome | None
    body_outcome: Outcome | None
    exit_outcome: Outcome | None
    suppressed: bool
    enter_error: ErrorText | None
    body_error: ErrorText | None
    exit_error: ErrorText | None
    by_call: bool = False
    """Whether it asked by calling a method such as ``acquire()``, and not by ``async with``."""
    exit_site: int | None = None
    """The call that began the exit, where that is not the end of the ``async with``."""
    exit_flags: ExitFlag = NO_FLAGS
    """What else is known of the exit that ended."""
    collected: int | None = None
    """When the garbage collector took the object that it holds, while it was open."""

    @property
    def entered(self) -> bool:
        """Whether it got in."""
        return self.enter_outcome is Outcome.OK

    @property
    def ended(self) -> int | None:
        """When its last fact came: the end of the exit, or of an enter that failed."""
        if self.enter_ended is not None and not self.entered:
            return self.enter_ended
        return self.exit_ended

    def phase_at(self, at: int) -> Phase | None:
        """The phase it is in at time ``at``; ``None`` before it began and once it has ended."""
        if at < self.enter_started:
            return None
        if self.enter_ended is None or at < self.enter_ended:
            return "enter"
        if not self.entered:
            return None
        if self.exit_started is None or at < self.exit_started:
            return "body"
        if self.exit_ended is None or at < self.exit_ended:
            return "exit"
        return None

    def span_of(self, phase: Phase, now: int) -> tuple[int, int] | None:
        """Start and end of a phase that has begun; one still open ends at ``now``."""
        start: int | None
        end: int | None
        match phase:
            case "enter":
                start, end = self.enter_started, self.enter_ended
            case "body":
                start, end = self.enter_ended if self.entered else None, self.exit_started
            case "exit":
                start, end = self.exit_started, self.exit_ended
        if start is None:
            return None
        return start, max(start, now) if end is None else end


class Timeline:
    """What happened, by acquisition; rows are in order of the first fact.

    Columns are parallel arrays: ``enter_started[row]`` and so on, ``NOT_YET`` where the fact has
    not come. ``acquisition(row)`` gives one row as a value. Facts of acquisitions whose first
    fact is missing (begun before the recording, or before a fork) are left out.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.processes: dict[int, ProcessDefined] = {}
        self.tasks: dict[int, TaskDefined] = {}
        self.task_ended: dict[int, int] = {}
        """When a task was found gone."""
        self.resources: dict[int, ResourceDefined] = {}
        self.sites: dict[int, SiteDefined] = {}
        self.printed: list[Printed] = []
        self.marks: list[Marked] = []
        self.dropped: list[Dropped] = []
        self.interrupted: list[Interrupted] = []
        self.process_ended: list[ProcessEnded] = []
        self.unmatched: list[ReleaseUnmatched] = []
        """Releases that ended no recorded acquisition, in order of time."""
        self.start: int | None = None
        """The time of the first event, ``None`` while there is none."""
        self.end: int | None = None
        """The time of the last event."""

        self.id = array("q")
        self.parent = array("q")
        self.task = array("q")
        self.resource = array("q")
        self.site = array("q")
        self.by_call = array("B")
        self.manager: list[str] = []
        self.depth = array("H")
        self.enter_started = array("q")
        self.enter_ended = array("q")
        self.exit_started = array("q")
        self.exit_ended = array("q")
        self.exit_task = array("q")
        self.exit_site = array("q")
        """The call that began the exit; 0 where that is the end of the ``async with``."""
        self.exit_flags = array("B")
        """Bits of :class:`~asyncctx_trace.model.outcomes.ExitFlag`."""
        self.enter_outcome = array("B")
        self.body_outcome = array("B")
        self.exit_outcome = array("B")
        self.suppressed = array("B")
        self.errors: dict[tuple[int, Phase], ErrorText] = {}
        """By row and phase; most have none."""
        self.collected: dict[int, int] = {}
        """Row -> when the garbage collector took what the open acquisition holds."""
        self.rows_of_task: dict[int, array[int]] = {}
        self.rows_of_resource: dict[int, array[int]] = {}
        self.facts = array("q")
        """Time of each fact and note in order: what a viewer steps through."""
        self._row: dict[int, int] = {}
        """Acquisition -> row, of those in flight."""
        self._open: dict[int, list[int]] = {}
        """Task -> rows in flight, by depth; -1 where a depth is free."""
        self.extend(events)

    def __len__(self) -> int:
        """How many acquisitions."""
        return len(self.id)

    def __iter__(self) -> Iterator[Acquisition]:
        return map(self.acquisition, range(len(self)))

    def acquisition(self, row: int) -> Acquisition:
        """The acquisition in ``row``; raises IndexError."""
        return Acquisition(
            row=row,
            id=self.id[row],
            parent=self.parent[row] or None,
            task=self.task[row],
            resource=self.resource[row],
            site=self.site[row],
            manager=self.manager[row],
            depth=self.depth[row],
            enter_started=self.enter_started[row],
            enter_ended=_time(self.enter_ended[row]),
            exit_started=_time(self.exit_started[row]),
            exit_ended=_time(self.exit_ended[row]),
            exit_task=self.exit_task[row],
            enter_outcome=_outcome(self.enter_outcome[row]),
            body_outcome=_outcome(self.body_outcome[row]),
            exit_outcome=_outcome(self.exit_outcome[row]),
            suppressed=bool(self.suppressed[row]),
            enter_error=self.errors.get((row, "enter")),
            body_error=self.errors.get((row, "body")),
            exit_error=self.errors.get((row, "exit")),
            by_call=bool(self.by_call[row]),
            exit_site=self.exit_site[row] or None,
            exit_flags=ExitFlag(self.exit_flags[row]),
            collected=self.collected.get(row),
        )

    def phase_at(self, row: int, at: int) -> Phase | None:
        """The phase of ``row`` at time ``at``, as :meth:`Acquisition.phase_at` tells it."""
        if at < self.enter_started[row]:
            return None
        if self.enter_ended[row] == NOT_YET or at < self.enter_ended[row]:
            return "enter"
        if not self.entered(row):
            return None
        if self.exit_started[row] == NOT_YET or at < self.exit_started[row]:
            return "body"
        if self.exit_ended[row] == NOT_YET or at < self.exit_ended[row]:
            return "exit"
        return None

    def entered(self, row: int) -> bool:
        """Whether the acquisition in ``row`` got in."""
        return self.enter_outcome[row] == _OK

    @property
    def times(self) -> tuple[array[int], array[int], array[int], array[int]]:
        """The columns of times, in the order of the facts."""
        return self.enter_started, self.enter_ended, self.exit_started, self.exit_ended

    @property
    def in_flight(self) -> list[int]:
        """Rows that lack their last fact, in order."""
        return sorted(self._row.values())

    # -- growth -----------------------------------------------------------------------------

    def extend(self, events: Iterable[Event]) -> None:
        """Take in more events, in the order in which a recording gives them."""
        if isinstance(events, Batch) and events.facts > _MANY and self._take_in_bulk(events):
            return
        for event in events:
            self._take(event)

    def _take_in_bulk(self, batch: Batch) -> bool:
        """Many facts at once, if numpy is there and the facts are whole."""
        try:
            from asyncctx_trace.analysis.timeline import numpy_ingest
        except ImportError:
            return False
        if not numpy_ingest.take(self, batch):
            return False
        for event in (*batch.definitions, *sorted(batch.notes, key=attrgetter("at"))):
            self._keep(event)
        return True

    def _take(self, event: Event) -> None:
        match event:
            case EnterStarted():
                self._begin(event)
            case EnterEnded(at, acquisition, outcome, error):
                row = self._row.get(acquisition)
                if row is not None:
                    self.enter_ended[row] = at
                    self.enter_outcome[row] = outcome
                    self._error(row, "enter", error)
                    if outcome is not Outcome.OK:
                        self._finish(row)
            case ExitStarted(at, acquisition, task, outcome, error, site):
                row = self._row.get(acquisition)
                if row is not None:
                    self.exit_started[row] = at
                    self.exit_task[row] = task
                    self.exit_site[row] = site or 0
                    self.body_outcome[row] = outcome
                    self._error(row, "body", error)
            case ExitEnded(at, acquisition, outcome, suppressed, error, flags):
                row = self._row.get(acquisition)
                if row is not None:
                    self.exit_ended[row] = at
                    self.exit_outcome[row] = outcome
                    self.suppressed[row] = suppressed
                    self.exit_flags[row] = flags
                    self._error(row, "exit", error)
                    self._finish(row)
            case TaskEnded(at, task):
                self.task_ended[task] = at
            case ReleaseUnmatched():
                self.unmatched.append(event)
            case Collected(at, acquisition):
                row = self._row.get(acquisition)
                if row is not None:
                    self.collected[row] = at
            case _:
                self._keep(event)
                if isinstance(event, Definition | Heartbeat):
                    return
        self._saw(event.at)

    def _keep(self, event: Definition | Note) -> None:
        match event:
            case ResourceDefined():
                self.resources[event.resource] = event
            case SiteDefined():
                self.sites[event.site] = event
            case TaskDefined():
                self.tasks[event.task] = event
            case ProcessDefined():
                self.processes[event.process] = event
            case Printed():
                self.printed.append(event)
            case Marked():
                self.marks.append(event)
            case Dropped():
                self._add_dropped(event)
            case Heartbeat():
                self.end = event.at if self.end is None else max(self.end, event.at)
            case Interrupted():
                self.interrupted.append(event)
            case ProcessEnded():
                self.process_ended.append(event)

    def _add_dropped(self, event: Dropped) -> None:
        """One for each cause, whose count grows while the recording is read."""
        for index, known in enumerate(self.dropped):
            if event.later and replace(known, acquisitions=event.acquisitions) == event:
                together = known.acquisitions + event.acquisitions
                self.dropped[index] = replace(event, acquisitions=together)
                return
        self.dropped.append(event)

    def _saw(self, at: int) -> None:
        self.start = at if self.start is None else min(self.start, at)
        self.end = at if self.end is None else max(self.end, at)
        facts = self.facts
        if facts and at < facts[-1]:  # another process's or thread's fact came late
            index = len(facts)
            while index and facts[index - 1] > at:
                index -= 1
            facts.insert(index, at)
        else:
            facts.append(at)

    def _begin(self, event: EnterStarted) -> None:
        if event.acquisition in self._row:  # a bounded recording has carried it over
            return
        row = len(self.id)
        self._row[event.acquisition] = row
        self.id.append(event.acquisition)
        self.parent.append(event.parent or 0)
        self.task.append(event.task)
        self.resource.append(event.resource)
        self.site.append(event.site)
        self.manager.append(event.manager)
        self.by_call.append(event.by_call)
        self.enter_started.append(event.at)
        self.enter_ended.append(NOT_YET)
        self.exit_started.append(NOT_YET)
        self.exit_ended.append(NOT_YET)
        self.exit_task.append(event.task)
        self.exit_site.append(0)
        self.exit_flags.append(0)
        self.enter_outcome.append(0)
        self.body_outcome.append(0)
        self.exit_outcome.append(0)
        self.suppressed.append(0)
        self.depth.append(self._push(event.task, row))
        self.rows_of_task.setdefault(event.task, array("q")).append(row)
        self.rows_of_resource.setdefault(event.resource, array("q")).append(row)

    def _push(self, task: int, row: int) -> int:
        # On top of what is open: a depth that an out-of-order exit left free stays free below.
        stack = self._open.setdefault(task, [])
        stack.append(row)
        return len(stack) - 1

    def _finish(self, row: int) -> None:
        del self._row[self.id[row]]
        stack = self._open[self.task[row]]
        stack[self.depth[row]] = -1
        while stack and stack[-1] < 0:
            stack.pop()

    def _error(self, row: int, phase: Phase, error: ErrorText | None) -> None:
        if error is not None:
            self.errors[row, phase] = error


def _time(at: int) -> int | None:
    return None if at == NOT_YET else at


def _outcome(value: int) -> Outcome | None:
    return Outcome(value) if value else None
