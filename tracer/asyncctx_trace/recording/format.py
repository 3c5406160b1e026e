"""The layout of a recording; see also ``docs/format.md``. All integers are little-endian.

::

    header (4 KiB) │ segment │ segment │ segment │ …            (each SEGMENT bytes)

Every segment belongs to one process. It begins with a segment header, which is valid once its
last byte, the kind, is not zero.

A segment of records continues with records of RECORD bytes. A record is valid once its last byte,
the kind, is not zero; it is written last. Records lie in the order in which their slots were
taken. A slot that is zero before a written one is being filled by another thread at this moment,
or its writer was killed then.

A segment of text entries continues with entries: a u32 length and that many bytes of JSON, padded
to four. The length is written last; a zero length ends the segment for now.

Ids in records and text entries are unique within their process.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from asyncctx_trace.errors import DamagedRecording, NewerRecording, NotARecording
from asyncctx_trace.model.event_schema import EVENTS, RECORD_SIZE, SIZES, Field, RecordKind

__all__ = [
    "HEARTBEAT",
    "LOSSES",
    "SEGMENT_IDENTITY",
    "HEADER",
    "HEADER_SIZE",
    "MAGIC",
    "ANY_RECORD",
    "RAW",
    "RECORD",
    "RECORD_STRUCTS",
    "SEGMENT",
    "SEGMENT_HEADER",
    "SUFFIX",
    "VERSION",
    "Anchor",
    "RecordKind",
    "SegmentKind",
    "pack_header",
    "record_struct",
    "unpack_header",
]

SUFFIX = ".actx"
VERSION = 4
"""Version 4 added the weight in the header of a segment. Version 3 added WAIT_STARTED, WAIT_TARGET
and WAIT_ENDED. Version 2 added ``flags``, ``site`` of exits, RELEASE_UNMATCHED and COLLECTED, and
``caller`` of sites. Version 1 has zeros in these bytes. So all are read the same way."""
HEADER_SIZE = 4096
SEGMENT = 128 * 1024
RECORD = RECORD_SIZE

MAGIC = b"\x89ACTX\r\n\n"
HEADER = struct.Struct("<8sHHIQQI")  # magic, version, record, segment, wall, monotonic, crc

SEGMENT_HEADER = struct.Struct("<QQIIQQIBHB")
"""When the process began to write, when it took the segment (both monotonic ns), its pid, its
parent's pid, the heartbeat, when the first event was lost (monotonic ns; 0 if none was), how many
acquisitions were lost, whether the process has stopped recording, the weight, the kind.

Of the acquisitions in a segment with weight N > 1, one in N was kept at random; 0 stands for 1.

A ring recycles segments that are full, and writes another header. The heartbeat and the losses
change in place, so they can be written when the disk is full, and survive SIGKILL."""
SEGMENT_IDENTITY = slice(0, 24)
"""The bytes of a segment's header that stay the same until it is recycled."""
HEARTBEAT = struct.Struct("<Q"), 24
"""The field of the header, and its offset: when the program was last seen running."""
LOSSES = struct.Struct("<QIB"), 32
"""The fields of the header, and their offset: when the first event was lost, how many acquisitions
were, and whether the process has stopped recording."""


def record_struct(fields: Iterable[Field]) -> struct.Struct:
    """Return the struct of a record with these fields, which must be in the order of offsets."""
    parts, position = ["<"], 0
    for field in fields:
        padding = field.offset - position
        parts.append((f"{padding}x" if padding else "") + _CODES[field.type])
        position = field.offset + SIZES[field.type]
    return struct.Struct("".join(parts))


_CODES = {"u8": "B", "u32": "I", "u64": "Q"}
RECORD_STRUCTS = {schema.kind: record_struct(schema.record) for schema in EVENTS}
"""Kind -> the struct of its records; its values are those of ``EventSchema.record``."""


_SHARED = {28: "resource_or_error"}
"""Offset -> the name of the column, where it is not that of the first kind that has it."""


def _any_record() -> tuple[Field, ...]:
    """Return the fields of all kinds of records; those that share an offset share a name."""
    fields: dict[int, Field] = {}
    for field in (field for schema in EVENTS for field in schema.record):
        fields.setdefault(field.offset, field)
    return tuple(
        fields[at]._replace(name=_SHARED.get(at, fields[at].name)) for at in sorted(fields)
    )


ANY_RECORD = _any_record()
"""The fields of a record of any kind, in the order of offsets; those that it lacks are 0."""
RAW = record_struct(ANY_RECORD)
"""A record of any kind; its values are those of ``ANY_RECORD``."""


class SegmentKind(IntEnum):
    """What a segment contains."""

    RECORDS = 1
    TEXTS = 2


@dataclass(frozen=True, slots=True)
class Anchor:
    """One moment on both clocks, to convert times of the monotonic clock."""

    wall_ns: int
    monotonic_ns: int

    def wall(self, at: int) -> int:
        """Return the wall-clock time (ns since 1970, UTC) of the monotonic time ``at``."""
        return self.wall_ns + at - self.monotonic_ns


def pack_header(anchor: Anchor) -> bytes:
    """Return the first HEADER_SIZE bytes of a recording."""
    fields = (MAGIC, VERSION, RECORD, SEGMENT, anchor.wall_ns, anchor.monotonic_ns)
    crc = zlib.crc32(HEADER.pack(*fields, 0))
    return HEADER.pack(*fields, crc).ljust(HEADER_SIZE, b"\0")


def unpack_header(data: bytes, path: Path) -> Anchor:
    """Return the anchor in the header ``data`` of the file ``path``.

    Raises NotARecording, NewerRecording or DamagedRecording.
    """
    if not data.startswith(MAGIC):
        if data and MAGIC.startswith(data[:8]):
            raise DamagedRecording(_damaged(path, "it ends within its header"))
        raise NotARecording(
            f"{path} is not an asyncctx-trace recording: use a file that "
            f"`asyncctx-trace run -o FILE{SUFFIX}` wrote"
        )
    if len(data) < HEADER.size:
        raise DamagedRecording(_damaged(path, "it ends within its header"))
    magic, version, record, segment, wall, monotonic, crc = HEADER.unpack_from(data)
    if version > VERSION:
        raise NewerRecording(
            f"{path} has format version {version}, this asyncctx-trace reads up to {VERSION}: "
            "upgrade with `pip install -U asyncctx-trace`"
        )
    if crc != zlib.crc32(HEADER.pack(magic, version, record, segment, wall, monotonic, 0)):
        raise DamagedRecording(_damaged(path, "the checksum of its header is wrong"))
    if (record, segment) != (RECORD, SEGMENT) or len(data) < HEADER_SIZE:
        raise DamagedRecording(_damaged(path, "its header is cut off or altered"))
    return Anchor(wall, monotonic)


def _damaged(path: Path, why: str) -> str:
    return f"{path} is damaged ({why}): record the program again, or restore it from a copy"
