"""The sink that keeps only the newest part of a recording."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asyncctx_trace.model.unpatched import unpatched
from asyncctx_trace.recording.format import (
    RECORD,
    SEGMENT,
    SEGMENT_HEADER,
    RecordKind,
    SegmentKind,
)
from asyncctx_trace.recording.record_columns import RecordColumns, referred_ids
from asyncctx_trace.recording.text_entries import iter_entries
from asyncctx_trace.recording.writing.append import put_record, until_gap
from asyncctx_trace.recording.writing.ended_processes import Left, left_by_ended, oldest_inheritance
from asyncctx_trace.recording.writing.retention import MIN_SIZE, Retention
from asyncctx_trace.recording.writing.segments import PATIENCE, Segment, SegmentsBusy
from asyncctx_trace.recording.writing.writer import BACKOFF, Recorder

__all__ = ["LiveSet", "RingRecorder"]

_ALWAYS_CARRIED = frozenset({"interrupted", "manager", "process", "site", "stopped"})
"""Kinds of entries that are few, or to which any record may refer."""
_OF_ACQUISITION = frozenset(
    {
        RecordKind.ENTER_STARTED,
        RecordKind.ENTER_ENDED,
        RecordKind.EXIT_STARTED,
        RecordKind.COLLECTED,
        RecordKind.WAIT_STARTED,
        RecordKind.WAIT_TARGET,
    }
)
"""Kinds of records that an acquisition in flight, or a wait that goes on, may have."""
_RECYCLED_AT_ONCE = 2
"""How many segments are recycled at most besides the one for which there is a new one."""
_NOTE_SIZE = 512
"""What a note on what was taken over may occupy at most, in bytes."""
_EMPTY_SHARE, _MOST_EMPTY = 8, 4
"""With fewer empty segments than this share of the file, and at most so many, others are emptied
although there are some."""
_LOOK_SHARE = 20
"""After a look for segments of ended processes that was in vain, none is made for this many times
as long as it took."""


@dataclass(frozen=True, slots=True)
class LiveSet:
    """The ids to which later events may refer."""

    acquisitions: Collection[int] = ()
    """The acquisitions in flight, and the waits that go on."""
    tasks: Collection[int] = ()
    resources: Collection[int] = ()


@dataclass(slots=True, eq=False)
class _UsedSegment:
    """A segment of this process."""

    offset: int
    kind: SegmentKind
    taken_at: int
    filled_at: int = 0
    referred: dict[str, array[int]] = field(default_factory=dict)
    """The ids to which its records refer once it is full: kind of definition -> ids, sorted."""
    carried: int = 0
    """How many bytes were carried over to it."""


class RingRecorder(Recorder):
    """Recycles its oldest segment instead of a new one, once ``retention`` is reached.

    Only complete acquisitions are dropped. The records of those in flight are carried over, and so
    is every definition to which a kept or a later record may refer. What was dropped is counted in
    the recording. Segments of processes that have ended are taken over. If what must be carried
    over exceeds half of ``retention``, the file grows beyond it: to twice as much, so that carrying
    over makes room for at least as much that is new.
    """

    def __init__(
        self,
        path: Path,
        retention: Retention,
        live_set: Callable[[], LiveSet],
        *,
        redact: bool = False,
    ) -> None:
        """Write to ``path``; ``live_set`` returns what is in flight or exists at the moment."""
        self.retention = retention
        self._live_set = live_set
        super().__init__(path, redact=redact)

    def _begin(self) -> None:
        self._used: deque[_UsedSegment] = deque()
        """In the order in which they were taken."""
        self._current: dict[SegmentKind, _UsedSegment] = {}
        self._carrying = False
        """Whether something is being carried over, for which no segment may be recycled."""
        self._in_vain = False
        """Whether what was carried over the last time left less than half of a segment."""
        self._spare: deque[int] = deque()
        """Offsets of retired segments: at least one is kept, so that what is carried over is in the
        file before its old segment is retired, whenever the process is killed."""
        self._dropped = {"acquisitions": 0, "lines": 0}
        self._held = False
        self._inherited = {"all_acquisitions": 0, "all_lines": 0}
        """What was given up of processes that had ended."""
        self._look_at = 0
        """When to look for segments of ended processes again (monotonic ns)."""
        super()._begin()

    def hold(self, held: bool) -> None:
        """Recycle nothing while ``held``, so that a dump finds what it needs.

        The file may grow by half of its limit meanwhile, which is reused afterwards.
        """
        self._held = held

    def records_since(self, taken_at: int, read: int) -> tuple[bytes, int, int]:
        """Return new records, and the arguments for the next call.

        The first call has two zeros. Any thread may call it; it changes nothing.
        """
        with self._lock:
            records = [used for used in self._used if used.kind is SegmentKind.RECORDS]
            parts = []
            for used in records:
                if used.taken_at < taken_at:
                    continue
                start = read if used.taken_at == taken_at else SEGMENT_HEADER.size
                if start + RECORD > SEGMENT:
                    continue
                data = self._segments.content(used.offset, start)
                data = self._segments.content(used.offset, start, until_gap(data))
                parts.append(data)
                taken_at, read = used.taken_at, start + len(data)
        return b"".join(parts), taken_at, read

    def _open_records(self) -> None:
        with self._lock:
            full = self._current.get(SegmentKind.RECORDS)
            if full is not None:
                full.referred = self._referred()
            segment, old, recycled = self._take(SegmentKind.RECORDS)
            was = None if recycled is None else recycled.kind
            in_flight = self._in_flight(old, was)
            for number, record in enumerate(in_flight):
                put_record(segment.page, SEGMENT_HEADER.size + number * RECORD, record)
            self.use_page(segment.page, len(in_flight))
            self._settle(old, was, in_flight)
            self._retire(recycled)
            self._recycle_more()

    def _open_texts(self) -> None:
        segment, old, recycled = self._take(SegmentKind.TEXTS)
        was = None if recycled is None else recycled.kind
        self._texts, self._end = segment.page, SEGMENT_HEADER.size
        in_flight = self._in_flight(old, was)
        for record in in_flight:
            self.append_record(record)
        self._settle(old, was, in_flight)
        self._retire(recycled)
        self._recycle_more()

    # -- recycling --------------------------------------------------------------------------

    def _take(self, kind: SegmentKind) -> tuple[Segment, bytes, _UsedSegment | None]:
        """Return a segment for ``kind``; also the one that is recycled for it, and its content."""
        now = unpatched.monotonic_ns()
        if kind in self._current:
            self._current[kind].filled_at = now
        oldest = None if self._carrying or self._in_vain else self._oldest()
        took_over = len(self._spare) < 2 and self._take_over(oldest, now)
        if oldest is not None and not self._exceeds_retention(oldest, now, more=1):
            oldest = None
        self._in_vain = False
        old = b"" if oldest is None else self._segments.content(oldest.offset)
        # One spare is left for the time when a segment is recycled.
        if took_over or len(self._spare) > (oldest is None and not self._carrying):
            segment = self._segments.reuse(self._spare.popleft(), kind)
        else:
            segment = self._append(kind)
        if oldest is not None:
            self._used.remove(oldest)
        taken = self._current[kind] = _UsedSegment(segment.offset, kind, now)
        self._used.append(taken)
        return segment, old, oldest

    def _is_full(self) -> bool:
        """Return whether another segment, of any process, exceeds the retention."""
        limit = self.retention.bytes
        if limit is None:
            return not self._held and self._segments.size > MIN_SIZE
        allowed = 3 * limit // 2 if self._held else limit
        return self._segments.size + SEGMENT > allowed

    def _take_over(self, oldest: _UsedSegment | None, now: int) -> bool:
        """Take over segments of processes that have ended, if the file is full.

        Returns whether there were any that are older than ``oldest``.
        """
        may_inherit = (
            self._texts is not None and not self._waiting and self._end + _NOTE_SIZE <= SEGMENT
        )
        if self._carrying or (may_inherit and now < self._look_at) or not self._is_full():
            return False
        taken: list[int] = []
        try:
            with self._segments.locked(0 if now < self._busy_until else PATIENCE):
                begun = unpatched.monotonic_ns()
                left = left_by_ended(self._segments)
                # The empty ones are for processes that have just begun, and cannot write the note.
                enough = min(_MOST_EMPTY, 1 + self._segments.size // SEGMENT // _EMPTY_SHARE)
                if may_inherit and len(left.empty) < enough:
                    taken = self._inherit(left, oldest, now)
                taken = taken or left.empty[:1]
                for offset in taken:
                    self._segments.claim(offset)
                if may_inherit and not taken:
                    ended = unpatched.monotonic_ns()
                    self._look_at = ended + _LOOK_SHARE * (ended - begun)
        except SegmentsBusy:
            self._busy_until = unpatched.monotonic_ns() + BACKOFF
            return False
        self._spare.extend(taken)
        return bool(taken)

    def _inherit(self, left: Left, oldest: _UsedSegment | None, now: int) -> list[int]:
        """Write what is given up with the oldest segments of a process that has ended.

        Returns their offsets. The note is in the file before they are given up.
        """
        may_recycle = oldest is not None and self._exceeds_retention(oldest, now, more=1)
        found = oldest_inheritance(
            self._segments,
            left,
            oldest.taken_at if oldest is not None and may_recycle else None,
            None if self.retention.ns is None else now - self.retention.ns,
        )
        if found is None:
            return []
        self._inherited["all_acquisitions"] += found.acquisitions
        self._inherited["all_lines"] += found.lines
        self._write_inherited(found.pid, found.started)
        return found.offsets

    def _write_inherited(self, pid: int = 0, started: int = 0) -> None:
        at = unpatched.monotonic_ns()
        self._write("inherited", at=at, pid=pid, started=started, **self._inherited)

    def _recycle_more(self) -> None:
        """Recycle what exceeds the retention because carrying over took segments of its own.

        The event loop waits meanwhile, so the number of segments is limited.
        """
        for _ in range(_RECYCLED_AT_ONCE):
            # Without a spare segment, another process may have to be waited for.
            oldest = None if self._carrying or not self._spare else self._oldest()
            if oldest is None:
                return
            if not self._exceeds_retention(oldest, unpatched.monotonic_ns(), more=0):
                return
            old = self._segments.content(oldest.offset)
            self._used.remove(oldest)
            self._carrying, in_vain = True, self._in_vain
            try:
                in_flight = self._in_flight(old, oldest.kind)
                for record in in_flight:
                    self.append_record(record)
                self._settle(old, oldest.kind, in_flight)
            finally:
                self._carrying, self._in_vain = False, in_vain
            self._retire(oldest)

    def _retire(self, recycled: _UsedSegment | None) -> None:
        """Give up a segment when all that is needed of it is elsewhere in the file."""
        if recycled is not None:
            self._segments.retire(recycled.offset)
            self._spare.append(recycled.offset)

    def _oldest(self) -> _UsedSegment | None:
        """Return the segment to recycle next: entries only after all records that are older."""
        full = [used for used in self._used if used not in self._current.values()]
        records = next((used for used in full if used.kind is SegmentKind.RECORDS), None)
        texts = next((used for used in full if used.kind is SegmentKind.TEXTS), None)
        if records is None or texts is None:
            return records or texts
        return texts if texts.filled_at < records.taken_at else records

    def _exceeds_retention(self, oldest: _UsedSegment, now: int, *, more: int) -> bool:
        """Return whether ``oldest`` is to be recycled if ``more`` segments are taken."""
        size = (len(self._used) + more) * SEGMENT
        limit = self.retention.bytes
        if self._held and (limit is None or 2 * size < 3 * limit):
            return False
        if size <= 2 * sum(used.carried for used in self._used):
            return False  # half of the segments contain nothing but what had to be carried over
        if limit is not None:
            if size + SEGMENT > limit:  # with a spare one
                return True
            # Other processes have filled the file. Each may have some segments all the same.
            is_first_look = more and len(self._spare) < 2
            return bool(is_first_look) and size > self.retention.least and self._is_full()
        return size > MIN_SIZE and now - oldest.filled_at > (self.retention.ns or 0)

    def _settle(self, old: bytes, was: SegmentKind | None, in_flight: list[bytes]) -> None:
        """Carry over the definitions that are needed, and count what is dropped."""
        if was is None:
            return
        if was is SegmentKind.RECORDS:
            kinds = RecordColumns(old[SEGMENT_HEADER.size :]).kind
            begun = kinds.count(RecordKind.ENTER_STARTED)
            carried = sum(record[-1] == RecordKind.ENTER_STARTED for record in in_flight)
            self._dropped["acquisitions"] += begun - carried
            self._carried(was, len(in_flight) * RECORD)
        else:
            carrying, self._carrying = self._carrying, True
            try:
                self._carry_texts(_entries(old))
            finally:
                self._carrying = carrying
        self._write("given up", at=unpatched.monotonic_ns(), **self._dropped)
        if any(self._inherited.values()):
            self._write_inherited()

    def _carried(self, kind: SegmentKind, size: int) -> None:
        """Note that ``size`` bytes were carried over to the current segment of a kind."""
        self._current[kind].carried += size
        self._in_vain = self._in_vain or 2 * size > SEGMENT

    def _in_flight(self, old: bytes, was: SegmentKind | None) -> list[bytes]:
        """Return the records of acquisitions that have not ended."""
        if was is not SegmentKind.RECORDS:
            return []
        live = self._live_set().acquisitions
        columns = RecordColumns(old[SEGMENT_HEADER.size :])
        return [
            columns[number]
            for number, acquisition in enumerate(columns.acquisition)
            if acquisition in live and columns.kind[number] in _OF_ACQUISITION
        ]

    def _carry_texts(self, entries: list[tuple[dict[str, Any], int]]) -> None:
        """Carry over the entries that are needed, each of which is given with its size."""
        live = self._live_set()
        needed: dict[str, set[int]] = {
            "task": set(live.tasks),
            "resource": set(live.resources),
            "error": set(),
        }
        pages = [used.referred for used in self._used if used.referred]
        pages.append(self._referred())
        for kind, ids in needed.items():
            # Ids grow with time: what was defined together is close together on every page.
            open_ids = [e["id"] for e, _ in entries if e["k"] == kind and e["id"] not in ids]
            if open_ids:
                first, last = min(open_ids), max(open_ids)
                for page in pages:
                    column = page[kind]
                    ids.update(column[bisect_left(column, first) : bisect_right(column, last)])
        size = 0
        for entry, entry_size in entries:
            kind = entry.pop("k")
            if kind in _ALWAYS_CARRIED or entry.get("id") in needed.get(kind, ()):
                self._write(kind, **entry)
                size += entry_size
            self._dropped["lines"] += kind == "printed"
        self._carried(SegmentKind.TEXTS, size)

    def _referred(self) -> dict[str, array[int]]:
        """Return the ids to which the records on the current page refer."""
        page = self.page
        columns = RecordColumns(page[SEGMENT_HEADER.size :] if page else b"")
        found = referred_ids(columns)
        return {kind: array("I", sorted(ids)) for kind, ids in found.items()}


def _entries(segment: bytes) -> list[tuple[dict[str, Any], int]]:
    """Return the text entries of a segment with their sizes in bytes."""
    ends = [SEGMENT_HEADER.size]
    entries = []
    for entry, end in iter_entries(segment, SEGMENT_HEADER.size):
        entries.append((entry, end - ends[-1]))
        ends.append(end)
    return entries
