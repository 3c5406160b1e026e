"""The timeline of a program: its acquisitions in columns, with its tasks, resources and sites."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from operator import attrgetter

from asyncctx_trace.analysis.numpy_choice import use_numpy
from asyncctx_trace.analysis.timeline.acquisition import Acquisition
from asyncctx_trace.analysis.timeline.acquisition_columns import AcquisitionColumns
from asyncctx_trace.analysis.timeline.phases import NOT_YET, Phase
from asyncctx_trace.model.constants import SAMPLE
from asyncctx_trace.model.events import (
    Collected,
    Definition,
    Dropped,
    Dumped,
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
    Quiescent,
    ReleaseUnmatched,
    ResourceDefined,
    SiteDefined,
    StallEnded,
    StallStarted,
    TaskDefined,
    TaskEnded,
    WaitEnded,
    WaitStarted,
    WaitTarget,
)
from asyncctx_trace.model.outcomes import ExitFlag
from asyncctx_trace.recording.reading.batch import Batch

__all__ = ["NOT_YET", "Acquisition", "Phase", "Timeline"]


class Timeline(AcquisitionColumns):
    """Everything that a recording contains, in columns and by id.

    ``acquisition(row)`` returns one row as a value. Events of acquisitions whose first event is
    missing (started before the recording, or before a fork) are left out.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        super().__init__()
        self.processes: dict[int, ProcessDefined] = {}
        self.tasks: dict[int, TaskDefined] = {}
        self.resources: dict[int, ResourceDefined] = {}
        self.sites: dict[int, SiteDefined] = {}
        self.printed: list[Printed] = []
        self.marks: list[Marked] = []
        self.dropped: list[Dropped] = []
        self.interrupted: list[Interrupted] = []
        self.process_ended: list[ProcessEnded] = []
        self.stalls: dict[int, StallStarted] = {}
        self.stalls_ended: dict[int, StallEnded] = {}
        """By the id of the stall; one that goes on has none."""
        self.quiescent: dict[int, Quiescent] = {}
        """Process -> when its event loop was last seen to be left with nothing that wakes it."""
        self.weights: dict[int, int] = {}
        """Acquisition -> of how many it was chosen at random, if not 1."""
        self.dump: Dumped | None = None
        """Why it was recorded, if it is a dump."""
        self.extend(events)

    def __iter__(self) -> Iterator[Acquisition]:
        return map(self.acquisition, range(len(self)))

    def acquisition(self, row: int) -> Acquisition:
        """Return the acquisition in ``row``; raises IndexError."""
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

    def is_group(self, resource: int) -> bool:
        """Return whether the exit of ``resource``, a task group or nursery, waits for its tasks."""
        known = self.resources.get(resource)
        return known is not None and known.kind == "task group"

    @property
    def is_sampled(self) -> bool:
        """Whether acquisitions were left out at random; the others have weights."""
        return bool(self.weights) or (self.dump is not None and self.dump.trigger == SAMPLE)

    # -- growth -----------------------------------------------------------------------------

    def extend(self, events: Iterable[Event]) -> None:
        """Add more events, in the order in which a recording gives them."""
        if isinstance(events, Batch):
            self.weights.update(events.weights)
        if (
            isinstance(events, Batch)
            and use_numpy(events.record_count)
            and self.extend_by_columns(events)
        ):
            return
        for event in events:
            self._add(event)

    def extend_by_columns(self, batch: Batch) -> bool:
        """Add the events of ``batch`` at once, with numpy.

        Returns ``False``, and adds nothing, if the batch is not consistent: see
        :func:`~asyncctx_trace.analysis.timeline.numpy_ingest.add_batch`.
        """
        from asyncctx_trace.analysis.timeline import numpy_ingest  # numpy is slow to import

        if not numpy_ingest.add_batch(self, batch):
            return False
        for event in (*batch.definitions, *sorted(batch.notes, key=attrgetter("at"))):
            self._store(event)
        return True

    def _add(self, event: Event) -> None:  # noqa: C901 - one loop body: a call more each is slow
        match event:
            case EnterStarted():
                # A recording with retention repeats what was open when a segment was recycled.
                if self.open.row_of(event.acquisition) is None:
                    self.add_row(
                        event.acquisition,
                        event.parent or 0,
                        event.task,
                        event.resource,
                        event.site,
                        event.by_call,
                        event.at,
                        event.manager,
                    )
            case EnterEnded(at, acquisition, outcome, error):
                row = self.open.row_of(acquisition)
                if row is not None:
                    self.enter_ended[row] = at
                    self.enter_outcome[row] = outcome
                    self._set_error(row, "enter", error)
                    if outcome is not Outcome.OK:
                        self.end_row(row)
            case ExitStarted(at, acquisition, task, outcome, error, site):
                row = self.open.row_of(acquisition)
                if row is not None:
                    self.exit_started[row] = at
                    self.exit_task[row] = task
                    self.exit_site[row] = site or 0
                    self.body_outcome[row] = outcome
                    self._set_error(row, "body", error)
            case ExitEnded(at, acquisition, outcome, suppressed, error, flags):
                row = self.open.row_of(acquisition)
                if row is not None:
                    self.exit_ended[row] = at
                    self.exit_outcome[row] = outcome
                    self.suppressed[row] = suppressed
                    self.exit_flags[row] = flags
                    self._set_error(row, "exit", error)
                    self.end_row(row)
            case TaskEnded(at, task):
                self.task_ended[task] = at
            case ReleaseUnmatched():
                self.unmatched.append(event)
            case Collected(at, acquisition):
                row = self.open.row_of(acquisition)
                if row is not None:
                    self.collected[row] = at
            case WaitStarted(at, wait, task, subject, site, kind):
                if wait not in self.waits.open:  # repeated where a segment was recycled
                    self.waits.start(at, wait, task, kind, subject or 0, site)
            case WaitTarget(at, wait, task):
                self.waits.add_target(wait, task)
            case WaitEnded(at, wait, outcome, woken_by):
                self.waits.end(at, wait, outcome, woken_by or 0)
            case _:
                self._store(event)
                if isinstance(event, Definition | Heartbeat):
                    return
        self.add_time(event.at)

    def _store(self, event: Definition | Note) -> None:  # noqa: C901 - a flat list of kinds
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
            case StallStarted():
                self.stalls[event.stall] = event
            case StallEnded():
                self.stalls_ended[event.stall] = event
            case Quiescent():
                self.quiescent[event.process] = event
            case Dumped():
                self.dump = event

    def _add_dropped(self, event: Dropped) -> None:
        """Add up what is missing of one process for the same reason."""
        for index, known in enumerate(self.dropped):
            at = event.at if event.later else known.at
            if replace(event, at=at, acquisitions=0, lines=0) == replace(
                known, acquisitions=0, lines=0
            ):
                self.dropped[index] = replace(
                    known,
                    at=max(known.at, event.at),
                    acquisitions=known.acquisitions + event.acquisitions,
                    lines=known.lines + event.lines,
                )
                return
        self.dropped.append(event)

    def _set_error(self, row: int, phase: Phase, error: ErrorText | None) -> None:
        if error is not None:
            self.errors[row, phase] = error


def _time(at: int) -> int | None:
    return None if at == NOT_YET else at


def _outcome(value: int) -> Outcome | None:
    return Outcome(value) if value else None
