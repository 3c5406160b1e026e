"""The layout of a recording, byte by byte; all integers are little-endian.

::

    header (4 KiB) │ segment │ segment │ segment │ …            (each SEGMENT bytes)

Every segment belongs to one process. It begins with a segment header, which is valid once its
last byte, the kind, is not zero.

A **facts** segment goes on with records of RECORD bytes. A record is valid once its last byte,
the kind, is not zero; it is written last. Records lie in the order in which their slots were
taken, so a slot that is still zero before a written one is being filled at this moment by
another thread, or its writer was killed then.

A **texts** segment goes on with entries: a u32 length and so many bytes of JSON, padded to
four. The length is written last; a zero length ends the segment for now.

Ids in records and texts are unique within their process.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from asyncctx_trace.errors import DamagedRecording, NewerRecording, NotARecording

__all__ = [
    "COLLECTED",
    "ENTER_ENDED",
    "ENTER_STARTED",
    "HEARTBEAT",
    "LOSSES",
    "SEGMENT_IDENTITY",
    "EXIT_ENDED",
    "EXIT_STARTED",
    "HEADER_SIZE",
    "LENGTH",
    "RAW",
    "RAW_FIELDS",
    "RECORD",
    "RELEASE_UNMATCHED",
    "SEGMENT",
    "SEGMENT_HEADER",
    "SUFFIX",
    "TASK_ENDED",
    "TEXT_LIMIT",
    "VERSION",
    "Anchor",
    "Kind",
    "SegmentKind",
    "pack_header",
    "unpack_header",
]

SUFFIX = ".actx"
VERSION = 2
"""Version 2 added ``flags``, ``site`` of exits, RELEASE_UNMATCHED and COLLECTED, and ``caller`` of
sites. Version 1 has zeros in these bytes, so both are read the same way."""
HEADER_SIZE = 4096
SEGMENT = 128 * 1024
RECORD = 48
TEXT_LIMIT = 4096
"""Characters of one name, message or printed line that are kept."""

_MAGIC = b"\x89ACTX\r\n\n"
_HEADER = struct.Struct("<8sHHIQQI")  # magic, version, record, segment, wall, monotonic, crc

SEGMENT_HEADER = struct.Struct("<QQIIQQIB2xB")
"""when its process began to write, when it took the segment (both monotonic ns), pid, parent pid,
heartbeat, since when facts are missing (monotonic ns, 0: none are), how many acquisitions are
missing, whether the process records nothing any more, kind

A bounded recording takes a segment again that it has filled: the header is then another one. The
heartbeat and the losses change in place: they must be kept where the disk is full, and they tell
what the process saw last, even of one that is killed."""
SEGMENT_IDENTITY = slice(0, 24)
"""The bytes of a segment's header that stay until it is taken again."""
HEARTBEAT = struct.Struct("<Q"), 24
"""The field of the header, and its offset: when the writer was last seen alive (monotonic ns)."""
LOSSES = struct.Struct("<QIB"), 32
"""The fields of the header, and their offset: since when facts are missing, how many acquisitions,
and whether the process records nothing any more."""

ENTER_STARTED = struct.Struct("<QQQIIII6xBB")
"""at, acquisition, parent, task, resource, site, manager, flags (EnterFlag), kind"""
ENTER_ENDED = struct.Struct("<QQ12xI12xBxxB")
"""at, acquisition, error, outcome, kind"""
EXIT_STARTED = struct.Struct("<QQ8xIII8xBxxB")
"""at, acquisition, task, error, site, outcome, kind"""
EXIT_ENDED = struct.Struct("<QQ12xI12xBBBB")
"""at, acquisition, error, outcome, suppressed, flags (ExitFlag), kind"""
TASK_ENDED = struct.Struct("<Q16xI19xB")
"""at, task, kind"""
RELEASE_UNMATCHED = struct.Struct("<Q16xIII11xB")
"""at, task, resource, site, kind"""
COLLECTED = struct.Struct("<QQ31xB")
"""at, acquisition, kind"""
RAW = struct.Struct("<QQQIIII4xBBBB")
"""Any record: at, acquisition, parent, task, resource or error, site, manager, outcome,
suppressed, flags, kind"""

RAW_FIELDS = (
    ("at", "<u8", 0),
    ("acquisition", "<u8", 8),
    ("parent", "<u8", 16),
    ("task", "<u4", 24),
    ("word", "<u4", 28),
    ("site", "<u4", 32),
    ("manager", "<u4", 36),
    ("outcome", "u1", 44),
    ("suppressed", "u1", 45),
    ("flags", "u1", 46),
    ("kind", "u1", 47),
)
"""The same, for readers that take in many at once: name, numpy's name of the type, offset."""

LENGTH = struct.Struct("<I")


class Kind(IntEnum):
    """What a record says."""

    ENTER_STARTED = 1
    ENTER_ENDED = 2
    EXIT_STARTED = 3
    EXIT_ENDED = 4
    TASK_ENDED = 5
    RELEASE_UNMATCHED = 6
    COLLECTED = 7


class SegmentKind(IntEnum):
    """What a segment holds."""

    FACTS = 1
    TEXTS = 2


@dataclass(frozen=True, slots=True)
class Anchor:
    """One moment on both clocks: turns monotonic ns into the time of day."""

    wall_ns: int
    monotonic_ns: int

    def wall(self, at: int) -> int:
        """The wall clock (ns since 1970, UTC) at monotonic time ``at``."""
        return self.wall_ns + at - self.monotonic_ns


def pack_header(anchor: Anchor) -> bytes:
    """The first HEADER_SIZE bytes of a recording."""
    fields = (_MAGIC, VERSION, RECORD, SEGMENT, anchor.wall_ns, anchor.monotonic_ns)
    crc = zlib.crc32(_HEADER.pack(*fields, 0))
    return _HEADER.pack(*fields, crc).ljust(HEADER_SIZE, b"\0")


def unpack_header(data: bytes, path: Path) -> Anchor:
    """The anchor in the header ``data`` of the file ``path``.

    Raises NotARecording, NewerRecording or DamagedRecording, each saying what to do.
    """
    if not data.startswith(_MAGIC):
        if data and _MAGIC.startswith(data[:8]):
            raise DamagedRecording(_damaged(path, "it ends within its header"))
        raise NotARecording(
            f"{path} is not an asyncctx-trace recording: use a file that "
            f"`asyncctx-trace run -o FILE{SUFFIX}` wrote"
        )
    if len(data) < _HEADER.size:
        raise DamagedRecording(_damaged(path, "it ends within its header"))
    magic, version, record, segment, wall, monotonic, crc = _HEADER.unpack_from(data)
    if version > VERSION:
        raise NewerRecording(
            f"{path} has format version {version}, this asyncctx-trace reads up to {VERSION}: "
            "upgrade with `pip install -U asyncctx-trace`"
        )
    if crc != zlib.crc32(_HEADER.pack(magic, version, record, segment, wall, monotonic, 0)):
        raise DamagedRecording(_damaged(path, "the checksum of its header is wrong"))
    if (record, segment) != (RECORD, SEGMENT) or len(data) < HEADER_SIZE:
        raise DamagedRecording(_damaged(path, "its header is cut off or altered"))
    return Anchor(wall, monotonic)


def _damaged(path: Path, why: str) -> str:
    return f"{path} is damaged ({why}): record the program again, or restore it from a copy"
