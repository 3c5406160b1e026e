"""Copies a sample of the acquisitions that ended in a period to a new recording."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.recording.format import RecordKind, SegmentKind
from asyncctx_trace.recording.record_columns import RecordColumns, endings
from asyncctx_trace.recording.text_entries import encode_entry
from asyncctx_trace.recording.writing.excerpt import Excerpt, Process, Source

__all__ = ["MAX_ONE_IN", "SampledExcerpt", "Sampling"]

MAX_ONE_IN = 65_535
"""The largest weight that the header of a segment can contain."""
_STARTED = bytes(kind == RecordKind.ENTER_STARTED for kind in range(256))
_FAILED = bytes(outcome not in (0, Outcome.OK) for outcome in range(256))
_PARENT = slice(16, 24)
"""The bytes of a record ENTER_STARTED with the id of the outer acquisition."""
_OF_ACQUISITION = frozenset(
    {
        RecordKind.ENTER_STARTED,
        RecordKind.ENTER_ENDED,
        RecordKind.EXIT_STARTED,
        RecordKind.EXIT_ENDED,
        RecordKind.COLLECTED,
    }
)


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which acquisitions are kept: all that took long or failed, and one in so many others."""

    one_in: int
    """From 1 to :data:`MAX_ONE_IN`."""
    longer: int
    """What took longer, in ns from the enter to the end of the exit, is always kept."""
    seed: int = 0
    """From 0 to ``one_in``. Each acquisition is chosen with exactly one seed."""

    def chooses(self, acquisition: int) -> bool:
        """Return whether this one is kept although it was short, and ended well.

        CPython's hash of a tuple (xxHash) does not depend on the process, and leaves no pattern of
        the ids, which grow with time.
        """
        return (hash((acquisition,)) + self.seed) % self.one_in == 0

    @property
    def rule(self) -> str:
        """The rule, for people."""
        return (
            f"one in {self.one_in:,} of those that took at most {format_duration(self.longer)} "
            "and ended well is kept"
        )


class SampledExcerpt(Excerpt):
    """A copy of some whole acquisitions: of those that ended in the period, so of each once.

    Those that were chosen at random are in segments with their weight. Waits for other things, the
    ends of tasks, and what has not ended, are left out.
    """

    def __init__(self, source: Path, target: int, start: int, end: int, sampling: Sampling) -> None:
        """Copy what ended after ``start`` and until ``end``; see :class:`Excerpt`."""
        super().__init__(source, target, start, end)
        self._sampling = sampling
        self._left_out: dict[tuple[int, int], int] = {}

    def _copy_all_records(self, fd: int) -> Iterator[None]:
        sources = [s for s in self._segments(fd) if s.kind is SegmentKind.RECORDS]
        chosen: dict[tuple[int, int], _Choice] = {}
        for source in sources:
            key = source.pid, source.started
            choice = chosen.setdefault(key, _Choice(self._sampling, self._start, self._end))
            choice.add(RecordColumns(self._content(fd, source)))
            yield
        for source in sources:
            key = source.pid, source.started
            self._copy_chosen(source, self._content(fd, source), chosen[key])
            yield
        self._left_out = {key: choice.left_out for key, choice in chosen.items()}

    def _copy_chosen(self, source: Source, data: bytes, choice: _Choice) -> None:
        key = source.pid, source.started
        process = self._processes.setdefault(key, Process())
        columns = RecordColumns(data)
        parts: dict[int, list[bytes]] = {1: [], self._sampling.one_in: []}
        for number, acquisition in enumerate(columns.acquisition):
            weight = choice.weight_of.get(acquisition)
            if weight is None or columns.kind[number] not in _OF_ACQUISITION:
                continue
            record = columns[number]
            if (acquisition, record[-1]) in choice.written:  # repeated by the ring
                continue
            choice.written.add((acquisition, record[-1]))
            if record[-1] == RecordKind.ENTER_STARTED:
                parent = int.from_bytes(record[_PARENT], "little")
                if parent not in choice.weight_of:
                    record = record[: _PARENT.start] + bytes(8) + record[_PARENT.stop :]
            parts[weight].append(record)
        for weight, records in parts.items():
            self._put_records(key, process, b"".join(records), weight)

    def _note_missing(self, key: tuple[int, int], process: Process) -> None:
        left_out = self._left_out.get(key, 0)
        if process.header and left_out:
            note: dict[str, object] = {
                "at": self._end,
                "acquisitions": left_out,
                "reason": f"sampled: {self._sampling.rule}",
            }
            self._put_entry(key, encode_entry("dropped", note))


class _Choice:
    """Which acquisitions of one process are kept."""

    def __init__(self, sampling: Sampling, start: int, end: int) -> None:
        self._sampling = sampling
        self._start = start
        self._end = end
        self._begun: dict[int, int] = {}
        """In flight, with the time of their beginning."""
        self._failed: set[int] = set()
        """In flight, and a phase has failed."""
        self.weight_of: dict[int, int] = {}
        """Acquisitions that are kept."""
        self.written: set[tuple[int, int]] = set()
        """Acquisitions and kinds of records that have been copied."""
        self.left_out = 0

    def add(self, columns: RecordColumns) -> None:
        """Decide on what ends in these records, which follow those of the last call."""
        ids, at, sampling = columns.acquisition, columns.at, self._sampling
        is_start, is_end = columns.kind.translate(_STARTED), endings(columns)
        begun, failed = self._begun, self._failed
        begun.update(zip(compress(ids, is_start), compress(at, is_start), strict=True))
        failed.update(compress(ids, columns.outcome.translate(_FAILED)))
        ended_at = compress(at, is_end)
        for acquisition, ended in zip(compress(ids, is_end), ended_at, strict=True):
            started = begun.pop(acquisition, None)
            if started is None or not self._start < ended <= self._end:
                continue
            if acquisition in failed or ended - started > sampling.longer:
                self.weight_of[acquisition] = 1
            elif sampling.chooses(acquisition):
                self.weight_of[acquisition] = sampling.one_in
            else:
                self.left_out += 1
        failed.intersection_update(begun)
