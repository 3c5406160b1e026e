"""How much of a recording is kept."""

from __future__ import annotations

import re
from dataclasses import dataclass

from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.recording.format import SEGMENT

__all__ = ["LEAST", "Keep"]

LEAST = 8 * SEGMENT
"""Fewer bytes cannot be kept: a process needs some segments to turn over."""

_BYTES = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_NS = {"S": 10**9, "M": 60 * 10**9, "H": 3600 * 10**9, "D": 86400 * 10**9}


@dataclass(frozen=True, slots=True)
class Keep:
    """The newest so many bytes, or the newest so many ns; ``None`` for no such bound.

    The bound holds for each process of the program by itself.
    """

    bytes: int | None = None
    ns: int | None = None

    @classmethod
    def parse(cls, text: str) -> Keep:
        """``200MB``, ``1GiB`` or ``90s``, ``10m``, ``1h``; raises AsyncctxTraceError."""
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*", text)
        unit = found[2].upper() if found else ""
        if found and unit in _BYTES:
            return cls(bytes=max(LEAST, int(float(found[1]) * _BYTES[unit])))
        if found and unit in _NS:
            return cls(ns=int(float(found[1]) * _NS[unit]))
        raise AsyncctxTraceError(
            f"invalid amount {text!r}; use a size such as 200MB or a time such as 10m"
        )
