"""Copies what happened between two times from a recording that grows to a new one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asyncctx_trace.model.unpatched import unpatched
from asyncctx_trace.recording.format import (
    HEADER_SIZE,
    RECORD,
    SEGMENT,
    SEGMENT_HEADER,
    SEGMENT_IDENTITY,
    RecordKind,
    SegmentKind,
)
from asyncctx_trace.recording.record_columns import RecordColumns, ended_ids, referred_ids
from asyncctx_trace.recording.text_entries import encode_entry, iter_entries, stored_size
from asyncctx_trace.recording.writing.append import until_gap

__all__ = ["Excerpt", "Process", "Source"]

_BINARY = getattr(os, "O_BINARY", 0)
_TASK = slice(24, 28)
"""The bytes of a record with the id of a task."""
_ALWAYS = frozenset({"manager", "process", "quiescent", "site", "stopped"})
"""Kinds of entries that are few, or to which any record may refer."""
_REFERRED = frozenset({"error", "resource", "task"})
_WITHOUT_ID = frozenset({RecordKind.RELEASE_UNMATCHED, RecordKind.TASK_ENDED})
"""Kinds of records that are of no acquisition and no wait."""


@dataclass(slots=True)
class Source:
    """A segment of the recording that is copied."""

    offset: int
    header: bytes
    started: int
    taken_at: int
    pid: int
    kind: SegmentKind


@dataclass(slots=True)
class _Target:
    """Segments of one kind and process that are being filled."""

    header: bytes
    kind: SegmentKind
    weight: int
    content: bytearray = field(default_factory=bytearray)


@dataclass(slots=True)
class Process:
    """What is known of one process while its segments are read, from the oldest on."""

    in_flight: dict[int, list[bytes]] = field(default_factory=dict)
    """Acquisition or wait -> its records so far, as long as all are before the excerpt."""
    ended_tasks: list[bytes] = field(default_factory=list)
    """Records of the ends of tasks that had acquisitions in flight."""
    needed: dict[str, set[int]] = field(default_factory=lambda: {k: set() for k in _REFERRED})
    before: int = 0
    """How many acquisitions ended before the excerpt."""
    given_up: dict[str, int] = field(default_factory=dict)
    header: bytes = b""
    """Of its newest segment of entries, with what it has lost."""


class Excerpt:
    """A copy of what happened in a period, and of all acquisitions that were alive in it.

    Whole acquisitions are left out, and counted as missing. :meth:`steps` does the work, a little
    at a time, since the program waits for the interpreter meanwhile.
    """

    def __init__(self, source: Path, target: int, start: int, end: int) -> None:
        """Copy from ``source`` to the descriptor ``target``; times are monotonic, in ns."""
        self._path = source
        self._target = target
        self._start = start
        self._end = end
        self._processes: dict[tuple[int, int], Process] = {}
        self._targets: dict[tuple[int, int, SegmentKind, int], _Target] = {}
        self._written = 0
        self._latest = 0

    def steps(self, pid: int, note: dict[str, object]) -> Iterator[None]:
        """Write the excerpt; each step takes about a millisecond.

        ``note`` are the fields of an entry ``dump``, which process ``pid`` adds. Raises OSError.
        """
        fd = unpatched.open(self._path, os.O_RDONLY | _BINARY)
        try:
            self._put(0, self._read(fd, 0, HEADER_SIZE))
            yield from self._copy_all_records(fd)
            # Entries last: what the records refer to is in the file by now.
            for source in self._segments(fd):
                if source.kind is SegmentKind.TEXTS:
                    self._copy_entries(source, self._read(fd, source.offset, SEGMENT))
                    yield
            for key, process in self._processes.items():
                self._note_missing(key, process)
                if key[0] == pid and process.header:
                    self._put_entry(key, encode_entry("dump", note))
            for target in self._targets.values():
                self._flush(target)
        finally:
            unpatched.close(fd)

    # -- reading ----------------------------------------------------------------------------

    def _segments(self, fd: int) -> list[Source]:
        """Return the valid segments in the order in which they were taken."""
        found = []
        for offset in range(HEADER_SIZE, unpatched.fstat(fd).st_size - SEGMENT + 1, SEGMENT):
            header = self._read(fd, offset, SEGMENT_HEADER.size)
            started, taken_at, pid, *_, kind = SEGMENT_HEADER.unpack(header)
            if kind:
                found.append(Source(offset, header, started, taken_at, pid, SegmentKind(kind)))
        return sorted(found, key=lambda source: source.taken_at)

    def _content(self, fd: int, source: Source) -> bytes:
        """Return the records of a segment; nothing if it has been recycled."""
        start = source.offset + SEGMENT_HEADER.size
        size = until_gap(self._read(fd, start, SEGMENT - SEGMENT_HEADER.size))
        data = self._read(fd, start, size)
        header = self._read(fd, source.offset, SEGMENT_HEADER.size)
        same = header[SEGMENT_IDENTITY] == source.header[SEGMENT_IDENTITY] and header[-1]
        return data if same else b""

    @staticmethod
    def _read(fd: int, offset: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(fd, size, offset)
        unpatched.lseek(fd, offset, os.SEEK_SET)
        return unpatched.read(fd, size)

    # -- records ----------------------------------------------------------------------------

    def _copy_all_records(self, fd: int) -> Iterator[None]:
        for source in self._segments(fd):
            if source.kind is SegmentKind.RECORDS:
                self._copy_records(source, self._content(fd, source))
                yield
        for key, process in self._processes.items():
            self._flush_in_flight(key, process)

    def _copy_records(self, source: Source, data: bytes) -> None:
        key = source.pid, source.started
        process = self._processes.setdefault(key, Process())
        columns = RecordColumns(data)
        times = columns.at
        if not times:
            return
        if max(times) < self._start:
            self._add_before(process, columns)
        elif self._start <= min(times) and max(times) <= self._end:
            self._flush_in_flight(key, process)
            self._put_records(key, process, data)
        else:
            # What was carried over from a recycled segment is older than the rest.
            before = [number for number, at in enumerate(times) if at < self._start]
            self._add_before(process, RecordColumns(b"".join(columns[n] for n in before)))
            self._flush_in_flight(key, process)
            within = [n for n, at in enumerate(times) if self._start <= at <= self._end]
            self._put_records(key, process, b"".join(columns[n] for n in within))

    def _add_before(self, process: Process, columns: RecordColumns) -> None:
        """Add records of before the excerpt, and forget what ends in them."""
        ended = ended_ids(columns)
        for acquisition in ended & process.in_flight.keys():
            del process.in_flight[acquisition]
        kinds = columns.kind
        process.before += kinds.count(RecordKind.ENTER_STARTED)
        for number, acquisition in enumerate(columns.acquisition):
            if acquisition in ended:
                continue
            record = columns[number]
            if kinds[number] not in _WITHOUT_ID:
                known = process.in_flight.setdefault(acquisition, [])
                if record not in known:  # carried over
                    known.append(record)
            elif kinds[number] == RecordKind.TASK_ENDED:
                process.ended_tasks.append(record)
        if process.ended_tasks:
            tasks = {records[0][_TASK] for records in process.in_flight.values()}
            process.ended_tasks = [r for r in process.ended_tasks if r[_TASK] in tasks]

    def _flush_in_flight(self, key: tuple[int, int], process: Process) -> None:
        """Write what was in flight when the excerpt began."""
        records = [record for known in process.in_flight.values() for record in known]
        process.before -= sum(record[-1] == RecordKind.ENTER_STARTED for record in records)
        self._put_records(key, process, b"".join(records + process.ended_tasks))
        process.in_flight.clear()
        process.ended_tasks.clear()

    def _put_records(
        self, key: tuple[int, int], process: Process, data: bytes, weight: int = 1
    ) -> None:
        if data:
            for kind, ids in referred_ids(RecordColumns(data)).items():
                process.needed[kind] |= ids
            for start in range(0, len(data), RECORD):
                self._add(key, SegmentKind.RECORDS, data[start : start + RECORD], weight)

    # -- entries ----------------------------------------------------------------------------

    def _copy_entries(self, source: Source, data: bytes) -> None:
        key = source.pid, source.started
        process = self._processes.setdefault(key, Process())
        if data[SEGMENT_IDENTITY] != source.header[SEGMENT_IDENTITY]:
            return  # recycled just now
        process.header = source.header
        for entry, _ in iter_entries(data, SEGMENT_HEADER.size):
            kind = entry.pop("k")
            if kind == "given up":
                process.given_up = entry
            elif self._is_needed(process, kind, entry):
                self._put_entry(key, encode_entry(kind, entry))

    def _is_needed(self, process: Process, kind: str, entry: dict[str, Any]) -> bool:
        if kind in _REFERRED:
            return entry["id"] in process.needed[kind]
        return kind in _ALWAYS or self._start <= entry.get("at", -1) <= self._end

    def _note_missing(self, key: tuple[int, int], process: Process) -> None:
        lines = process.given_up.get("lines", 0)
        before = process.given_up.get("acquisitions", 0) + max(0, process.before)
        if process.header and (process.before or process.given_up):
            note: dict[str, object] = {"at": self._start, "acquisitions": before, "lines": lines}
            self._put_entry(key, encode_entry("given up", note))

    def _put_entry(self, key: tuple[int, int], entry: bytes) -> None:
        size = stored_size(entry)
        stored = len(entry).to_bytes(4, "little") + entry
        self._add(key, SegmentKind.TEXTS, stored.ljust(size, b"\0"))

    # -- writing ----------------------------------------------------------------------------

    def _add(
        self, key: tuple[int, int], kind: SegmentKind, content: bytes, weight: int = 1
    ) -> None:
        target = self._targets.get((*key, kind, weight))
        if target is None:
            pid, started = key
            header = SEGMENT_HEADER.pack(started, 0, pid, 0, 0, 0, 0, 0, 0, kind)
            target = self._targets[*key, kind, weight] = _Target(header, kind, weight)
        if SEGMENT_HEADER.size + len(target.content) + len(content) > SEGMENT:
            self._flush(target)
        target.content += content

    def _flush(self, target: _Target) -> None:
        if not target.content:
            return
        started, _, pid, *_ = SEGMENT_HEADER.unpack(target.header)
        self._latest = max(self._latest + 1, self._start)
        ppid, losses = 0, [0, 0, 0, 0]
        header = self._processes[pid, started].header
        if target.kind is SegmentKind.TEXTS and header:
            _, _, _, ppid, *losses, _, _ = SEGMENT_HEADER.unpack(header)
        fields = (started, self._latest, pid, ppid, *losses, target.weight, target.kind)
        offset = HEADER_SIZE + self._written * SEGMENT
        page = SEGMENT_HEADER.pack(*fields) + target.content
        self._put(offset, page.ljust(SEGMENT, b"\0"))
        self._written += 1
        target.content.clear()

    def _put(self, offset: int, data: bytes) -> None:
        unpatched.lseek(self._target, offset, os.SEEK_SET)
        while data:
            data = data[unpatched.write(self._target, data) :]
