"""The viewport: moves can be undone, columns are adjacent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asyncctx_trace_tui.view.time_axis.viewport import WIDEST, Viewport

TIMES = st.integers(0, 10**18)
VIEWPORTS = st.builds(Viewport, TIMES, st.integers(1, 10**13), st.integers(1, 300))


@given(VIEWPORTS, st.integers(-1000, 1000))
def test_panning_back_inverts_panning(viewport: Viewport, columns: int) -> None:
    """Panning right and as far left shows the same."""
    assert viewport.panned(columns).panned(-columns) == viewport


@given(VIEWPORTS, st.integers(-50, 350), st.floats(0, 0.999))
def test_zooming_in_inverts_zooming_out(viewport: Viewport, column: int, within: float) -> None:
    """Around any time, visible or not, without drift."""
    around = viewport.time_of(column) + int(within * viewport.per_column)

    assert viewport.zoomed_out(around).zoomed_in(around) == viewport


@given(VIEWPORTS, st.integers(0, 299), st.booleans())
def test_the_center_of_a_zoom_stays_in_its_column(
    viewport: Viewport, column: int, closer: bool
) -> None:
    """For any visible time."""
    around = viewport.time_of(column % viewport.width) + viewport.per_column // 3
    zoomed = viewport.zoomed_in(around) if closer else viewport.zoomed_out(around)

    assert zoomed.column_of(around) == viewport.column_of(around)


@given(VIEWPORTS, st.integers(-10, 310))
def test_columns_are_adjacent_and_contain_their_times(viewport: Viewport, column: int) -> None:
    """Between two columns no ns is lost, and none is shown twice."""
    first, last = viewport.time_of(column), viewport.time_of(column + 1) - 1

    assert viewport.column_of(first) == viewport.column_of(last) == column


@given(TIMES, st.integers(0, 10**15), st.integers(1, 300))
def test_fitting_shows_first_and_last(first: int, length: int, width: int) -> None:
    """All of it is visible, and would not be with columns one ns shorter."""
    viewport = Viewport.fitting(first, first + length, width)

    assert viewport.shows(first)
    assert viewport.shows(first + length)
    assert (viewport.per_column - 1) * width <= length


@given(VIEWPORTS, TIMES, st.integers(0, 200))
def test_following_brings_a_time_into_view_by_whole_columns(
    viewport: Viewport, at: int, margin: int
) -> None:
    """The viewport keeps its grid."""
    moved = viewport.following(at, margin)

    assert moved.shows(at)
    assert (moved.start - viewport.start) % viewport.per_column == 0
    assert moved.following(at, margin) == moved


@given(VIEWPORTS, TIMES, st.integers(0, 10**15))
def test_a_viewport_kept_near_shows_some_of_the_recording(
    viewport: Viewport, first: int, length: int
) -> None:
    """Panning cannot leave the recording."""
    moved = viewport.kept_near(first, first + length)

    assert moved.start <= first + length
    assert moved.end > first


def test_zoom_ends_at_one_ns_and_at_months() -> None:
    """There is a smallest and a largest time per column."""
    near = far = Viewport.fitting(0, 10**9, 80)
    for _ in range(80):
        near, far = near.zoomed_in(500), far.zoomed_out(500)

    assert near.per_column == 1
    assert far.per_column == WIDEST
