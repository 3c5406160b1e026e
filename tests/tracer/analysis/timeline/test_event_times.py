"""The times of events are in order, however late the events of other threads arrive."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from asyncctx_trace.analysis.timeline.acquisition_columns import AcquisitionColumns


@given(st.lists(st.integers(0, 20)))
def test_one_by_one(times: list[int]) -> None:
    """Each goes to its position."""
    columns = AcquisitionColumns()
    for at in times:
        columns.add_time(at)

    assert list(columns.facts) == sorted(times)
    assert (columns.start, columns.end) == (min(times, default=None), max(times, default=None))


@given(st.lists(st.lists(st.integers(0, 20))))
def test_in_batches(batches: list[list[int]]) -> None:
    """A batch is in order, but can begin before the end of the last one."""
    columns = AcquisitionColumns()
    for batch in batches:
        if batch:
            later = columns.take_times_after(min(batch))
            columns.add_times(array("q", sorted([*later, *batch])))
    times = [at for batch in batches for at in batch]

    assert list(columns.facts) == sorted(times)
    assert (columns.start, columns.end) == (min(times, default=None), max(times, default=None))
