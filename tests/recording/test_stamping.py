"""What is compiled stamps the very bytes that the Python says."""

from __future__ import annotations

import importlib.util
import mmap
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncctx_trace import native
from asyncctx_trace.recording import append
from asyncctx_trace.recording.format import RECORD, SEGMENT, SEGMENT_HEADER

SLOTS = (SEGMENT - SEGMENT_HEADER.size) // RECORD
PAGES = 2

long = st.integers(0, 2**64 - 1)
short = st.integers(0, 2**32 - 1)
byte = st.integers(1, 4)
error = st.none() | st.builds(ValueError)
facts = st.one_of(
    st.tuples(st.just("enter_started"), long, long, long, short, short, short, short),
    st.tuples(st.just("enter_started"), long, long, long, short, short, short, short, byte),
    st.tuples(st.just("enter_ended"), long, long, byte, error),
    st.tuples(st.just("exit_started"), long, long, short, byte, error),
    st.tuples(st.just("exit_started"), long, long, short, byte, error, short),
    st.tuples(st.just("exit_ended"), long, long, byte, st.booleans(), error),
    st.tuples(st.just("exit_ended"), long, long, byte, st.booleans(), error, byte),
    st.tuples(st.just("task_ended"), long, short),
    st.tuples(st.just("release_unmatched"), long, short, short, short),
    st.tuples(st.just("collected"), long, long),
    st.tuples(st.just("copy"), st.binary(min_size=RECORD, max_size=RECORD)),
)


def pure() -> Any:
    """The class as it stands in Python, whatever was compiled."""
    spec = importlib.util.find_spec(append.__name__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(native.PURE, "1")
        spec.loader.exec_module(module)
    return module.Stamper


def stamped(stamper: Any, events: list[tuple[Any, ...]], taken: int) -> tuple[list[bytes], int]:
    """The pages that ``events`` fill, the first with so many slots taken; what found none."""

    class OnPages(stamper):  # type: ignore[misc]
        pages: list[mmap.mmap]

        def turn(self, full: mmap.mmap | None) -> bool:
            assert full is None or full is self.pages[-1]
            if full is not None and len(self.pages) < PAGES:
                self.pages.append(mmap.mmap(-1, SEGMENT))
                self.use(self.pages[-1])
                return True
            self.use(None)
            return False

        def words_of(self, error: BaseException) -> int:
            return len(str(error)) + 7

    one = OnPages()
    one.pages = [mmap.mmap(-1, SEGMENT)]
    one.use(one.pages[0], taken)
    for moment, *fact in events:
        getattr(one, moment)(*fact)
    return [page[:] for page in one.pages], one.lost


@given(st.lists(facts, max_size=12), st.integers(SLOTS - 4, SLOTS))
def test_both_fill_the_same_pages(events: list[tuple[Any, ...]], taken: int) -> None:
    """Across the end of a page, and beyond the last."""
    assert stamped(append.Stamper, events, taken) == stamped(pure(), events, taken)


def test_both_lose_the_same_acquisitions_without_a_page() -> None:
    """Counted once each, by their first facts."""
    begin = ("enter_started", 1, 2, 3, 4, 5, 6, 7)
    events = [begin, ("task_ended", 1, 1)] * (PAGES * SLOTS)

    for stamper in (append.Stamper, pure()):
        _, lost = stamped(stamper, events, 0)

        assert lost == PAGES * SLOTS - PAGES * SLOTS // 2
