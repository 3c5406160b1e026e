"""The window in time: moves invert, slices touch, what must be in view is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asyncctx_trace_tui.view.viewport import WIDEST, Viewport

TIMES = st.integers(0, 10**18)
VIEWPORTS = st.builds(Viewport, TIMES, st.integers(1, 10**13), st.integers(1, 300))


@given(VIEWPORTS, st.integers(-1000, 1000))
def test_panning_back_inverts_panning(viewport: Viewport, columns: int) -> None:
    """Whoever goes right and then as far left sees what they saw."""

    assert viewport.panned(columns).panned(-columns) == viewport


@given(VIEWPORTS, st.integers(-50, 350), st.floats(0, 0.999))
def test_zooming_in_inverts_zooming_out(viewport: Viewport, column: int, within: float) -> None:
    """Out and in again, around any time in view or not, and nothing has crept sideways."""
    around = viewport.time_of(column) + int(within * viewport.per_column)

    assert viewport.zoomed_out(around).zoomed_in(around) == viewport


@given(VIEWPORTS, st.integers(0, 299), st.booleans())
def test_what_is_zoomed_around_stays_in_its_column(
    viewport: Viewport, column: int, closer: bool
) -> None:
    """The place that one looks at stays under the eye."""
    around = viewport.time_of(column % viewport.width) + viewport.per_column // 3
    zoomed = viewport.zoomed_in(around) if closer else viewport.zoomed_out(around)

    assert zoomed.column_of(around) == viewport.column_of(around)


@given(VIEWPORTS, st.integers(-10, 310))
def test_slices_touch_and_every_time_lies_in_its_own(viewport: Viewport, column: int) -> None:
    """No ns is lost between two columns, and none is shown twice."""
    first, last = viewport.time_of(column), viewport.time_of(column + 1) - 1

    assert viewport.column_of(first) == viewport.column_of(last) == column


@given(TIMES, st.integers(0, 10**15), st.integers(1, 300))
def test_fitting_shows_first_and_last(first: int, length: int, width: int) -> None:
    """All of it is in view, and with slices one ns shorter it would not be."""
    viewport = Viewport.fitting(first, first + length, width)

    assert viewport.shows(first)
    assert viewport.shows(first + length)
    assert (viewport.per_column - 1) * width <= length


@given(VIEWPORTS, TIMES, st.integers(0, 200))
def test_following_brings_a_time_into_view_by_whole_columns(
    viewport: Viewport, at: int, margin: int
) -> None:
    """The window goes after the play head and keeps its grid."""
    moved = viewport.following(at, margin)

    assert moved.shows(at)
    assert (moved.start - viewport.start) % viewport.per_column == 0
    assert moved.following(at, margin) == moved


@given(VIEWPORTS, TIMES, st.integers(0, 10**15))
def test_a_window_kept_near_shows_some_of_the_recording(
    viewport: Viewport, first: int, length: int
) -> None:
    """Panning cannot lose the recording out of sight."""
    kept = viewport.kept_near(first, first + length)

    assert kept.start <= first + length
    assert kept.end > first


def test_zoom_ends_at_one_ns_and_at_months() -> None:
    """There is a closest and a farthest view, and the keys stop there."""
    near = far = Viewport.fitting(0, 10**9, 80)
    for _ in range(80):
        near, far = near.zoomed_in(500), far.zoomed_out(500)

    assert near.per_column == 1
    assert far.per_column == WIDEST
