"""What one look at a recording has brought: definitions, notes, records; or all of it as events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from typing import Any

from asyncctx_trace.model.constants import PROCESS_SHIFT
from asyncctx_trace.model.events import (
    Definition,
    Dropped,
    ErrorText,
    Event,
    Interrupted,
    Marked,
    Note,
    Outcome,
    Printed,
    ProcessDefined,
    ProcessEnded,
    RecordedEvent,
    ResourceDefined,
    SiteDefined,
    TaskDefined,
)
from asyncctx_trace.recording.decode import UNKNOWN_MANAGER, decode
from asyncctx_trace.recording.format import RECORD, RecordKind
from asyncctx_trace.recording.record_columns import RecordColumns

__all__ = ["UNKNOWN_MANAGER", "Batch", "Writer", "process_base"]


def process_base(ordinal: int) -> int:
    """What makes the ids of the recording's process number ``ordinal`` unique."""
    return ordinal << PROCESS_SHIFT


@dataclass(slots=True)
class Writer:
    """One process that writes, and the words that its records refer to."""

    base: int
    """What makes its ids unique within the recording: to be added to each."""
    pid: int
    managers: dict[int, str] = field(default_factory=dict)
    errors: dict[int, ErrorText] = field(default_factory=dict)
    ended: bool = False
    given_up: int = 0
    """Acquisitions that made room for newer ones, so far."""
    lines_given_up: int = 0
    seen_at: int = 0
    """When the launcher last saw the program run."""
    lost: int = 0
    """Acquisitions that were not recorded, so far."""
    stop_reason: str = ""
    """Why nothing is recorded any more."""
    losses_told: bool = False
    """Whether it has been told that facts are missing."""

    def id(self, local: int) -> int:
        """An id of the process's own as the recording's."""
        return self.base + local

    def id_or_none(self, local: int) -> int | None:
        """The same, where 0 stands for "none"."""
        return self.base + local if local else None


@dataclass(frozen=True, slots=True)
class Batch:
    """What one look at a recording has brought: iterate over it for the events.

    They come in order of time, definitions first. ``records`` are the facts as they lie in the
    file, for those who can take in a million at once: whole records in order of their slots.
    """

    definitions: list[Definition]
    notes: list[Note]
    records: list[tuple[Writer, bytes]]

    def __iter__(self) -> Iterator[Event]:
        events: list[RecordedEvent | Note] = [*self.notes]
        for writer, data in self.records:
            events.extend(decode(writer, data))
        events.sort(key=attrgetter("at"))
        return chain(self.definitions, events)

    def without_completed(self) -> Batch:
        """The same without the acquisitions that begin and end in it.

        For those who watch what is in flight: most come and go between two looks.
        """
        kept = [(writer, _without_passing(RecordColumns(data))) for writer, data in self.records]
        return Batch(self.definitions, self.notes, kept)

    def __len__(self) -> int:
        """How many events."""
        return len(self.definitions) + len(self.notes) + self.record_count

    @property
    def record_count(self) -> int:
        """How many of them are facts."""
        return sum(len(data) for _, data in self.records) // RECORD

    def take_losses(self, writer: Writer, since: int, lost: int, stopped: bool) -> None:
        """Add what the header of a page tells of facts that are missing."""
        if since and (lost > writer.lost or not writer.losses_told):
            reason = "the stack or the memory was full when they were to be recorded"
            if stopped:
                reason = f"the recording stopped: {writer.stop_reason or 'reason unknown'}"
            process = writer.base >> PROCESS_SHIFT
            self.notes.append(
                Dropped(since, lost - writer.lost, reason, process, later=True, stops=stopped)
            )
            writer.lost, writer.losses_told = lost, True

    def take(self, writer: Writer, entry: dict[str, Any]) -> None:
        """Add one text of the recording, as its writer put it in."""
        definitions, notes = self.definitions, self.notes
        match entry["k"]:
            case "error":
                writer.errors[entry["id"]] = ErrorText(entry["type"], entry["message"])
            case "manager":
                writer.managers[entry["id"]] = entry["name"]
            case "site":
                definitions.append(
                    SiteDefined(
                        writer.id(entry["id"]),
                        entry["file"],
                        entry["line"],
                        entry["function"],
                        entry["text"],
                        writer.id_or_none(entry.get("caller", 0)),
                    )
                )
            case "resource":
                definitions.append(
                    ResourceDefined(
                        writer.id(entry["id"]), entry["kind"], entry["name"], entry["capacity"]
                    )
                )
            case "task":
                definitions.append(
                    TaskDefined(
                        entry["at"],
                        writer.id(entry["id"]),
                        entry["name"],
                        entry["runtime"],
                        writer.id_or_none(entry["parent"]),
                        writer.base >> PROCESS_SHIFT,
                        entry["thread"],
                    )
                )
            case "process":
                definitions.append(
                    ProcessDefined(
                        entry["at"],
                        writer.base >> PROCESS_SHIFT,
                        entry["pid"],
                        entry["ppid"],
                        entry["title"],
                    )
                )
            case "printed":
                notes.append(Printed(entry["at"], entry["stream"], entry["text"]))
            case "marked":
                notes.append(Marked(entry["at"], entry["text"]))
            case "dropped":
                notes.append(Dropped(entry["at"], entry["acquisitions"], entry["reason"]))
            case "interrupted":
                late = entry.get("late", False)
                notes.append(Interrupted(entry["at"], entry["pid"], entry["reason"], late))
            case "stopped":
                writer.stop_reason = entry["reason"]
            case "given up":
                given_up = entry["acquisitions"] - writer.given_up
                writer.given_up = entry["acquisitions"]
                process = writer.base >> PROCESS_SHIFT
                notes.append(Dropped(entry["at"], given_up, "older than what is kept", process))
                if lines := entry["lines"] - writer.lines_given_up:
                    writer.lines_given_up = entry["lines"]
                    notes.append(Dropped(entry["at"], 0, f"{lines} printed lines are not kept"))
            case "end":
                notes.append(ProcessEnded(entry["at"], entry["pid"], entry["exit"]))


def _without_passing(columns: RecordColumns) -> bytes:
    began, ended = set(), set()
    for acquisition, kind, outcome in zip(
        columns.acquisition, columns.kind, columns.outcome, strict=True
    ):
        if kind == RecordKind.ENTER_STARTED:
            began.add(acquisition)
        elif kind == RecordKind.EXIT_ENDED or (
            kind == RecordKind.ENTER_ENDED and outcome != Outcome.OK
        ):
            ended.add(acquisition)
    passing = began & ended
    return b"".join(
        columns[number]
        for number, acquisition in enumerate(columns.acquisition)
        if acquisition not in passing
    )
