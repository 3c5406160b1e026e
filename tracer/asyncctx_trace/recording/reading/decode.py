"""Turns the records of one process into events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from asyncctx_trace.model import events
from asyncctx_trace.model.event_schema import EVENTS, EventSchema, Field, Unit
from asyncctx_trace.model.outcomes import EnterFlag, ExitFlag, Outcome
from asyncctx_trace.model.waits import WaitKind
from asyncctx_trace.recording.format import ANY_RECORD, RAW
from asyncctx_trace.recording.reading.process_state import ProcessState

__all__ = ["UNKNOWN_MANAGER", "decode"]

UNKNOWN_MANAGER = "?"
"""The class of a manager whose definition is missing."""

_CONVERSIONS: dict[Unit, str] = {
    "ns": "{0}",
    "id": "base + {0}",
    "id or 0": "base + {0} if {0} else None",
    "manager": "managers.get({0}, UNKNOWN_MANAGER)",
    "error or 0": "errors.get({0})",
    "outcome": "OUTCOMES[{0}]",
    "bool": "bool({0})",
    "enter flags": "bool({0} & BY_CALL)",
    "exit flags": "ExitFlag({0})",
    "wait kind": "WAIT_KINDS.get({0}, FUTURE)",
}
"""Unit -> the expression that makes the attribute of an event of the number in the record."""

_NAMES: dict[str, Any] = {
    "BY_CALL": int(EnterFlag.BY_CALL),
    "OUTCOMES": {int(outcome): outcome for outcome in Outcome},
    "UNKNOWN_MANAGER": UNKNOWN_MANAGER,
    "ExitFlag": ExitFlag,
    "WAIT_KINDS": {int(kind): kind for kind in WaitKind},
    "FUTURE": WaitKind.FUTURE,
}
_AT = {field.offset: index for index, field in enumerate(ANY_RECORD)}
"""Offset -> index in the values of a record of any kind."""


def decode(writer: ProcessState, data: bytes) -> Iterator[events.RecordedEvent]:
    """Yield the events in ``data``, which is whole records of ``writer``.

    Records of an unknown kind are left out. Raises KeyError if an outcome is unknown.
    """
    base, managers, errors = writer.base, writer.managers, writer.errors
    for record in RAW.iter_unpack(data):
        decoder = _DECODERS.get(record[-1])
        if decoder is not None:
            yield decoder(record, base, managers, errors)


def _decoder(schema: EventSchema) -> Callable[..., events.RecordedEvent]:
    def expression(field: Field) -> str:
        return _CONVERSIONS[field.unit].format(f"record[{_AT[field.offset]}]")

    source = f"{schema.event}({', '.join(map(expression, schema.fields))})"
    namespace = {schema.event: getattr(events, schema.event), **_NAMES}
    # Written out for each kind: a recording has millions of records.
    decoder: Callable[..., events.RecordedEvent] = eval(
        f"lambda record, base, managers, errors: {source}", namespace
    )
    return decoder


_DECODERS = {int(schema.kind): _decoder(schema) for schema in EVENTS}
