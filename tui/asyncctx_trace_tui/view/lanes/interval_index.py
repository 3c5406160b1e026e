"""An index of acquisitions by time: which ones are open at a given time."""

from __future__ import annotations

from typing import NamedTuple

from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.outcomes import Outcome

__all__ = ["IntervalIndex"]

_CHUNK = 256
"""Rows of a chunk, which is skipped as a whole if it does not cover the time."""
_OK = int(Outcome.OK)


class _Chunk(NamedTuple):
    """Rows that have all ended, and the interval that covers them."""

    first: int
    started: int
    ended: int


class IntervalIndex:
    """The open acquisitions of a timeline that may grow, at any time.

    Rows are grouped in chunks. A chunk is skipped if all its rows have ended and its interval does
    not contain the time. O(n / 256) chunks are checked per query.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._ended_chunks: list[_Chunk] = []
        self._open_chunks: list[int] = []
        """First rows of the chunks that had open acquisitions when last checked."""
        self._indexed = 0

    def rows_at(self, at: int) -> list[int]:
        """Return the rows that started by ``at`` and did not end before it, in order."""
        self._index_chunks()
        chunks = [chunk.first for chunk in self._ended_chunks if chunk.started <= at <= chunk.ended]
        chunks += self._open_chunks
        chunks.append(self._indexed)
        size = len(self._timeline)
        return [
            row
            for first in sorted(chunks)
            for row in range(first, min(first + _CHUNK, size))
            if self._covers(row, at)
        ]

    def _covers(self, row: int, at: int) -> bool:
        timeline = self._timeline
        if at < timeline.enter_started[row]:
            return False
        body, ended = timeline.enter_ended[row], timeline.exit_ended[row]
        if body == NOT_YET or at <= body:
            return True
        return timeline.enter_outcome[row] == _OK and (ended == NOT_YET or at <= ended)

    def _index_chunks(self) -> None:
        """Index the chunks that are full and have no open acquisition any more."""
        timeline = self._timeline
        firsts = range(self._indexed, len(timeline) - _CHUNK + 1, _CHUNK)
        self._indexed += len(firsts) * _CHUNK
        if not firsts and not self._open_chunks:
            return
        busy = {row // _CHUNK * _CHUNK for row in timeline.in_flight}
        candidates, self._open_chunks = [*self._open_chunks, *firsts], []
        for first in candidates:
            if first in busy:
                self._open_chunks.append(first)
                continue
            rows = slice(first, first + _CHUNK)
            started = min(timeline.enter_started[rows])
            ended = max(max(timeline.enter_ended[rows]), max(timeline.exit_ended[rows]))
            self._ended_chunks.append(_Chunk(first, started, ended))
