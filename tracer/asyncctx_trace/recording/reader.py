"""A recording as events: finished, still growing, or left behind by a killed program."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

from asyncctx_trace.errors import DamagedRecording, NotARecording
from asyncctx_trace.events import (
    Dropped,
    EnterEnded,
    EnterStarted,
    ErrorText,
    Event,
    ExitEnded,
    ExitStarted,
    Marked,
    Outcome,
    Printed,
    ProcessDefined,
    ProcessEnded,
    ResourceDefined,
    SiteDefined,
    TaskDefined,
    TaskEnded,
)
from asyncctx_trace.recording.format import (
    HEADER_SIZE,
    LENGTH,
    RAW,
    RECORD,
    SEGMENT,
    SEGMENT_HEADER,
    Anchor,
    Kind,
    SegmentKind,
    unpack_header,
)

__all__ = ["Recording", "read"]

_KIND = RECORD - 1
_PROCESS_SHIFT = 32
"""Ids are unique within a process; in the events they carry the process's ordinal above bit 32,
so that in the usual recording of one process they stay what they were."""
_OUTCOMES = {int(outcome): outcome for outcome in Outcome}
_UNKNOWN_MANAGER = "?"


def read(path: Path | str) -> list[Event]:
    """Every event of a recording, in order of time; definitions before the facts.

    Raises NotARecording, NewerRecording, DamagedRecording, or OSError.
    """
    with Recording(path) as recording:
        return recording.poll()


@dataclass(slots=True)
class _Process:
    """One writer: an ordinal and the words its records refer to."""

    base: int
    pid: int
    managers: dict[int, str] = field(default_factory=dict)
    errors: dict[int, ErrorText] = field(default_factory=dict)
    ended: bool = False

    def id(self, local: int) -> int:
        return self.base + local

    def id_or_none(self, local: int) -> int | None:
        return self.base + local if local else None


@dataclass(slots=True)
class _Segment:
    """How far one segment has been read."""

    offset: int
    kind: SegmentKind
    process: _Process
    read: int = SEGMENT_HEADER.size
    holes: bytes = b""


class Recording:
    """An open ``.actx`` file; :meth:`poll` gives what has come since the last call."""

    def __init__(self, path: Path | str) -> None:
        """Open ``path``; raises NotARecording, NewerRecording, DamagedRecording, or OSError."""
        self.path = Path(path)
        if self.path.is_dir():
            raise NotARecording(f"{path} is a folder: give it the recording inside")
        self._fd = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            self.anchor: Anchor = unpack_header(self._at(0, HEADER_SIZE), self.path)
        except BaseException:
            os.close(self._fd)
            raise
        self._known = 0
        self._open: list[_Segment] = []
        self._processes: dict[tuple[int, int], _Process] = {}

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def alive(self) -> bool:
        """Whether a process that writes to it may still do so, as far as read."""
        return any(not process.ended and _runs(process.pid) for process in self._processes.values())

    def poll(self) -> list[Event]:
        """The events since the last call, in order of time; definitions first.

        A slot that another thread is filling at this moment holds back those behind it until the
        next call, or until no process writes any more.
        """
        try:
            return self._poll()
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedRecording(
                f"{self.path} is damaged ({type(error).__name__}: {error}): "
                "record the program again, or restore it from a copy"
            ) from error

    def _poll(self) -> list[Event]:
        final = bool(self._processes) and not self.alive
        self._find_segments()
        # Facts first: every definition that they name is in the file by then.
        raw = [
            (segment.process, data)
            for segment in self._open
            if segment.kind is SegmentKind.FACTS and (data := self._facts(segment, final))
        ]
        definitions: list[Event] = []
        notes: list[Any] = []
        for segment in self._open:
            if segment.kind is SegmentKind.TEXTS:
                for entry in self._texts(segment):
                    self._take_text(segment.process, entry, definitions, notes)
        facts: list[Any] = notes
        for process, data in raw:
            facts.extend(_decode(process, data))
        facts.sort(key=attrgetter("at"))
        self._forget_full_segments()
        return definitions + facts

    # -- segments ---------------------------------------------------------------------------

    def _at(self, offset: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._fd, size, offset)
        os.lseek(self._fd, offset, os.SEEK_SET)
        return os.read(self._fd, size)

    def _find_segments(self) -> None:
        size = os.fstat(self._fd).st_size
        while (offset := HEADER_SIZE + self._known * SEGMENT) + SEGMENT <= size:
            header = self._at(offset, SEGMENT_HEADER.size)
            started, pid, _parent, _ordinal, _, kind = SEGMENT_HEADER.unpack(header)
            if not kind:  # its writer is about to put the header in, or was killed just then
                if offset + SEGMENT < size:
                    self._known += 1
                    continue
                return
            if kind not in set(SegmentKind):
                raise DamagedRecording(
                    f"{self.path} is damaged at byte {offset}: record the program again, "
                    "or restore it from a copy"
                )
            process = self._processes.get((pid, started))
            if process is None:
                process = _Process(len(self._processes) << _PROCESS_SHIFT, pid)
                self._processes[pid, started] = process
            self._open.append(_Segment(offset, SegmentKind(kind), process))
            self._known += 1

    def _forget_full_segments(self) -> None:
        """Drop those that are read to the end: what is left to look at stays short."""
        newest = {(id(s.process), s.kind): s for s in self._open}
        self._open = [
            s
            for s in self._open
            if newest[id(s.process), s.kind] is s
            or (s.kind is SegmentKind.FACTS and s.read + RECORD <= SEGMENT)
        ]

    def _facts(self, segment: _Segment, final: bool) -> bytes:
        """Whole new records; with ``final`` also those behind a slot that was never filled."""
        data = self._at(segment.offset + segment.read, SEGMENT - segment.read)
        data = data[: len(data) // RECORD * RECORD]
        kinds = data[_KIND::RECORD]
        if final:
            end = len(kinds.rstrip(b"\0"))
            data = data[: end * RECORD]
            segment.read += len(data)
            if 0 in kinds[:end]:
                data = b"".join(data[i * RECORD : (i + 1) * RECORD] for i in range(end) if kinds[i])
            return data
        end = kinds.find(0)
        if end >= 0:
            data = data[: end * RECORD]
        segment.read += len(data)
        return data

    def _texts(self, segment: _Segment) -> Iterator[dict[str, Any]]:
        data = self._at(segment.offset + segment.read, SEGMENT - segment.read)
        position = 0
        while position + LENGTH.size <= len(data):
            (length,) = LENGTH.unpack_from(data, position)
            start = position + LENGTH.size
            if not length or start + length > len(data):
                break
            yield json.loads(data[start : start + length])
            position = start + (length + 3) // 4 * 4
        segment.read += position

    # -- decoding ---------------------------------------------------------------------------

    def _take_text(
        self,
        process: _Process,
        entry: dict[str, Any],
        definitions: list[Event],
        notes: list[Any],
    ) -> None:
        match entry["k"]:
            case "error":
                process.errors[entry["id"]] = ErrorText(entry["type"], entry["message"])
            case "manager":
                process.managers[entry["id"]] = entry["name"]
            case "site":
                definitions.append(
                    SiteDefined(
                        process.id(entry["id"]),
                        entry["file"],
                        entry["line"],
                        entry["function"],
                        entry["text"],
                    )
                )
            case "resource":
                definitions.append(
                    ResourceDefined(
                        process.id(entry["id"]), entry["kind"], entry["name"], entry["capacity"]
                    )
                )
            case "task":
                definitions.append(
                    TaskDefined(
                        entry["at"],
                        process.id(entry["id"]),
                        entry["name"],
                        entry["runtime"],
                        process.id_or_none(entry["parent"]),
                        process.base >> _PROCESS_SHIFT,
                        entry["thread"],
                    )
                )
            case "process":
                definitions.append(
                    ProcessDefined(
                        entry["at"],
                        process.base >> _PROCESS_SHIFT,
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
            case "end":
                notes.append(ProcessEnded(entry["at"], entry["pid"], entry["exit"]))
                for other in self._processes.values():
                    other.ended = other.ended or other.pid == entry["pid"]


def _decode(process: _Process, data: bytes) -> Iterator[Event]:
    base = process.base
    for record in RAW.iter_unpack(data):
        at, acquisition, parent, task, word, site, manager, outcome, suppressed, kind = record
        match kind:
            case Kind.ENTER_STARTED:
                yield EnterStarted(
                    at,
                    base + acquisition,
                    process.id_or_none(parent),
                    base + task,
                    process.managers.get(manager, _UNKNOWN_MANAGER),
                    base + word,
                    base + site,
                )
            case Kind.ENTER_ENDED:
                yield EnterEnded(
                    at, base + acquisition, _OUTCOMES[outcome], process.errors.get(word)
                )
            case Kind.EXIT_STARTED:
                yield ExitStarted(
                    at,
                    base + acquisition,
                    base + task,
                    _OUTCOMES[outcome],
                    process.errors.get(word),
                )
            case Kind.EXIT_ENDED:
                yield ExitEnded(
                    at,
                    base + acquisition,
                    _OUTCOMES[outcome],
                    bool(suppressed),
                    process.errors.get(word),
                )
            case Kind.TASK_ENDED:
                yield TaskEnded(at, base + task)


def _runs(pid: int) -> bool:
    if os.name == "nt":  # there, signal 0 is no harmless question
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is there and somebody else's
        pass
    return True
