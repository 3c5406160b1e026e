"""The shape of every recorded event: one table, from which all other descriptions follow.

Derived from it are the structs and the columns of records (``recording/format.py``), the code that
writes and reads them (``recording/writing/append.py``, ``recording/reading/decode.py``) and the
tables in ``docs/format.md``. Compared with it are the C declarations (``recording/_native.c``), the
methods of a sink (``model/sink.py``) and the dataclasses (``model/events.py``).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, Literal, NamedTuple

__all__ = [
    "EVENTS",
    "KIND_FIELD",
    "RECORD_SIZE",
    "SIZES",
    "EventSchema",
    "Field",
    "RecordKind",
    "Unit",
]

RECORD_SIZE: Final = 48
"""Bytes of a record."""

FieldType = Literal["u8", "u32", "u64"]
SIZES: Final[dict[FieldType, int]] = {"u8": 1, "u32": 4, "u64": 8}
"""Bytes of an unsigned integer, by the name of its type."""

Unit = Literal[
    "ns", "id", "id or 0", "manager", "error or 0", "outcome", "bool", "enter flags",
    "exit flags", "wait kind", "kind",
]  # fmt: skip
"""What the number in a field stands for.

``manager`` is the id of a class name, ``error or 0`` that of an exception; in an event these are
the name and the :class:`~asyncctx_trace.model.events.ErrorText`.
"""


class RecordKind(IntEnum):
    """The type of a record."""

    ENTER_STARTED = 1
    ENTER_ENDED = 2
    EXIT_STARTED = 3
    EXIT_ENDED = 4
    TASK_ENDED = 5
    RELEASE_UNMATCHED = 6
    COLLECTED = 7
    WAIT_STARTED = 8
    WAIT_TARGET = 9
    WAIT_ENDED = 10


class Field(NamedTuple):
    """A field of an event: a parameter of the sink, and an unsigned integer in the record."""

    name: str
    type: FieldType
    offset: int
    """In the record, in bytes."""
    unit: Unit
    set_by: str
    """The part of the tracer that determines the value."""
    meaning: str
    """For ``docs/format.md``."""
    optional: bool = False
    """Whether a sink's caller may leave it out, which means 0."""
    attribute: str = ""
    """Its name in the dataclass, where that is another one."""


class EventSchema(NamedTuple):
    """The fields of one kind of event, in the order of the sink's parameters."""

    kind: RecordKind
    fields: tuple[Field, ...]

    @property
    def method(self) -> str:
        """The method of a sink: ``enter_started``."""
        return self.kind.name.lower()

    @property
    def event(self) -> str:
        """The class in :mod:`asyncctx_trace.model.events`: ``EnterStarted``."""
        return self.kind.name.title().replace("_", "")

    @property
    def record(self) -> tuple[Field, ...]:
        """The fields in the order in which they lie in the record, the kind last."""
        return (*sorted(self.fields, key=lambda field: field.offset), KIND_FIELD)


_CLOCK = "clock"
_HOOKS = "hooks"
_ACQUISITION = "acquisition"
_TASKS, _RESOURCES, _SITES = "task registry", "resource registry", "site registry"
_CLASSES = "class registry"
_RECORDER = "recorder"
_AWAITS = "await hooks"

KIND_FIELD: Final = Field("kind", "u8", 47, "kind", _RECORDER, "")
"""The last byte of each record, which is written last."""


def _at() -> Field:
    return Field("at", "u64", 0, "ns", _CLOCK, "time")


def _acquisition(meaning: str = "id of the acquisition") -> Field:
    return Field("acquisition", "u64", 8, "id", _ACQUISITION, meaning)


def _wait(meaning: str = "id of the wait") -> Field:
    return Field("wait", "u64", 8, "id", _AWAITS, meaning)


def _task(meaning: str) -> Field:
    return Field("task", "u32", 24, "id", _TASKS, meaning)


def _resource(meaning: str) -> Field:
    return Field("resource", "u32", 28, "id", _RESOURCES, meaning)


def _error(meaning: str) -> Field:
    return Field("error", "u32", 28, "error or 0", _RECORDER, meaning)


def _outcome(meaning: str) -> Field:
    return Field("outcome", "u8", 44, "outcome", _HOOKS, meaning)


_EXIT_FLAGS = (
    "1 `expired`: a deadline passed, its cancellation was swallowed, and no exception was raised; "
    "2 `skipped`: the lines after the unguarded `yield` of a generator never ran; 4 `passed on`: "
    "the exit raised the exception of the body, a group that contains it, or one raised from it; "
    "8 `cut short`: a cancellation came out of an `await` of the exit that no handler of the exit "
    "covers; 16 `finished`: a cancellation came out of the exit after one of its handlers had run, "
    "or at its end"
)

EVENTS: Final = (
    EventSchema(
        RecordKind.ENTER_STARTED,
        (
            _at(),
            _acquisition("id of the acquisition, which begins here"),
            Field("parent", "u64", 16, "id or 0", _ACQUISITION,
                  "the innermost acquisition that was open in the task"),
            _task("the task that asks"),
            Field("manager", "u32", 36, "manager", _CLASSES, "the class of the manager"),
            _resource("what it asks for"),
            Field("site", "u32", 32, "id", _SITES, "where it asks"),
            Field("flags", "u8", 46, "enter flags", _HOOKS,
                  "1 `by_call`: the task called a method such as `acquire()` instead of "
                  "`async with`, so any task may release; 2 `traced`: the program traces the "
                  "manager itself, with `traced()`; 4 `blocking`: the enter blocks its thread, and "
                  "with it every task of the thread's event loop: a lock of threads; 8 `before`: "
                  "it began before the recording, at a time that is not known",
                  optional=True, attribute="by_call"),
        ),
    ),
    EventSchema(
        RecordKind.ENTER_ENDED,
        (
            _at(),
            _acquisition(),
            _outcome("1 `ok`, 2 `error`, 3 `cancelled`, 4 `timed_out`"),
            _error("the exception that ended the enter"),
        ),
    ),
    EventSchema(
        RecordKind.EXIT_STARTED,
        (
            _at(),
            _acquisition(),
            _task("the task that cleans up"),
            _outcome("how the body ended"),
            _error("the exception that ended the body"),
            Field("site", "u32", 32, "id or 0", _SITES,
                  "the call of `release()`, `aclose()` or the like; "
                  "0 if the exit is the end of the `async with`", optional=True),
        ),
    ),
    EventSchema(
        RecordKind.EXIT_ENDED,
        (
            _at(),
            _acquisition(),
            _outcome("how the exit ended"),
            Field("suppressed", "u8", 45, "bool", _HOOKS,
                  "1 if the exit suppressed the exception of the body"),
            _error("the exception that the exit raised"),
            Field("flags", "u8", 46, "exit flags", _HOOKS,
                  _EXIT_FLAGS, optional=True),
        ),
    ),
    EventSchema(RecordKind.TASK_ENDED, (_at(), _task("the task"))),
    EventSchema(
        RecordKind.RELEASE_UNMATCHED,
        (
            _at(),
            _task("the task that released"),
            _resource("what it released"),
            Field("site", "u32", 32, "id or 0", _SITES, "the call"),
        ),
    ),
    EventSchema(RecordKind.COLLECTED, (_at(), _acquisition())),
    EventSchema(
        RecordKind.WAIT_STARTED,
        (
            _at(),
            _wait("id of the wait, which begins here; no acquisition has the same"),
            _task("the task that waits"),
            Field("subject", "u32", 28, "id or 0", _AWAITS,
                  "the task or resource that it waits for, as the kind says"),
            Field("site", "u32", 32, "id", _SITES, "the `await`"),
            Field("wait_kind", "u8", 46, "wait kind", _AWAITS,
                  "1 `future`, 2 `task`, 3 `tasks` (all of them), 4 `first task` of several, "
                  "5 `queue get`, 6 `queue put`, 7 `queue join`, 8 `event`, 9 `condition`, "
                  "10 `barrier`, 11 `lock`, 12 `receive`, 13 `send`, 14 `thread`, 15 `io`, "
                  "16 `sleep`, 17 `timed tasks`: the end of tasks, or a point in time"),
        ),
    ),
    EventSchema(
        RecordKind.WAIT_TARGET,
        (_at(), _wait(), _task("one of several tasks whose end the wait is for")),
    ),
    EventSchema(
        RecordKind.WAIT_ENDED,
        (
            _at(),
            _wait(),
            _outcome("1 `ok`, 2 `error`, 3 `cancelled`"),
            Field("woken_by", "u32", 28, "id or 0", _AWAITS,
                  "the task that ended the wait; 0 for a callback, a timer, I/O or a thread"),
        ),
    ),
)  # fmt: skip
"""All kinds of events that become records."""
