"""The C implementation of the appender writes the same bytes as the Python one."""

from __future__ import annotations

import importlib.util
import mmap
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncctx_trace import native
from asyncctx_trace.model.event_schema import EVENTS, SIZES, EventSchema, Field, RecordKind
from asyncctx_trace.recording.format import RECORD, RECORD_STRUCTS, SEGMENT, SEGMENT_HEADER
from asyncctx_trace.recording.writing import append

SLOTS = (SEGMENT - SEGMENT_HEADER.size) // RECORD
PAGES = 2

Call = tuple[str, tuple[Any, ...]]
"""The name of a method, and its arguments."""


def values(field: Field) -> st.SearchStrategy[Any]:
    """Any argument that fits into a field."""
    if field.unit == "error or 0":
        return st.none() | st.builds(ValueError)
    if field.unit == "bool":
        return st.booleans()
    return st.integers(0, 2 ** (8 * SIZES[field.type]) - 1)


def calls_of(schema: EventSchema) -> st.SearchStrategy[Call]:
    """Calls for one kind of event, with and without the optional arguments."""
    required = [values(field) for field in schema.fields if not field.optional]
    every = [values(field) for field in schema.fields]
    arguments = st.one_of(st.tuples(*required), st.tuples(*every))
    return st.tuples(st.just(schema.method), arguments)


records = st.binary(min_size=RECORD, max_size=RECORD)
calls = st.one_of(*map(calls_of, EVENTS), st.tuples(st.just("append_record"), st.tuples(records)))


def python_appender() -> Any:
    """The class as it is written in Python, even if there is a C implementation."""
    spec = importlib.util.find_spec(append.__name__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "extension", lambda package: None)
        spec.loader.exec_module(module)
    assert module.RecordAppender.__module__ == append.__name__
    return module.RecordAppender


IMPLEMENTATIONS = pytest.mark.parametrize(
    "appender", [append.RecordAppender, python_appender()], ids=["installed", "python"]
)


def written(appender: Any, calls: list[Call], used: int = 0) -> tuple[list[bytes], int]:
    """Return the pages that ``calls`` fill, and how many acquisitions found no page.

    Of the first page, ``used`` slots are in use before the first call.
    """

    class OnPages(appender):  # type: ignore[misc]  # its base is chosen at run time
        pages: list[mmap.mmap]

        def rotate(self, full: mmap.mmap | None) -> bool:
            assert full is None or full is self.pages[-1]
            if full is not None and len(self.pages) < PAGES:
                self.pages.append(mmap.mmap(-1, SEGMENT))
                self.use_page(self.pages[-1])
                return True
            self.use_page(None)
            return False

        def intern_error(self, error: BaseException) -> int:
            return len(str(error)) + 7

    one = OnPages()
    one.pages = [mmap.mmap(-1, SEGMENT)]
    one.use_page(one.pages[0], used)
    for method, arguments in calls:
        getattr(one, method)(*arguments)
    return [page[:] for page in one.pages], one.lost


@given(st.lists(calls, max_size=12), st.integers(SLOTS - 4, SLOTS))
def test_both_implementations_fill_the_same_pages(calls: list[Call], used: int) -> None:
    """Across the end of a page, and after the last one."""
    assert written(append.RecordAppender, calls, used) == written(python_appender(), calls, used)


@IMPLEMENTATIONS
@pytest.mark.parametrize("schema", EVENTS, ids=lambda schema: schema.event)
def test_each_field_is_written_where_the_schema_says(appender: Any, schema: EventSchema) -> None:
    """Each with a value of its own."""
    arguments = {field.name: 101 + index for index, field in enumerate(schema.fields)}
    if "suppressed" in arguments:
        arguments["suppressed"] = 1
    passed = [
        ValueError("x" * (value - 7)) if name == "error" else value
        for name, value in arguments.items()
    ]

    [page], _ = written(appender, [(schema.method, tuple(passed))])

    expected = [arguments.get(field.name, int(schema.kind)) for field in schema.record]
    assert list(RECORD_STRUCTS[schema.kind].unpack_from(page, SEGMENT_HEADER.size)) == expected


@IMPLEMENTATIONS
def test_every_slot_of_a_page_is_used(appender: Any) -> None:
    """The page is replaced when there is no slot left, and not before."""
    full: list[Call] = [("task_ended", (1, 1))] * SLOTS

    [page], _ = written(appender, full)
    pages, _ = written(appender, [*full, full[0]])

    assert page[SEGMENT_HEADER.size + SLOTS * RECORD - 1] == RecordKind.TASK_ENDED
    assert len(pages) == 2


@IMPLEMENTATIONS
def test_acquisitions_without_a_page_are_counted_once(appender: Any) -> None:
    """By their first events."""
    begin = ("enter_started", (1, 2, 3, 4, 5, 6, 7))
    calls: list[Call] = [begin, ("task_ended", (1, 1))] * (PAGES * SLOTS)

    _, lost = written(appender, calls)

    assert lost == PAGES * SLOTS - PAGES * SLOTS // 2
