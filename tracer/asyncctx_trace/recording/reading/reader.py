"""Reads a recording that is finished, still grows, or was left by a killed program."""

from __future__ import annotations

import os
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from asyncctx_trace.errors import DamagedRecording
from asyncctx_trace.model.events import Dumped, Heartbeat, ProcessEnded
from asyncctx_trace.model.text import plain
from asyncctx_trace.recording.format import (
    HEADER_SIZE,
    RECORD,
    SEGMENT,
    SEGMENT_HEADER,
    SEGMENT_IDENTITY,
    Anchor,
    SegmentKind,
    unpack_header,
)
from asyncctx_trace.recording.processes import runs
from asyncctx_trace.recording.reading.batch import Batch
from asyncctx_trace.recording.reading.process_state import ProcessState, process_base
from asyncctx_trace.recording.regular_file import open_regular
from asyncctx_trace.recording.text_entries import entries_size, iter_entries
from asyncctx_trace.recording.validation import check_entry, check_header, check_records

__all__ = ["Recording", "read"]

_KIND = RECORD - 1


def read(path: Path | str) -> Batch:
    """Return the complete content of a recording.

    Raises NotARecording, NewerRecording, DamagedRecording, or OSError.
    """
    with Recording(path) as recording:
        return recording.poll()


@dataclass(slots=True)
class _Segment:
    """How far one segment has been read."""

    offset: int
    header: bytes
    kind: SegmentKind
    taken_at: int
    writer: ProcessState
    weight: int
    read: int = SEGMENT_HEADER.size


_FEW_SEGMENTS = 16
"""A ring of fewer segments is not read again each time it has turned over."""


class Recording:
    """An open ``.actx`` file; :meth:`poll` returns what was written since the last call."""

    def __init__(self, path: Path | str) -> None:
        """Open ``path``; raises NotARecording, NewerRecording, DamagedRecording, or OSError."""
        self.path = Path(path)
        self._fd = open_regular(self.path)
        try:
            self.anchor: Anchor = unpack_header(self._at(0, HEADER_SIZE), self.path)
        except BaseException:
            os.close(self._fd)
            raise
        self._begin()

    def _begin(self) -> None:
        self._known = 0
        self._recycled = 0
        """The number of segments that were recycled while it was read."""
        self._without_header: list[int] = []
        """Offsets of segments that a ring may reuse later."""
        self._open: list[_Segment] = []
        self._ahead: list[_Segment] = []
        """Segments of records that have not been opened yet."""
        self._headers: dict[int, bytes] = {}
        """Offset -> the header last seen there; another one means that it was recycled."""
        self._taken: dict[tuple[int, SegmentKind], list[tuple[int, int]]] = {}
        """Process and kind -> when taken and offset, sorted: a ring recycles them in this order."""
        self._writers: dict[tuple[int, int], ProcessState] = {}
        self.is_dump = False
        """Whether what was read says that it is a dump: nothing is ever added to it."""

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def reopened(self) -> Recording:
        """Return another reader of the same file, from its beginning.

        It gives the same ids to processes, and so to all that they define.
        """
        other = Recording.__new__(Recording)
        other._reopen(self)  # noqa: SLF001 - of the same class
        return other

    def _reopen(self, known: Recording) -> None:
        self.path, self.anchor, self._fd = known.path, known.anchor, os.dup(known._fd)
        self._begin()
        for key, writer in known._writers.items():
            self._writers[key] = ProcessState(writer.base, writer.pid)

    @property
    def turned_over(self) -> bool:
        """Whether a ring has recycled as many segments as it has, since the first poll.

        About half of what was read is no longer in the file.
        """
        return self._recycled > max(self._known, _FEW_SEGMENTS)

    @property
    def alive(self) -> bool:
        """Whether a process that has written to it, as far as read, may still do so."""
        return not self.is_dump and any(
            not writer.ended and runs(writer.pid) for writer in self._writers.values()
        )

    @property
    def behind(self) -> bool:
        """Whether the last poll, being limited, left segments for the next one."""
        return bool(self._ahead)

    def poll(self, segments: int | None = None) -> Batch:
        """Return what was written since the last call.

        A slot that another thread is filling at this moment holds back those after it until the
        next call, or until no process writes any more.

        Args:
            segments: Open at most this many more segments of records, in the order in which the
                program took them. This limits the memory for the first poll of a large recording;
                :attr:`behind` says whether there is more. Default: no limit.

        Raises:
            DamagedRecording: The file is truncated or altered.
        """
        try:
            return self._poll(segments)
        except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
            what = "" if type(error) is ValueError else f"{type(error).__name__}: "
            raise DamagedRecording(
                f"{self.path} is damaged ({what}{plain(str(error))}): "
                "record the program again, or restore it from a copy"
            ) from error

    def _poll(self, segments: int | None) -> Batch:
        final = bool(self._writers) and not self.alive
        self._find_segments()
        self._find_recycled()
        self._ahead.sort(key=attrgetter("taken_at"))
        self._open += self._ahead[:segments]
        del self._ahead[:segments]
        # Records first: every definition that they refer to is in the file by then.
        records = [
            (segment, data)
            for segment in self._open
            if segment.kind is SegmentKind.RECORDS
            and (data := self._checked_records(segment, final))
        ]
        batch = Batch([], [], [(segment.writer, data) for segment, data in records])
        for segment, data in records:
            if segment.weight > 1:
                batch.add_weights(segment.writer, data, segment.weight)
        texts = [segment for segment in self._open if segment.kind is SegmentKind.TEXTS]
        for segment in sorted(texts, key=attrgetter("taken_at")):
            for entry in self._entries(segment):
                if entry["k"] == "inherited":
                    ended = self._writers.get((entry["pid"], entry["started"]))
                    batch.add_inherited(segment.writer, ended, entry)
                else:
                    batch.add_entry(segment.writer, entry)
        self.is_dump = self.is_dump or any(isinstance(note, Dumped) for note in batch.notes)
        ended_pids = {note.pid for note in batch.notes if isinstance(note, ProcessEnded)}
        for writer in self._writers.values():
            self._read_header(writer, batch)
            writer.ended = writer.ended or writer.pid in ended_pids
        self._drop_read_segments()
        return batch

    def _read_header(self, writer: ProcessState, batch: Batch) -> None:
        """Add what has changed in the header of the writer's newest segment of entries."""
        taken = self._taken.get((id(writer), SegmentKind.TEXTS))
        if not taken:
            return
        offset = taken[-1][1]
        header = self._at(offset, SEGMENT_HEADER.size)
        if _identity(header) != _identity(self._headers[offset]):
            return  # recycled just now: at the next poll
        _, _, _, _, seen_at, since, lost, stopped, _, _ = SEGMENT_HEADER.unpack(header)
        batch.add_losses(writer, since, lost, bool(stopped))
        if seen_at > writer.seen_at:
            writer.seen_at = seen_at
            batch.notes.append(Heartbeat(seen_at))

    # -- segments ---------------------------------------------------------------------------

    def _at(self, offset: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._fd, size, offset)
        os.lseek(self._fd, offset, os.SEEK_SET)
        return os.read(self._fd, size)

    def _find_segments(self) -> None:
        size = os.fstat(self._fd).st_size
        if size < HEADER_SIZE + self._known * SEGMENT:
            raise ValueError("it was truncated while it was read")
        while (offset := HEADER_SIZE + self._known * SEGMENT) + SEGMENT <= size:
            # The last one may still get its header. One before others does not: its writer was
            # killed just then, or is recycling it, which its new header will show.
            if not self._open_segment(offset):
                if offset + SEGMENT >= size:
                    return
                self._without_header.append(offset)
            self._known += 1
        self._without_header = [o for o in self._without_header if not self._open_segment(o)]

    def _find_recycled(self) -> None:
        for taken in list(self._taken.values()):
            while taken:
                _, offset = taken[0]
                header = self._at(offset, SEGMENT_HEADER.size)
                if _identity(header) == _identity(self._headers[offset]):
                    break
                del taken[0]
                if not self._open_segment(offset):  # retired: whoever reuses it may take its time
                    self._without_header.append(offset)

    def _open_segment(self, offset: int) -> bool:
        """Open the segment at ``offset``, unless it is open; return whether it has a header."""
        header = self._at(offset, SEGMENT_HEADER.size)
        started, taken_at, pid, _, _, _, _, _, weight, kind = SEGMENT_HEADER.unpack(header)
        known = self._headers.get(offset)
        if not kind or (known is not None and _identity(known) == _identity(header)):
            return bool(kind)
        try:
            check_header(taken_at, pid, kind)
        except ValueError as error:
            raise ValueError(f"at byte {offset}: {error}") from None
        writer = self._writers.get((pid, started))
        if writer is None:
            writer = ProcessState(process_base(len(self._writers)), pid)
            self._writers[pid, started] = writer
        segment = _Segment(offset, header, SegmentKind(kind), taken_at, writer, max(1, weight))
        self._recycled += offset in self._headers
        self._headers[offset] = header
        insort(self._taken.setdefault((id(writer), segment.kind), []), (taken_at, offset))
        # Entries at once: a definition may be in a segment after that of the record.
        (self._ahead if segment.kind is SegmentKind.RECORDS else self._open).append(segment)
        return True

    def _content(self, segment: _Segment, complete: Callable[[bytes], int]) -> bytes:
        """Return what follows what was read, or nothing if the segment was recycled meanwhile.

        A read is not atomic: it may return the kind of a record with the zeros that were there
        before its other fields. So what ``complete`` counts as written, in bytes, is read again.
        """
        offset = segment.offset + segment.read
        data = self._at(offset, complete(self._at(offset, SEGMENT - segment.read)))
        header = self._at(segment.offset, SEGMENT_HEADER.size)
        if _identity(header) == _identity(segment.header):
            return data
        segment.read = SEGMENT
        return b""

    def _drop_read_segments(self) -> None:
        """Drop the segments that were read to their end, so that polls stay short."""
        newest: dict[tuple[int, SegmentKind], _Segment] = {}
        for segment in self._open:
            key = id(segment.writer), segment.kind
            if key not in newest or newest[key].taken_at < segment.taken_at:
                newest[key] = segment
        self._open = [
            s
            for s in self._open
            if newest[id(s.writer), s.kind] is s
            or (s.kind is SegmentKind.RECORDS and s.read + RECORD <= SEGMENT)
        ]

    def _checked_records(self, segment: _Segment, final: bool) -> bytes:
        """Return new records; with ``final`` also those after a slot that was never filled."""
        data = self._new_records(segment, final)
        try:
            check_records(data)
        except ValueError as error:
            raise ValueError(f"in the segment at byte {segment.offset}: {error}") from None
        return data

    def _new_records(self, segment: _Segment, final: bool) -> bytes:
        data = self._content(segment, _until_last if final else _until_gap)
        segment.read += len(data)
        kinds = data[_KIND::RECORD]
        if 0 in kinds:
            filled = (i * RECORD for i, kind in enumerate(kinds) if kind)
            data = b"".join(data[start : start + RECORD] for start in filled)
        return data

    def _entries(self, segment: _Segment) -> list[dict[str, Any]]:
        """Return the new text entries of a segment."""
        data = self._content(segment, entries_size)
        segment.read += len(data)
        return [check_entry(entry) for entry, _ in iter_entries(data)]


def _until_gap(data: bytes) -> int:
    """Return the size of the records before the first slot that is not filled, in bytes."""
    kinds = data[_KIND::RECORD]
    gap = kinds.find(0)
    return (len(kinds) if gap < 0 else gap) * RECORD


def _until_last(data: bytes) -> int:
    """Return the size of all slots up to the last one that is filled, in bytes."""
    return len(data[_KIND::RECORD].rstrip(b"\0")) * RECORD


def _identity(header: bytes) -> bytes:
    """Return the bytes of a segment's header that change only when it is recycled."""
    return header[SEGMENT_IDENTITY] + header[-1:]
