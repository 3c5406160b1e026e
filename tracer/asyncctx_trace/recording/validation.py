"""Checks what a recording contains where it is read, because analysis relies on it.

A recording may be damaged, or forged to harm its reader. Each value that passes has the type and
the range in which the writer writes it, and nothing refers to itself through others: parents and
callers are older than what refers to them, and ids grow with time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from asyncctx_trace.model.event_schema import EVENTS
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import WaitKind
from asyncctx_trace.recording.format import ANY_RECORD, RECORD, RecordKind

__all__ = [
    "ENTRY_FIELDS",
    "MAX_TIME",
    "OPTIONAL_ENTRY_FIELDS",
    "check_entry",
    "check_header",
    "check_records",
]

MAX_TIME = 1 << 62
"""Times (ns) and counts below this fit into 64 bits with any offset that is added to them."""
_MAX_ID = 1 << 32
_MAX_PID = 1 << 31

_OFFSETS = {field.name: field.offset for field in ANY_RECORD}
_U64_FIELDS = [field.name for field in ANY_RECORD if field.type == "u64"]
_PLAUSIBLE = bytes(range(MAX_TIME >> 56))
"""The most significant byte of every 64-bit integer below MAX_TIME."""
_KINDS = bytes(RecordKind)
_OUTCOMES = bytes(Outcome)


def _marking(marked: bytes) -> bytes:
    """Return a table for ``bytes.translate`` that maps ``marked`` to 1 and other bytes to 0."""
    return bytes(value in marked for value in range(256))


_HAS_OUTCOME = _marking(
    bytes(
        schema.kind for schema in EVENTS if any(field.unit == "outcome" for field in schema.fields)
    )
)
_NO_OUTCOME = _marking(bytes(set(range(256)) - set(_OUTCOMES)))
_IS_WAIT = _marking(bytes([RecordKind.WAIT_STARTED]))
_NO_WAIT_KIND = _marking(bytes(set(range(256)) - set(WaitKind)))


def check_header(taken_at: int, pid: int, kind: int) -> None:
    """Check the fields of a segment's header; raises ValueError."""
    _require(taken_at < MAX_TIME, "time", taken_at)
    _require(0 < pid < _MAX_PID, "process id", pid)
    _require(kind in (1, 2), "kind of segment", kind)


def check_records(data: bytes) -> None:
    """Check whole records, in O(n) with little work for each; raises ValueError."""
    kinds = data[_OFFSETS["kind"] :: RECORD]
    if unknown := kinds.translate(None, _KINDS):
        raise ValueError(f"unknown kind of record {unknown[0]}")
    for name in _U64_FIELDS:
        if data[_OFFSETS[name] + 7 :: RECORD].translate(None, _PLAUSIBLE):
            raise ValueError(f"{name} of a record is out of range")
    if data[_OFFSETS["suppressed"] :: RECORD].translate(None, b"\0\1"):
        raise ValueError("suppressed of a record is neither 0 nor 1")
    # As one large integer each: a bit is left where a record needs an outcome and has none.
    needed = int.from_bytes(kinds.translate(_HAS_OUTCOME))
    missing = int.from_bytes(data[_OFFSETS["outcome"] :: RECORD].translate(_NO_OUTCOME))
    if needed & missing:
        raise ValueError("invalid outcome of a record")
    if RecordKind.WAIT_STARTED in kinds:
        waits = int.from_bytes(kinds.translate(_IS_WAIT))
        if waits & int.from_bytes(data[_OFFSETS["flags"] :: RECORD].translate(_NO_WAIT_KIND)):
            raise ValueError("invalid kind of a wait")
    integers = memoryview(data).cast("Q")
    acquisitions, parents = (
        integers[_OFFSETS[name] // 8 :: RECORD // 8].tobytes() for name in ("acquisition", "parent")
    )
    if not _are_younger(acquisitions, parents):
        raise ValueError("an acquisition is not younger than its parent")


@lru_cache(maxsize=4)  # most segments are of one length
def _lanes(count: int) -> tuple[int, int]:
    """Return ``count`` 64-bit integers as one: with only the top bit, and only the lowest bit."""
    top = int.from_bytes((bytes(7) + b"\x80") * count, "little")
    return top, top >> 63


def _are_younger(acquisitions: bytes, parents: bytes) -> bool:
    """Return whether each acquisition has a larger id than its parent, or none (0).

    Both contain one 64-bit integer below MAX_TIME for each record. All are compared at once, as
    one large integer each: with the top bit of an integer set before the subtraction, it is left
    where nothing had to be borrowed, and it never borrows from the next one.
    """
    top, ones = _lanes(len(acquisitions) // 8)
    older = int.from_bytes(parents, "little")
    has_parent = ((older | top) - ones & top) >> 63
    return (int.from_bytes(acquisitions, "little") | top) - (older + has_parent) & top == top


def check_entry(entry: Any) -> dict[str, Any]:
    """Return a text entry if its fields are valid; raises KeyError or ValueError.

    Entries of unknown kinds are not checked: their fields are not read.
    """
    _require(isinstance(entry, dict), "entry", entry)
    kind = entry["k"]
    _require(isinstance(kind, str), "kind of entry", kind)
    for name, is_valid in ENTRY_FIELDS.get(kind, {}).items():
        value = entry[name]
        _require(is_valid(value), f"{name} of {kind}", value)
    for name, is_valid in OPTIONAL_ENTRY_FIELDS.get(kind, {}).items():
        if name in entry:
            _require(is_valid(entry[name]), f"{name} of {kind}", entry[name])
    for name in ("parent", "caller"):
        if entry.get(name) and kind in ("task", "site"):
            _require(entry[name] < entry["id"], f"{name} of {kind}", entry[name])
    checked: dict[str, Any] = entry
    return checked


def _require(valid: bool, what: str, value: object) -> None:
    if not valid:
        raise ValueError(f"invalid {what}: {str(value)[:40]!r}")


def _below(limit: int, least: int = 0) -> Callable[[object], bool]:
    return lambda value: type(value) is int and least <= value < limit


def _or_none(is_valid: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or is_valid(value)


def _text(value: object) -> bool:
    return isinstance(value, str)


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _stack(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(frame, list) and list(map(type, frame)) == [str, int, str] for frame in value
    )


_at, _number, _id = _below(MAX_TIME), _below(MAX_TIME), _below(_MAX_ID)
_pid = _below(_MAX_PID)

ENTRY_FIELDS: Mapping[str, Mapping[str, Callable[[object], bool]]] = {
    "error": {"id": _id, "type": _text, "message": _text},
    "manager": {"id": _id, "name": _text},
    "site": {"id": _id, "file": _text, "line": _below(1 << 31), "function": _text, "text": _text},
    "resource": {"id": _id, "kind": _text, "name": _text, "capacity": _or_none(_number)},
    "task": {
        "at": _at, "id": _id, "name": _text, "runtime": _text, "parent": _id, "thread": _text,
    },
    "process": {"at": _at, "pid": _pid, "ppid": _pid, "title": _text},
    "printed": {"at": _at, "stream": _text, "text": _text},
    "marked": {"at": _at, "text": _text},
    "dropped": {"at": _at, "acquisitions": _number, "reason": _text},
    "interrupted": {"at": _at, "pid": _pid, "reason": _text},
    "stopped": {"reason": _text},
    "stall started": {
        "at": _at, "since": _at, "id": _id, "task": _id, "site": _id, "stack": _stack,
    },
    "stall ended": {"at": _at, "id": _id, "collections": _number, "delayed": _number},
    "quiescent": {"at": _at, "since": _at},
    "dump": {
        "at": _at, "since": _at, "triggered": _at, "trigger": _text, "reason": _text, "pid": _pid,
        "suppressed": _number,
    },
    "given up": {"at": _at, "acquisitions": _number, "lines": _number},
    "inherited": {
        "at": _at, "pid": _pid, "started": _at, "all_acquisitions": _number, "all_lines": _number,
    },
    "end": {"at": _at, "pid": _pid, "exit": _or_none(_below(1 << 31, -(1 << 31)))},
}  # fmt: skip
"""Kind of entry -> its fields, each with a function that says whether a value is valid."""
OPTIONAL_ENTRY_FIELDS: Mapping[str, Mapping[str, Callable[[object], bool]]] = {
    "site": {"caller": _id, "digest": _text},
    "task": {"coroutine": _text},
    "interrupted": {"late": _flag},
}
"""Fields that older recordings lack."""
