"""The sink that keeps only the newest part of a recording."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import chain, compress
from operator import not_, or_
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
from asyncctx_trace.recording.record_columns import RecordColumns
from asyncctx_trace.recording.text_entries import iter_entries
from asyncctx_trace.recording.writing.append import put_record
from asyncctx_trace.recording.writing.retention import MIN_SIZE, Retention
from asyncctx_trace.recording.writing.segments import Segment
from asyncctx_trace.recording.writing.writer import Recorder

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
_NAMING_RESOURCE = frozenset(
    {RecordKind.ENTER_STARTED, RecordKind.RELEASE_UNMATCHED, RecordKind.WAIT_STARTED}
)
"""Kinds of records whose ``resource_or_error`` may be a resource."""
_NAMING_TASK = frozenset({RecordKind.WAIT_STARTED, RecordKind.WAIT_ENDED})
"""Kinds of records whose ``resource_or_error`` may be a task."""


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


class RingRecorder(Recorder):
    """Recycles its oldest segment instead of a new one, once ``retention`` is reached.

    Only complete acquisitions are dropped. The records of those in flight are carried over, and so
    is every definition to which a kept or a later record may refer. What was dropped is counted in
    the recording. If what must be carried over exceeds ``retention``, the file grows beyond it.
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
        self._retention = retention
        self._live_set = live_set
        super().__init__(path, redact=redact)

    def _begin(self) -> None:
        self._used: deque[_UsedSegment] = deque()
        """In the order in which they were taken."""
        self._current: dict[SegmentKind, _UsedSegment] = {}
        self._carrying = False
        """Whether entries are being carried over, for which no segment may be recycled."""
        self._spare: deque[int] = deque()
        """Offsets of retired segments: one is kept, so that what is carried over is in the file
        before its old segment is retired, whenever the process is killed."""
        self._dropped = {"acquisitions": 0, "lines": 0}
        super()._begin()

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

    def _open_texts(self) -> None:
        segment, old, recycled = self._take(SegmentKind.TEXTS)
        was = None if recycled is None else recycled.kind
        self._texts, self._end = segment.page, SEGMENT_HEADER.size
        in_flight = self._in_flight(old, was)
        for record in in_flight:
            self.append_record(record)
        self._settle(old, was, in_flight)
        self._retire(recycled)

    # -- recycling --------------------------------------------------------------------------

    def _take(self, kind: SegmentKind) -> tuple[Segment, bytes, _UsedSegment | None]:
        """Return a segment for ``kind``; also the one that is recycled for it, and its content."""
        now = unpatched.monotonic_ns()
        if kind in self._current:
            self._current[kind].filled_at = now
        oldest = self._oldest()
        if oldest is None or self._carrying or not self._exceeds_retention(oldest, now):
            segment, old, oldest = self._append(kind), b"", None
        else:
            old = self._segments.content(oldest.offset)
            if self._spare:
                segment = self._segments.reuse(self._spare.popleft(), kind)
            else:
                segment = self._append(kind)
            self._used.remove(oldest)
        taken = self._current[kind] = _UsedSegment(segment.offset, kind, now)
        self._used.append(taken)
        return segment, old, oldest

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

    def _exceeds_retention(self, oldest: _UsedSegment, now: int) -> bool:
        if self._retention.bytes is not None:
            spare = max(1, len(self._spare))
            return (len(self._used) + spare + 1) * SEGMENT > self._retention.bytes
        few = len(self._used) < MIN_SIZE // SEGMENT
        return not few and now - oldest.filled_at > (self._retention.ns or 0)

    def _settle(self, old: bytes, was: SegmentKind | None, in_flight: list[bytes]) -> None:
        """Carry over the definitions that are needed, and count what is dropped."""
        if was is None:
            return
        if was is SegmentKind.RECORDS:
            kinds = RecordColumns(old[SEGMENT_HEADER.size :]).kind
            begun = kinds.count(RecordKind.ENTER_STARTED)
            carried = sum(record[-1] == RecordKind.ENTER_STARTED for record in in_flight)
            self._dropped["acquisitions"] += begun - carried
        else:
            self._carrying = True
            try:
                self._carry_texts([e for e, _ in iter_entries(old, SEGMENT_HEADER.size)])
            finally:
                self._carrying = False
        self._write("given up", at=unpatched.monotonic_ns(), **self._dropped)

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

    def _carry_texts(self, entries: list[dict[str, Any]]) -> None:
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
            open_ids = [e["id"] for e in entries if e["k"] == kind and e["id"] not in ids]
            if open_ids:
                first, last = min(open_ids), max(open_ids)
                for page in pages:
                    column = page[kind]
                    ids.update(column[bisect_left(column, first) : bisect_right(column, last)])
        for entry in entries:
            kind = entry.pop("k")
            if kind in _ALWAYS_CARRIED or entry.get("id") in needed.get(kind, ()):
                self._write(kind, **entry)
            self._dropped["lines"] += kind == "printed"

    def _referred(self) -> dict[str, array[int]]:
        """Return the ids to which the records on the current page refer."""
        page = self.page
        columns = RecordColumns(page[SEGMENT_HEADER.size :] if page else b"")
        resources = [kind in _NAMING_RESOURCE for kind in columns.kind]
        tasks = [kind in _NAMING_TASK for kind in columns.kind]
        errors = map(not_, map(or_, resources, tasks))
        found = {
            "task": chain(columns.task, compress(columns.resource_or_error, tasks)),
            "resource": compress(columns.resource_or_error, resources),
            "error": compress(columns.resource_or_error, errors),
        }
        return {kind: array("I", sorted(set(ids))) for kind, ids in found.items()}
