"""What one read of a recording returned: definitions, notes and records, or all of it as events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from typing import Any

from asyncctx_trace.model.constants import PROCESS_SHIFT
from asyncctx_trace.model.events import (
    Definition,
    Dropped,
    Dumped,
    ErrorText,
    Event,
    Interrupted,
    Marked,
    Note,
    Outcome,
    Printed,
    ProcessDefined,
    ProcessEnded,
    Quiescent,
    RecordedEvent,
    ResourceDefined,
    SiteDefined,
    StallEnded,
    StallStarted,
    TaskDefined,
)
from asyncctx_trace.recording.format import RECORD, RecordKind
from asyncctx_trace.recording.reading.decode import decode
from asyncctx_trace.recording.reading.process_state import ProcessState
from asyncctx_trace.recording.record_columns import RecordColumns

__all__ = ["Batch"]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one read of a recording returned; iterate over it for the events.

    They are in the order of time, after all definitions. ``records`` are complete records as they
    lie in the file, for numpy to convert a million at once.
    """

    definitions: list[Definition]
    notes: list[Note]
    records: list[tuple[ProcessState, bytes]]
    weights: dict[int, int] = field(default_factory=dict)
    """Acquisition -> of how many it was chosen at random, if not 1: the recording is sampled."""

    def __iter__(self) -> Iterator[Event]:
        events: list[RecordedEvent | Note] = [*self.notes]
        for writer, data in self.records:
            events.extend(decode(writer, data))
        events.sort(key=attrgetter("at"))
        return chain(self.definitions, events)

    def without_completed(self) -> Batch:
        """Return the batch without the acquisitions that begin and end in it.

        To follow what is in flight, of which most begin and end between two reads.
        """
        kept = [(writer, _incomplete(RecordColumns(data))) for writer, data in self.records]
        return Batch(self.definitions, self.notes, kept, self.weights)

    def latest_times(self) -> dict[int, int]:
        """Return process -> the time of its latest record."""
        latest: dict[int, int] = {}
        for writer, data in self.records:
            process = writer.base >> PROCESS_SHIFT
            latest[process] = max(latest.get(process, 0), *RecordColumns(data).at, 0)
        return latest

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.definitions) + len(self.notes) + self.record_count

    @property
    def record_count(self) -> int:
        """The number of records."""
        return sum(len(data) for _, data in self.records) // RECORD

    def add_weights(self, writer: ProcessState, data: bytes, weight: int) -> None:
        """Note that the acquisitions that begin in ``data`` have this weight."""
        columns = RecordColumns(data)
        for kind, acquisition in zip(columns.kind, columns.acquisition, strict=True):
            if kind == RecordKind.ENTER_STARTED:
                self.weights[writer.id(acquisition)] = weight

    def add_losses(self, writer: ProcessState, since: int, lost: int, stopped: bool) -> None:
        """Add a note on lost events, from the fields of a segment's header."""
        if since and (lost > writer.lost or not writer.losses_reported):
            reason = "the stack or the memory was full when they were to be recorded"
            if stopped:
                reason = f"the recording stopped: {writer.stop_reason or 'reason unknown'}"
            process = writer.base >> PROCESS_SHIFT
            self.notes.append(
                Dropped(since, lost - writer.lost, reason, process, later=True, stops=stopped)
            )
            writer.lost, writer.losses_reported = lost, True

    def add_entry(self, writer: ProcessState, entry: dict[str, Any]) -> None:
        """Add the definition or note in a text entry."""
        match entry["k"]:
            case kind if kind in _DEFINITIONS:
                self.definitions.append(_DEFINITIONS[kind](writer, entry))
            case kind if kind in _NOTES:
                self.notes.append(_NOTES[kind](writer, entry))
            case "error":
                writer.errors[entry["id"]] = ErrorText(entry["type"], entry["message"])
            case "manager":
                writer.managers[entry["id"]] = entry["name"]
            case "stopped":
                writer.stop_reason = entry["reason"]
            case "given up":
                self._add_recycled(writer, entry)

    def _add_recycled(self, writer: ProcessState, entry: dict[str, Any]) -> None:
        """Add notes on what is missing because segments were recycled; the counts only grow."""
        recycled = entry["acquisitions"] - writer.recycled
        lines = entry["lines"] - writer.recycled_lines
        writer.recycled = entry["acquisitions"]
        writer.recycled_lines = entry["lines"]
        process = writer.base >> PROCESS_SHIFT
        reason = "older than what is kept"
        self.notes.append(Dropped(entry["at"], recycled, reason, process, lines=lines))

    def add_inherited(
        self, writer: ProcessState, ended: ProcessState | None, entry: dict[str, Any]
    ) -> None:
        """Add a note on what ``writer`` has given up of processes that had ended.

        What ``ended``, the last of them, had given up itself is part of it, and may be reported
        already.
        """
        acquisitions = entry["all_acquisitions"] - writer.inherited
        lines = entry["all_lines"] - writer.inherited_lines
        writer.inherited, writer.inherited_lines = entry["all_acquisitions"], entry["all_lines"]
        if ended is not None:
            acquisitions -= ended.recycled + ended.inherited + ended.lost
            lines -= ended.recycled_lines + ended.inherited_lines
        if acquisitions > 0 or lines > 0:
            process = writer.base >> PROCESS_SHIFT
            reason = "older than what is kept"
            self.notes.append(
                Dropped(entry["at"], max(0, acquisitions), reason, process, lines=max(0, lines))
            )


def _site(writer: ProcessState, entry: dict[str, Any]) -> SiteDefined:
    return SiteDefined(
        writer.id(entry["id"]),
        entry["file"],
        entry["line"],
        entry["function"],
        entry["text"],
        writer.id_or_none(entry.get("caller", 0)),
        entry.get("digest", ""),
    )


def _resource(writer: ProcessState, entry: dict[str, Any]) -> ResourceDefined:
    return ResourceDefined(writer.id(entry["id"]), entry["kind"], entry["name"], entry["capacity"])


def _task(writer: ProcessState, entry: dict[str, Any]) -> TaskDefined:
    return TaskDefined(
        entry["at"],
        writer.id(entry["id"]),
        entry["name"],
        entry["runtime"],
        writer.id_or_none(entry["parent"]),
        writer.base >> PROCESS_SHIFT,
        entry["thread"],
        entry.get("coroutine", ""),
    )


def _process(writer: ProcessState, entry: dict[str, Any]) -> ProcessDefined:
    process = writer.base >> PROCESS_SHIFT
    return ProcessDefined(entry["at"], process, entry["pid"], entry["ppid"], entry["title"])


_DEFINITIONS: dict[str, Callable[[ProcessState, dict[str, Any]], Definition]] = {
    "site": _site,
    "resource": _resource,
    "task": _task,
    "process": _process,
}
"""Kind of a text entry -> function that makes a definition of it."""


def _interrupted(_: ProcessState, entry: dict[str, Any]) -> Interrupted:
    late = entry.get("late", False)
    return Interrupted(entry["at"], entry["pid"], entry["reason"], late)


def _stall_started(writer: ProcessState, entry: dict[str, Any]) -> StallStarted:
    return StallStarted(
        entry["at"],
        entry["since"],
        writer.id(entry["id"]),
        writer.id_or_none(entry["task"]),
        writer.id_or_none(entry["site"]),
        tuple((file, line, function) for file, line, function in entry["stack"]),
    )


def _stall_ended(writer: ProcessState, entry: dict[str, Any]) -> StallEnded:
    stall = writer.id(entry["id"])
    return StallEnded(entry["at"], stall, entry["collections"], entry["delayed"])


def _dump(_: ProcessState, entry: dict[str, Any]) -> Dumped:
    return Dumped(
        entry["at"],
        entry["since"],
        entry["triggered"],
        entry["trigger"],
        entry["reason"],
        entry["pid"],
        entry["suppressed"],
    )


def _quiescent(writer: ProcessState, entry: dict[str, Any]) -> Quiescent:
    return Quiescent(entry["at"], entry["since"], writer.base >> PROCESS_SHIFT)


_NOTES: dict[str, Callable[[ProcessState, dict[str, Any]], Note]] = {
    "printed": lambda _, entry: Printed(entry["at"], entry["stream"], entry["text"]),
    "marked": lambda _, entry: Marked(entry["at"], entry["text"]),
    "dropped": lambda _, entry: Dropped(entry["at"], entry["acquisitions"], entry["reason"]),
    "interrupted": _interrupted,
    "end": lambda _, entry: ProcessEnded(entry["at"], entry["pid"], entry["exit"]),
    "stall started": _stall_started,
    "stall ended": _stall_ended,
    "quiescent": _quiescent,
    "dump": _dump,
}
"""Kind of a text entry -> function that makes a note of it."""


def _incomplete(columns: RecordColumns) -> bytes:
    began, ended = set(), set()
    for acquisition, kind, outcome in zip(
        columns.acquisition, columns.kind, columns.outcome, strict=True
    ):
        if kind in (RecordKind.ENTER_STARTED, RecordKind.WAIT_STARTED):
            began.add(acquisition)
        elif kind in (RecordKind.EXIT_ENDED, RecordKind.WAIT_ENDED) or (
            kind == RecordKind.ENTER_ENDED and outcome != Outcome.OK
        ):
            ended.add(acquisition)
    complete = began & ended
    return b"".join(
        columns[number]
        for number, acquisition in enumerate(columns.acquisition)
        if acquisition not in complete
    )
