"""Columns of integers as one compressed text; ``assets/decode.js`` reads it."""

from __future__ import annotations

import sys
import zlib
from array import array
from base64 import b64encode
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

__all__ = ["differences", "packed", "packed_text"]

_TYPES = (("b", 1), ("h", 2), ("i", 4), ("q", 8))
"""Type codes of signed integers with their sizes in bytes."""


def packed(columns: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Return ``columns`` as JSON: name, length and bytes per value of each, and the bytes.

    A column has the fewest bytes per value that hold all of its values. Its bytes are the first
    byte of all values, then the second one, and so on, least significant first: most of those
    after the first are equal, so that they compress well.
    """
    described: list[list[Any]] = []
    parts: list[bytes] = []
    for name, values in columns.items():
        code, size = _type_of(values)
        typed = array(code, values)
        if sys.byteorder == "big":
            typed.byteswap()
        raw = typed.tobytes()
        described.append([name, len(values), size])
        parts += [raw[byte::size] for byte in range(size)]
    return {"columns": described, "bytes": _compressed(b"".join(parts))}


def packed_text(lines: Sequence[str]) -> str:
    """Return ``lines``, in none of which there is a line feed, compressed."""
    return _compressed("\n".join(lines).encode("utf-8", "replace"))


def differences(values: Sequence[int]) -> list[int]:
    """Return the first of ``values``, then what each of the others is more than the one before."""
    return [*values[:1], *(after - before for before, after in pairwise(values))]


def _type_of(values: Sequence[int]) -> tuple[str, int]:
    least, most = min(values, default=0), max(values, default=0)
    return next(
        (code, size)
        for code, size in _TYPES
        if -(1 << 8 * size - 1) <= least and most < 1 << 8 * size - 1
    )


def _compressed(raw: bytes) -> str:
    return b64encode(zlib.compress(raw, 9 if len(raw) < 1_000_000 else 6)).decode("ascii")
