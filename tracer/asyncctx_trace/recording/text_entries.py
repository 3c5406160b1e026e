"""Text entries: JSON objects in a segment, each after its length."""

from __future__ import annotations

import json
import json.encoder
import mmap
import struct
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["TEXT_LIMIT", "encode_entry", "entries_size", "iter_entries", "put_entry", "stored_size"]

TEXT_LIMIT = 4096
"""Characters of a name, a message or a printed line that are kept."""

_LENGTH = struct.Struct("<I")
_ALIGNMENT = 4


def _encoder() -> Callable[[object], str]:
    """Return a function that encodes JSON.

    ``JSONEncoder.encode`` makes an encoder in C at each call, which crashes CPython 3.13 if there
    is no memory for it.
    """
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # an interpreter without it
        return json.JSONEncoder(separators=(",", ":")).encode
    escape = json.encoder.encode_basestring_ascii
    encode = make(None, None, escape, None, ":", ",", False, False, True)
    return lambda value: "".join(encode(value, 0))


_encode = _encoder()


def encode_entry(kind: str, fields: dict[str, object]) -> bytes:
    """Return an entry as JSON; strings that are too long say how much of them is missing."""
    for name, value in fields.items():
        if isinstance(value, str) and len(value) > TEXT_LIMIT:
            missing = len(value) - TEXT_LIMIT
            fields[name] = f"{value[:TEXT_LIMIT]}… (+{missing} characters)"
    # In ASCII, lone surrogates survive, and the length in characters is that in bytes.
    return _encode({"k": kind, **fields}).encode("ascii")


def stored_size(entry: bytes) -> int:
    """Return how many bytes an encoded entry occupies in a segment."""
    return _LENGTH.size + -(-len(entry) // _ALIGNMENT) * _ALIGNMENT


def put_entry(page: mmap.mmap, offset: int, entry: bytes) -> None:
    """Write an encoded entry to a page; its length comes last, which makes the entry valid."""
    start = offset + _LENGTH.size
    page[start : start + len(entry)] = entry
    _LENGTH.pack_into(page, offset, len(entry))


def entries_size(data: bytes) -> int:
    """Return the size of the complete entries at the start of ``data``, in bytes."""
    return max((end for _, end in _iter_encoded(data, 0)), default=0)


def iter_entries(data: bytes, offset: int = 0) -> Iterator[tuple[Any, int]]:
    """Yield each complete entry from ``offset`` on, with the offset of its end.

    Raises ValueError if an entry is not JSON.
    """
    for entry, end in _iter_encoded(data, offset):
        yield json.loads(entry), end


def _iter_encoded(data: bytes, offset: int) -> Iterator[tuple[bytes, int]]:
    while offset + _LENGTH.size <= len(data):
        (length,) = _LENGTH.unpack_from(data, offset)
        start = offset + _LENGTH.size
        if not length or start + length > len(data):
            return
        entry = data[start : start + length]
        offset += stored_size(entry)
        yield entry, offset
