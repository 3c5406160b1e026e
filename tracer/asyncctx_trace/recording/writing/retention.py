"""How much of a recording is kept, as a size or a duration."""

from __future__ import annotations

import re
from dataclasses import dataclass

from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.model.durations import parse_duration
from asyncctx_trace.model.text import plain
from asyncctx_trace.recording.format import SEGMENT

__all__ = ["MIN_SIZE", "Retention"]

MIN_SIZE = 8 * SEGMENT
"""The smallest size in bytes: a process needs some segments to rotate."""

_BYTES = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_SIZE = re.compile(rf"(\d{{1,18}}(?:\.\d{{1,18}})?)\s*({'|'.join(_BYTES)})")


@dataclass(frozen=True, slots=True)
class Retention:
    """The newest ``bytes`` or ``ns`` of a recording; ``None`` means no such limit.

    A size is that of the whole file: processes that have ended make room for others. A duration
    applies to each process.
    """

    bytes: int | None = None
    ns: int | None = None

    @property
    def least(self) -> int:
        """How much each process may write although others have filled the file, in bytes."""
        return max(4 * SEGMENT, (self.bytes or 0) // 64)

    @classmethod
    def parse(cls, text: str) -> Retention:
        """Parse a size (``200MB``, ``1GiB``) or a duration; raises AsyncctxTraceError."""
        size = _SIZE.fullmatch(text.strip().upper())
        if size is not None:
            return cls(bytes=max(MIN_SIZE, int(float(size[1]) * _BYTES[size[2]])))
        try:
            return cls(ns=parse_duration(text))
        except ValueError:
            raise AsyncctxTraceError(
                f"invalid amount {plain(text)!r}; use a size such as 200MB or a duration such as "
                "90s, 10m, 1h, 7d"
            ) from None
