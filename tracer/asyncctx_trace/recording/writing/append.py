"""Appends records to a mapped page, in the program's own task."""

from __future__ import annotations

import itertools
import mmap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from asyncctx_trace.model.event_schema import EVENTS, EventSchema, RecordKind
from asyncctx_trace.native import accelerated
from asyncctx_trace.recording.format import RECORD, RECORD_STRUCTS, SEGMENT, SEGMENT_HEADER

if TYPE_CHECKING:
    from asyncctx_trace.model.sink import EventSink

__all__ = ["RecordAppender", "put_record", "until_gap"]

T = TypeVar("T")

# Plain integers: comparing with a member of an enum costs more, for each record.
_ENTER_STARTED = int(RecordKind.ENTER_STARTED)
_LAST = SEGMENT - RECORD
"""The offset of the last slot of a page."""

_Slots = tuple[mmap.mmap | None, Callable[[], int]]
"""A page, and a function that returns the offset of its next free slot. They are replaced as one,
so that no thread combines those of two pages."""

_METHOD = """\
def {name}(self, {parameters}, pack=pack):
    {intern}page, slot = self._slots
    offset = slot()
    if offset <= {last}:
        pack(page, offset, {values}, {kind})
    else:
        self.call_hidden(self._append_to_next_page, pack, {values}, {kind})
"""
"""The method for one kind of event: written out for each, since a loop over its fields would take
longer than all the rest."""


def put_record(page: mmap.mmap, offset: int, record: bytes) -> None:
    """Write a complete record to a page, its kind last, which makes the record valid."""
    page[offset : offset + RECORD - 1] = record[:-1]
    page[offset + RECORD - 1] = record[-1]


def until_gap(data: bytes) -> int:
    """Return the size of the records before the first slot that is not filled, in bytes.

    A copy of a page may have the kind of its last record without its other fields: what counts as
    written has to be copied again.
    """
    kinds = data[RECORD - 1 :: RECORD]
    gap = kinds.find(0)
    return (len(kinds) if gap < 0 else gap) * RECORD


def _append_methods(cls: type[T]) -> type[T]:
    """Add to ``cls`` a method for each kind of event."""
    for schema in EVENTS:
        namespace: dict[str, Any] = {"pack": RECORD_STRUCTS[schema.kind].pack_into}
        exec(compile(_source(schema), f"<{__name__}, from the event schema>", "exec"), namespace)
        method = namespace[schema.method]
        method.__module__, method.__qualname__ = cls.__module__, f"{cls.__name__}.{schema.method}"
        setattr(cls, schema.method, method)
    return cls


def _source(schema: EventSchema) -> str:
    parameters = [f.name + ("=0" if f.optional else "") for f in schema.fields]
    has_error = any(field.unit == "error or 0" for field in schema.fields)
    intern = "error = 0 if error is None else self.intern_error(error)\n    " if has_error else ""
    values = [field.name for field in schema.record[:-1]]
    return _METHOD.format(
        name=schema.method,
        parameters=", ".join(parameters),
        intern=intern,
        last=_LAST,
        values=", ".join(values),
        kind=int(schema.kind),
    )


def _call(function: Callable[..., None], *args: Any) -> None:
    function(*args)


def _no_slot() -> int:
    return SEGMENT


@accelerated
@_append_methods
class RecordAppender:
    """Writes each event into the next slot of a page, its kind last.

    An event costs one ``struct.pack_into``. Once the call has returned, the event survives any end
    of the process. A subclass provides pages and the ids of errors.
    """

    if TYPE_CHECKING:  # see _append_methods
        enter_started = EventSink.enter_started
        enter_ended = EventSink.enter_ended
        exit_started = EventSink.exit_started
        exit_ended = EventSink.exit_ended
        task_ended = EventSink.task_ended
        release_unmatched = EventSink.release_unmatched
        collected = EventSink.collected
        wait_started = EventSink.wait_started
        wait_target = EventSink.wait_target
        wait_ended = EventSink.wait_ended

    _slots: _Slots = (None, _no_slot)
    lost = 0
    """How many acquisitions found no page when they began."""

    call_hidden: Callable[..., None] = staticmethod(_call)
    """Calls what is called rarely; a recording session sets it to what a debugger does not see."""

    @property
    def page(self) -> mmap.mmap | None:
        """The page in use, or ``None``."""
        return self._slots[0]

    def use_page(self, page: mmap.mmap | None, used: int = 0) -> None:
        """Append to ``page`` from now on, after its first ``used`` slots."""
        if page is None:
            self._slots = None, _no_slot
        else:
            first = SEGMENT_HEADER.size + used * RECORD
            self._slots = page, itertools.count(first, RECORD).__next__

    def rotate(self, full: mmap.mmap | None) -> bool:
        """Replace the page ``full``, unless another thread has; return whether there is a page."""
        raise NotImplementedError

    def note_lost(self) -> None:
        """Note in the recording that ``lost`` has grown."""

    def intern_error(self, error: BaseException) -> int:
        """Return the id of an exception in the recording."""
        raise NotImplementedError

    def append_record(self, record: bytes) -> None:
        """Append a complete record, its kind last."""
        while True:
            page, slot = self._slots
            at = SEGMENT if page is None else slot()
            if page is not None and at + RECORD <= SEGMENT:
                put_record(page, at, record)
                return
            if not self.rotate(page):
                self._lose(record[-1])
                return

    def _append_to_next_page(self, pack: Callable[..., None], *values: int) -> None:
        while True:
            page, slot = self._slots
            offset = slot()
            if offset <= _LAST:
                pack(page, offset, *values)
                return
            if not self.rotate(page):
                self._lose(values[-1])
                return

    def _lose(self, kind: int) -> None:
        # The program goes on; an acquisition is counted by its first event. If only later ones are
        # missing, the recording says that events are, and since when.
        self.lost += kind == _ENTER_STARTED
        self.note_lost()
