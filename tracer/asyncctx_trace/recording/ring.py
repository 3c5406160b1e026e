"""The recorder of which only the newest part is kept."""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from itertools import compress
from operator import not_
from pathlib import Path
from typing import Any

from asyncctx_trace.model.unpatched import unpatched
from asyncctx_trace.recording.format import (
    LENGTH,
    RECORD,
    SEGMENT,
    SEGMENT_HEADER,
    RecordKind,
    SegmentKind,
)
from asyncctx_trace.recording.record_columns import RecordColumns
from asyncctx_trace.recording.retention import MIN_SIZE, Retention
from asyncctx_trace.recording.segments import Segment
from asyncctx_trace.recording.writer import Recorder

__all__ = ["LiveSet", "RingRecorder"]

_ALWAYS_CARRIED = frozenset({"interrupted", "manager", "process", "site", "stopped"})
"""Entries that are few, or to which any fact may refer."""


_OF_ACQUISITION = frozenset(
    {
        RecordKind.ENTER_STARTED,
        RecordKind.ENTER_ENDED,
        RecordKind.EXIT_STARTED,
        RecordKind.COLLECTED,
    }
)
"""Records that an acquisition in flight may have."""
_NAMING_RESOURCE = frozenset({RecordKind.ENTER_STARTED, RecordKind.RELEASE_UNMATCHED})
"""Records whose ``resource_or_error`` is a resource."""


@dataclass(frozen=True, slots=True)
class LiveSet:
    """What later facts may still refer to, by id."""

    acquisitions: Collection[int] = ()
    tasks: Collection[int] = ()
    resources: Collection[int] = ()


@dataclass(slots=True, eq=False)
class _Taken:
    """A segment in the order of taking, and the ids that its facts refer to once it is full."""

    offset: int
    kind: SegmentKind
    taken_at: int
    filled_at: int = 0
    referred: dict[str, array[int]] = field(default_factory=dict)
    """Kind of definition -> ids, sorted."""


class RingRecorder(Recorder):
    """Takes its oldest segment again instead of a new one, once ``keep`` is reached.

    Given up are whole acquisitions: one that is still in flight is carried over with the facts
    that it has, and so is every definition to which a kept or a later fact may refer. What was
    given up is counted in the recording. If what must be carried over fills more than ``keep``,
    the file grows beyond it rather than lose it.
    """

    def __init__(self, path: Path, keep: Retention, alive: Callable[[], LiveSet]) -> None:
        """``alive`` says at any time what is in flight, and what the program still has."""
        self._keep = keep
        self._alive = alive
        super().__init__(path)

    def _begin(self) -> None:
        self._taken: deque[_Taken] = deque()
        self._current: dict[SegmentKind, _Taken] = {}
        self._carrying = False
        self._given_up = {"acquisitions": 0, "lines": 0}
        super()._begin()

    def _open_facts(self) -> None:
        with self._lock:
            full = self._current.get(SegmentKind.RECORDS)
            if full is not None:
                full.referred = self._referred()
            segment, old, was = self._take(SegmentKind.RECORDS)
            in_flight = self._in_flight(old, was)
            for number, record in enumerate(in_flight):
                start = SEGMENT_HEADER.size + number * RECORD
                segment.page[start : start + RECORD] = record
            self.use_page(segment.page, len(in_flight))
            self._settle(old, was, in_flight)

    def _open_texts(self) -> None:
        segment, old, was = self._take(SegmentKind.TEXTS)
        self._texts, self._end = segment.page, SEGMENT_HEADER.size
        in_flight = self._in_flight(old, was)
        for record in in_flight:
            self.append_record(record)
        self._settle(old, was, in_flight)

    # -- giving up --------------------------------------------------------------------------

    def _take(self, kind: SegmentKind) -> tuple[Segment, bytes, SegmentKind | None]:
        """A segment for ``kind``; if it is an old one, what was in it, and of which kind."""
        now = unpatched.monotonic_ns()
        if kind in self._current:
            self._current[kind].filled_at = now
        oldest = self._oldest()
        if oldest is None or self._carrying or not self._too_much(oldest, now):
            segment, old, was = self._segments.new(kind), b"", None
        else:
            self._taken.remove(oldest)
            segment, old = self._segments.again(oldest.offset, kind)
            was = oldest.kind
        taken = self._current[kind] = _Taken(segment.offset, kind, now)
        self._taken.append(taken)
        return segment, old, was

    def _oldest(self) -> _Taken | None:
        """The next to give up: texts only when no facts are left from before they were full."""
        full = [taken for taken in self._taken if taken not in self._current.values()]
        facts = next((taken for taken in full if taken.kind is SegmentKind.RECORDS), None)
        texts = next((taken for taken in full if taken.kind is SegmentKind.TEXTS), None)
        if facts is None or texts is None:
            return facts or texts
        return texts if texts.filled_at < facts.taken_at else facts

    def _too_much(self, oldest: _Taken, now: int) -> bool:
        if self._keep.bytes is not None:
            return (len(self._taken) + 1) * SEGMENT > self._keep.bytes
        few = len(self._taken) < MIN_SIZE // SEGMENT
        return not few and now - oldest.filled_at > (self._keep.ns or 0)

    def _settle(self, old: bytes, was: SegmentKind | None, in_flight: list[bytes]) -> None:
        """Carry over the definitions that are needed, and count what is gone."""
        if was is None:
            return
        if was is SegmentKind.RECORDS:
            begun = old[SEGMENT_HEADER.size :][RECORD - 1 :: RECORD].count(RecordKind.ENTER_STARTED)
            carried = sum(record[-1] == RecordKind.ENTER_STARTED for record in in_flight)
            self._given_up["acquisitions"] += begun - carried
        else:
            self._carrying = True
            try:
                self._carry_texts(list(_entries(old)))
            finally:
                self._carrying = False
        self._write("given up", at=unpatched.monotonic_ns(), **self._given_up)

    def _in_flight(self, old: bytes, was: SegmentKind | None) -> list[bytes]:
        """The records of acquisitions that have not come to their end."""
        if was is not SegmentKind.RECORDS:
            return []
        alive = self._alive().acquisitions
        columns = RecordColumns(old[SEGMENT_HEADER.size :])
        return [
            columns[number]
            for number, acquisition in enumerate(columns.acquisition)
            if acquisition in alive and columns.kind[number] in _OF_ACQUISITION
        ]

    def _carry_texts(self, entries: list[dict[str, Any]]) -> None:
        alive = self._alive()
        needed: dict[str, set[int]] = {
            "task": set(alive.tasks),
            "resource": set(alive.resources),
            "error": set(),
        }
        pages = [taken.referred for taken in self._taken if taken.referred]
        pages.append(self._referred())
        for what, ids in needed.items():
            # Ids grow with time: what was defined together lies together on every page.
            doubtful = [e["id"] for e in entries if e["k"] == what and e["id"] not in ids]
            if doubtful:
                first, last = min(doubtful), max(doubtful)
                for page in pages:
                    column = page[what]
                    ids.update(column[bisect_left(column, first) : bisect_right(column, last)])
        for entry in entries:
            what = entry.pop("k")
            if what in _ALWAYS_CARRIED or entry.get("id") in needed.get(what, ()):
                self._write(what, **entry)
            self._given_up["lines"] += what == "printed"

    def _referred(self) -> dict[str, array[int]]:
        """What the facts on the page of the moment refer to."""
        page = self.page
        columns = RecordColumns(page[SEGMENT_HEADER.size :] if page else b"")
        named = [kind in _NAMING_RESOURCE for kind in columns.kind]
        found = {
            "task": columns.task,
            "resource": compress(columns.resource_or_error, named),
            "error": compress(columns.resource_or_error, map(not_, named)),
        }
        return {what: array("I", sorted(set(ids))) for what, ids in found.items()}


def _entries(old: bytes) -> Iterator[dict[str, Any]]:
    """The entries of a segment of texts."""
    position = SEGMENT_HEADER.size
    while position + LENGTH.size <= len(old):
        (length,) = LENGTH.unpack_from(old, position)
        start = position + LENGTH.size
        if not length:
            return
        yield json.loads(old[start : start + length])
        position = start + (length + 3) // 4 * 4
