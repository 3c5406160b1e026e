"""The fields of many records, column by column, without an object for each record."""

from __future__ import annotations

from functools import cached_property
from struct import calcsize
from typing import Literal

from asyncctx_trace.recording.format import ANY_RECORD, RECORD

__all__ = ["RecordColumns"]

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
