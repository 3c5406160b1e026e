"""A recording as events: finished, still growing, or left behind by a killed program."""

from __future__ import annotations

import json
import os
from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Any

from asyncctx_trace.errors import DamagedRecording, NotARecording
from asyncctx_trace.events import (
    Definition,
    Dropped,
    EnterEnded,
    EnterStarted,
    ErrorText,
    Event,
    ExitEnded,
    ExitStarted,
    Fact,
    Marked,
    Note,
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

__all__ = ["UNKNOWN_MANAGER", "Batch", "Recording", "Writer", "read"]

_KIND = RECORD - 1
_PROCESS_SHIFT = 32
"""Ids are unique within a process; in the events they carry the process's ordinal above bit 32,
so that in the usual recording of one process they stay what they were."""
_OUTCOMES = {int(outcome): outcome for outcome in Outcome}
UNKNOWN_MANAGER = "?"


def read(path: Path | str) -> Batch:
    """Everything that a recording tells.

    Raises NotARecording, NewerRecording, DamagedRecording, or OSError.
    """
    with Recording(path) as recording:
        return recording.poll()


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
        events: list[Fact | Note] = [*self.notes]
        for writer, data in self.records:
            events.extend(_decode(writer, data))
        events.sort(key=attrgetter("at"))
        return chain(self.definitions, events)

    def __len__(self) -> int:
        """How many events."""
        return len(self.definitions) + len(self.notes) + self.facts

    @property
    def facts(self) -> int:
        """How many of them are facts."""
        return sum(len(data) for _, data in self.records) // RECORD


@dataclass(slots=True)
class _Segment:
    """How far one segment has been read."""

    offset: int
    header: bytes
    kind: SegmentKind
    taken_at: int
    writer: Writer
    read: int = SEGMENT_HEADER.size


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
        self._ahead: list[_Segment] = []
        """Segments of facts that have not been opened yet."""
        self._headers: dict[int, bytes] = {}
        """Offset -> the header last seen there: another one means that it was taken again."""
        self._taken: dict[tuple[int, SegmentKind], list[tuple[int, int]]] = {}
        """Writer and kind -> when taken and offset, sorted: a bounded recorder takes them again
        in this order."""
        self._writers: dict[tuple[int, int], Writer] = {}

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
        return any(not writer.ended and _runs(writer.pid) for writer in self._writers.values())

    def poll(self, segments: int | None = None) -> Batch:
        """What has come since the last call; nothing, in the end, if ``segments`` bounds it.

        At most so many more segments of facts are opened for it, in the order in which the
        program took them: a bound on memory for the first look at a large recording. A slot that
        another thread is filling at this moment holds back those behind it until the next call,
        or until no process writes any more.
        """
        try:
            return self._poll(segments)
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedRecording(
                f"{self.path} is damaged ({type(error).__name__}: {error}): "
                "record the program again, or restore it from a copy"
            ) from error

    def _poll(self, segments: int | None) -> Batch:
        final = bool(self._writers) and not self.alive
        self._find_segments()
        self._find_retaken()
        self._ahead.sort(key=attrgetter("taken_at"))
        self._open += self._ahead[:segments]
        del self._ahead[:segments]
        # Facts first: every definition that they name is in the file by then.
        records = [
            (segment.writer, data)
            for segment in self._open
            if segment.kind is SegmentKind.FACTS and (data := self._facts(segment, final))
        ]
        batch = Batch([], [], records)
        texts = [segment for segment in self._open if segment.kind is SegmentKind.TEXTS]
        for segment in sorted(texts, key=attrgetter("taken_at")):
            for entry in self._texts(segment):
                self._take_text(segment.writer, entry, batch.definitions, batch.notes)
        self._forget_full_segments()
        return batch

    # -- segments ---------------------------------------------------------------------------

    def _at(self, offset: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._fd, size, offset)
        os.lseek(self._fd, offset, os.SEEK_SET)
        return os.read(self._fd, size)

    def _find_segments(self) -> None:
        size = os.fstat(self._fd).st_size
        while (offset := HEADER_SIZE + self._known * SEGMENT) + SEGMENT <= size:
            # The last one may still be without its header; one before others stays without:
            # its writer was killed just then, or is taking it again and will say so.
            if not self._look_at(offset) and offset + SEGMENT >= size:
                return
            self._known += 1

    def _find_retaken(self) -> None:
        for taken in list(self._taken.values()):
            while taken:
                _, offset = taken[0]
                header = self._at(offset, SEGMENT_HEADER.size)
                if header == self._headers[offset] or not header[-1]:
                    break
                del taken[0]
                self._look_at(offset)

    def _look_at(self, offset: int) -> bool:
        """See to the segment at ``offset``, unless it was seen to; whether it has a header."""
        header = self._at(offset, SEGMENT_HEADER.size)
        started, taken_at, pid, _parent, kind = SEGMENT_HEADER.unpack(header)
        if not kind or self._headers.get(offset) == header:
            return bool(kind)
        if kind not in set(SegmentKind):
            raise DamagedRecording(
                f"{self.path} is damaged at byte {offset}: record the program again, "
                "or restore it from a copy"
            )
        writer = self._writers.get((pid, started))
        if writer is None:
            writer = Writer(len(self._writers) << _PROCESS_SHIFT, pid)
            self._writers[pid, started] = writer
        segment = _Segment(offset, header, SegmentKind(kind), taken_at, writer)
        self._headers[offset] = header
        insort(self._taken.setdefault((id(writer), segment.kind), []), (taken_at, offset))
        # Texts at once: a fact may be named in a segment that lies behind its own.
        (self._ahead if segment.kind is SegmentKind.FACTS else self._open).append(segment)
        return True

    def _content(self, segment: _Segment) -> bytes:
        """What follows what was read; nothing if the segment has been taken again meanwhile."""
        data = self._at(segment.offset + segment.read, SEGMENT - segment.read)
        if self._at(segment.offset, SEGMENT_HEADER.size) == segment.header:
            return data
        segment.read = SEGMENT
        return b""

    def _forget_full_segments(self) -> None:
        """Drop those that are read to the end: what is left to look at stays short."""
        newest: dict[tuple[int, SegmentKind], _Segment] = {}
        for segment in self._open:
            key = id(segment.writer), segment.kind
            if key not in newest or newest[key].taken_at < segment.taken_at:
                newest[key] = segment
        self._open = [
            s
            for s in self._open
            if newest[id(s.writer), s.kind] is s
            or (s.kind is SegmentKind.FACTS and s.read + RECORD <= SEGMENT)
        ]

    def _facts(self, segment: _Segment, final: bool) -> bytes:
        """Whole new records; with ``final`` also those behind a slot that was never filled."""
        data = self._content(segment)
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
        data = self._content(segment)
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
        writer: Writer,
        entry: dict[str, Any],
        definitions: list[Definition],
        notes: list[Note],
    ) -> None:
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
                        writer.base >> _PROCESS_SHIFT,
                        entry["thread"],
                    )
                )
            case "process":
                definitions.append(
                    ProcessDefined(
                        entry["at"],
                        writer.base >> _PROCESS_SHIFT,
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
            case "given up":
                given_up = entry["acquisitions"] - writer.given_up
                writer.given_up = entry["acquisitions"]
                notes.append(Dropped(entry["at"], given_up, "older than what is kept"))
                if lines := entry["lines"] - writer.lines_given_up:
                    writer.lines_given_up = entry["lines"]
                    notes.append(Dropped(entry["at"], 0, f"{lines} printed lines are not kept"))
            case "end":
                notes.append(ProcessEnded(entry["at"], entry["pid"], entry["exit"]))
                for other in self._writers.values():
                    other.ended = other.ended or other.pid == entry["pid"]


def _decode(writer: Writer, data: bytes) -> Iterator[Fact]:
    base = writer.base
    for record in RAW.iter_unpack(data):
        at, acquisition, parent, task, word, site, manager, outcome, suppressed, kind = record
        match kind:
            case Kind.ENTER_STARTED:
                yield EnterStarted(
                    at,
                    base + acquisition,
                    writer.id_or_none(parent),
                    base + task,
                    writer.managers.get(manager, UNKNOWN_MANAGER),
                    base + word,
                    base + site,
                )
            case Kind.ENTER_ENDED:
                yield EnterEnded(
                    at, base + acquisition, _OUTCOMES[outcome], writer.errors.get(word)
                )
            case Kind.EXIT_STARTED:
                yield ExitStarted(
                    at,
                    base + acquisition,
                    base + task,
                    _OUTCOMES[outcome],
                    writer.errors.get(word),
                )
            case Kind.EXIT_ENDED:
                yield ExitEnded(
                    at,
                    base + acquisition,
                    _OUTCOMES[outcome],
                    bool(suppressed),
                    writer.errors.get(word),
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
