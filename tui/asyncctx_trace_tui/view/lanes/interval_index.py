"""Which acquisitions are in any phase at a moment, found without a look at every lane."""

from __future__ import annotations

from typing import NamedTuple

from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.outcomes import Outcome

__all__ = ["IntervalIndex"]

_CHUNK = 256
"""Neighbouring rows that are passed over together where none of them is there."""
_OK = int(Outcome.OK)


class _Chunk(NamedTuple):
    """Rows that have all ended, from when the first began until the last had ended."""

    first: int
    begun: int
    ended: int


class IntervalIndex:
    """Of a timeline that may grow."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._ended: list[_Chunk] = []
        self._others: list[int] = []
        """First rows of chunks in which something was in flight when last looked at."""
        self._known = 0

    def at(self, at: int) -> list[int]:
        """The rows that have begun by ``at`` and have not ended before it, in order.

        One that ends at the very ns of ``at`` is among them.
        """
        self._index_chunks()
        chunks = [chunk.first for chunk in self._ended if chunk.begun <= at <= chunk.ended]
        chunks += self._others
        chunks.append(self._known)
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
        """See which chunks are full and have nothing in flight any more."""
        timeline = self._timeline
        firsts = range(self._known, len(timeline) - _CHUNK + 1, _CHUNK)
        self._known += len(firsts) * _CHUNK
        if not firsts and not self._others:
            return
        busy = {row // _CHUNK * _CHUNK for row in timeline.in_flight}
        candidates, self._others = [*self._others, *firsts], []
        for first in candidates:
            if first in busy:
                self._others.append(first)
                continue
            rows = slice(first, first + _CHUNK)
            begun = min(timeline.enter_started[rows])
            ended = max(max(timeline.enter_ended[rows]), max(timeline.exit_ended[rows]))
            self._ended.append(_Chunk(first, begun, ended))
