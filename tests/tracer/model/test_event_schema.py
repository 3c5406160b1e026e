"""Everything that spells out the shape of an event agrees with the event schema."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import pytest

from asyncctx_trace.analysis.timeline import record_arrays
from asyncctx_trace.model import events
from asyncctx_trace.model.event_schema import (
    EVENTS,
    RECORD_SIZE,
    SIZES,
    EventSchema,
    RecordKind,
)
from asyncctx_trace.model.sink import EventSink
from asyncctx_trace.native import extension
from asyncctx_trace.otel.telemetry_sink import SpanSink
from asyncctx_trace.recording.format import ANY_RECORD, RECORD_STRUCTS, SEGMENT, SEGMENT_HEADER

each_event = pytest.mark.parametrize("schema", EVENTS, ids=lambda schema: schema.event)


def test_every_kind_of_record_is_in_the_table_once() -> None:
    """Their numbers are those of the file format, and never change."""
    assert [schema.kind for schema in EVENTS] == list(RecordKind)
    assert [(kind.name, int(kind)) for kind in RecordKind] == [
        ("ENTER_STARTED", 1),
        ("ENTER_ENDED", 2),
        ("EXIT_STARTED", 3),
        ("EXIT_ENDED", 4),
        ("TASK_ENDED", 5),
        ("RELEASE_UNMATCHED", 6),
        ("COLLECTED", 7),
        ("WAIT_STARTED", 8),
        ("WAIT_TARGET", 9),
        ("WAIT_ENDED", 10),
    ]


@each_event
def test_fields_are_aligned_and_do_not_overlap(schema: EventSchema) -> None:
    """Each byte of a record belongs to one field at most; the kind is the last byte."""
    taken = [
        range(field.offset, field.offset + SIZES[field.type])
        for field in schema.record
        if field.offset % SIZES[field.type] == 0
    ]

    used = [byte for field in taken for byte in field]
    assert len(taken) == len(schema.record)
    assert len(used) == len(set(used))
    assert used[-1] == RECORD_SIZE - 1
    assert RECORD_STRUCTS[schema.kind].size == RECORD_SIZE


@each_event
def test_the_dataclass_has_the_fields_in_their_order(schema: EventSchema) -> None:
    """The decoder passes them by position."""
    event = getattr(events, schema.event)

    names = [field.name for field in dataclasses.fields(event)]
    assert names == [field.attribute or field.name for field in schema.fields]


def parameters(method: Any) -> list[tuple[str, bool]]:
    """Return the name of each parameter, and whether it may be left out, without ``self``."""
    found = list(inspect.signature(method).parameters.values())[1:]
    return [(one.name, one.default is not inspect.Parameter.empty) for one in found]


@each_event
@pytest.mark.parametrize("sink", [EventSink, SpanSink])
def test_a_sink_takes_the_fields_as_parameters(schema: EventSchema, sink: type) -> None:
    """Its callers pass them by position."""
    expected = [(field.name, field.optional) for field in schema.fields]

    assert parameters(getattr(sink, schema.method)) == expected


def test_the_columns_of_numpy_are_those_of_a_record() -> None:
    """Fields that share bytes share a column."""
    columns = record_arrays.RECORDS.fields

    assert columns is not None
    assert record_arrays.RECORDS.itemsize == RECORD_SIZE
    assert {name: (at[1], at[0].itemsize) for name, at in columns.items()} == {
        field.name: (field.offset, SIZES[field.type]) for field in ANY_RECORD
    }


def test_the_c_declarations_are_those_of_the_table() -> None:
    """As the compiler laid them out."""
    native = extension("asyncctx_trace.recording")
    if native is None:
        pytest.skip("there is no C extension here")

    assert {
        "sizes": {
            "record": RECORD_SIZE,
            "segment": SEGMENT,
            "segment_header": SEGMENT_HEADER.size,
        },
        "kinds": {kind.name: int(kind) for kind in RecordKind},
        "fields": {field.name: (field.offset, SIZES[field.type]) for field in ANY_RECORD},
    } == native.LAYOUT
