"""What processes that have ended have left in a recording, for a ring to take over."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from asyncctx_trace.recording.format import SEGMENT_HEADER, RecordKind, SegmentKind
from asyncctx_trace.recording.processes import runs
from asyncctx_trace.recording.record_columns import RecordColumns
from asyncctx_trace.recording.text_entries import iter_entries
from asyncctx_trace.recording.writing.segments import Segments

__all__ = ["Inheritance", "Left", "left_by_ended", "oldest_inheritance"]

_AT_ONCE = 4
"""Segments of one process that are read at once: the event loop waits meanwhile."""


class Left(NamedTuple):
    """The segments of processes that have ended."""

    empty: list[int]
    """Offsets of those that contain nothing."""
    processes: list[list[_Segment]]
    """Those of each process, records first, then by age; the processes by age."""


class _Segment(NamedTuple):
    kind: int
    taken_at: int
    offset: int
    pid: int
    started: int
    lost: int
    """How many acquisitions the process had lost until it opened the next segment of its kind."""


class Inheritance(NamedTuple):
    """Segments of one process, and what is given up with them."""

    offsets: list[int]
    acquisitions: int
    lines: int
    pid: int
    """The process, if nothing is left of it; otherwise 0, and so is ``started``."""
    started: int


def left_by_ended(segments: Segments) -> Left:
    """Return what other processes have left that have ended; the file must be locked.

    Processes that stopped recording are left out: their segments say so, and why.
    """
    empty: list[int] = []
    owned: dict[tuple[int, int], list[_Segment]] = defaultdict(list)
    ended: dict[int, bool] = {0: True}  # killed before it wrote the header
    stopped_early = set()
    for offset, header in segments.of_others():
        started, taken_at, pid, _, _, _, lost, stopped, _, kind = SEGMENT_HEADER.unpack(header)
        if pid not in ended:
            ended[pid] = not runs(pid)
        if not ended[pid]:
            continue
        if stopped:
            stopped_early.add((pid, started))
        if kind:
            owned[pid, started].append(_Segment(kind, taken_at, offset, pid, started, lost))
        else:
            empty.append(offset)
    processes = [sorted(each) for process, each in owned.items() if process not in stopped_early]
    return Left(empty, sorted(processes, key=lambda process: process[0].taken_at))


def oldest_inheritance(
    segments: Segments, left: Left, taken_before: int | None, written_before: int | None
) -> Inheritance | None:
    """Return the oldest segments of a process that has ended, if there are any.

    ``taken_before`` and ``written_before`` (monotonic ns) say how old the first must be, and the
    newest event in each; ``None``: of any age.
    """
    for process in left.processes:
        if taken_before is not None and process[0].taken_at >= taken_before:
            return None
        records = [segment for segment in process if segment.kind == SegmentKind.RECORDS]
        # The records first: what they refer to is in the other segments.
        chosen = process if len(records) <= _AT_ONCE else records[:_AT_ONCE]
        found = _content(segments, chosen, written_before)
        if found is not None:
            is_last = len(chosen) == len(process)
            pid, started = (process[0].pid, process[0].started) if is_last else (0, 0)
            lost = max(each.lost for each in process) if is_last else 0
            offsets = [each.offset for each in chosen]
            return Inheritance(offsets, found[0] + lost, found[1], pid, started)
    return None


def _content(
    segments: Segments, chosen: list[_Segment], written_before: int | None
) -> tuple[int, int] | None:
    """Return how many acquisitions and lines are given up; ``None`` if something is too new."""
    acquisitions = lines = 0
    given_up = inherited = (0, 0)
    for segment in chosen:
        data = segments.content(segment.offset)[SEGMENT_HEADER.size :]
        if segment.kind == SegmentKind.RECORDS:
            columns = RecordColumns(data)
            acquisitions += columns.kind.count(RecordKind.ENTER_STARTED)
            times = list(columns.at)
        else:
            entries = [entry for entry, _ in iter_entries(data)]
            times = [entry.get("at", 0) for entry in entries]
            for entry in entries:
                match entry["k"]:
                    case "printed":
                        lines += 1
                    case "given up":  # totals: the last one counts
                        given_up = entry["acquisitions"], entry["lines"]
                    case "inherited":
                        inherited = entry["all_acquisitions"], entry["all_lines"]
        if written_before is not None and max(times, default=0) >= written_before:
            return None
    return acquisitions + given_up[0] + inherited[0], lines + given_up[1] + inherited[1]
