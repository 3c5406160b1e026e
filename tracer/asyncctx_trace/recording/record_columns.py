"""The fields of many records, column by column, without an object for each record."""

from __future__ import annotations

from functools import cached_property
from itertools import chain, compress
from operator import not_, or_
from struct import calcsize
from typing import Literal

from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.recording.format import ANY_RECORD, RECORD, RecordKind

__all__ = ["RecordColumns", "ended_ids", "endings", "referred_ids"]

_NAMING_RESOURCE = frozenset(
    {RecordKind.ENTER_STARTED, RecordKind.RELEASE_UNMATCHED, RecordKind.WAIT_STARTED}
)
"""Kinds of records whose ``resource_or_error`` may be a resource."""
_NAMING_TASK = frozenset({RecordKind.WAIT_STARTED, RecordKind.WAIT_ENDED})
"""Kinds of records whose ``resource_or_error`` may be a task."""
_EXIT_ENDED = bytes(kind == RecordKind.EXIT_ENDED for kind in range(256))
"""For ``bytes.translate``, as the following: 1 for this kind of records."""
_WAIT_ENDED = bytes(kind == RecordKind.WAIT_ENDED for kind in range(256))
_ENTER_ENDED = bytes(kind == RecordKind.ENTER_ENDED for kind in range(256))
_NOT_OK = bytes(outcome != Outcome.OK for outcome in range(256))

_OFFSETS = {field.name: field.offset for field in ANY_RECORD}


class RecordColumns:
    """The fields of complete records, each as a sequence with one value per record."""

    def __init__(self, data: bytes) -> None:
        self.records = data[: len(data) // RECORD * RECORD]

    def __getitem__(self, number: int) -> bytes:
        return self.records[number * RECORD : (number + 1) * RECORD]

    @cached_property
    def kind(self) -> bytes:
        """The ``RecordKind`` of each record; 0 for a slot that was never filled."""
        return self.records[_OFFSETS["kind"] :: RECORD]

    @cached_property
    def outcome(self) -> bytes:
        """The ``Outcome`` in each record; 0 in kinds without one."""
        return self.records[_OFFSETS["outcome"] :: RECORD]

    @cached_property
    def acquisition(self) -> list[int]:
        """Ids within the process, of an acquisition or a wait, as the kind says."""
        return self._column("Q", "acquisition")

    @cached_property
    def at(self) -> list[int]:
        """When each event happened (monotonic ns)."""
        return self._column("Q", "at")

    @cached_property
    def task(self) -> list[int]:
        """Ids within the process."""
        return self._column("I", "task")

    @cached_property
    def resource_or_error(self) -> list[int]:
        """Ids within the process, of a resource or an error, as the kind says."""
        return self._column("I", "resource_or_error")

    def _column(self, code: Literal["Q", "I"], name: str) -> list[int]:
        size = calcsize(code)
        integers: memoryview[int] = memoryview(self.records).cast(code)
        return list(integers[_OFFSETS[name] // size :: RECORD // size])


def ended_ids(columns: RecordColumns) -> set[int]:
    """Return the acquisitions and waits that end in these records."""
    waits = compress(columns.acquisition, columns.kind.translate(_WAIT_ENDED))
    return {*compress(columns.acquisition, endings(columns)), *waits}


def endings(columns: RecordColumns) -> bytes:
    """Return 1 for each record that ends an acquisition, and 0 for the others."""
    ended = columns.kind.translate(_EXIT_ENDED)
    failed = int.from_bytes(columns.kind.translate(_ENTER_ENDED)) & int.from_bytes(
        columns.outcome.translate(_NOT_OK)
    )
    return (failed | int.from_bytes(ended)).to_bytes(len(ended)) if failed else ended


def referred_ids(columns: RecordColumns) -> dict[str, set[int]]:
    """Return the definitions to which records refer: kind of definition -> ids, with 0."""
    resources = [kind in _NAMING_RESOURCE for kind in columns.kind]
    tasks = [kind in _NAMING_TASK for kind in columns.kind]
    errors = map(not_, map(or_, resources, tasks))
    return {
        "task": set(chain(columns.task, compress(columns.resource_or_error, tasks))),
        "resource": set(compress(columns.resource_or_error, resources)),
        "error": set(compress(columns.resource_or_error, errors)),
    }
