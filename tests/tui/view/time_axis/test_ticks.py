"""The time axis: round times with space for their labels."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncctx_trace_tui.view.time_axis.ticks import (
    clock,
    parse_clock,
    parse_time_of_day,
    ticks,
    time_of_day,
)
from asyncctx_trace_tui.view.time_axis.viewport import Viewport


@given(st.integers(0, 10**16), st.integers(1, 10**13), st.integers(20, 300), st.integers(0, 10**16))
def test_labels_never_touch(start: int, per_column: int, width: int, origin: int) -> None:
    """At every zoom, each label ends before the next tick."""
    shown = ticks(Viewport(start, per_column, width), origin)

    assert all(0 <= tick.column < width for tick in shown)
    for tick, following in pairwise(shown):
        assert tick.column + 1 + len(tick.label) < following.column


@pytest.mark.parametrize(
    ("ns", "precision", "words"),
    [
        (0, 10**9, "0s"),
        (2_500_000_000, 10**8, "2.5s"),
        (1, 1, "0.000000001s"),
        (-20_000_000, 10**7, "-0.02s"),
        (61 * 10**9, 10**9, "1:01"),
        (3_723_004_000_000, 10**6, "1:02:03.004"),
    ],
)
def test_times_are_formatted_as_people_write_them(ns: int, precision: int, words: str) -> None:
    """Seconds, then minutes, then hours; with the digits that the zoom can show."""
    assert clock(ns, precision) == words


def test_ticks_are_at_round_times_since_the_start() -> None:
    """Ten seconds in a hundred columns get a tick each second."""
    origin = 123_456_789
    shown = ticks(Viewport.fitting(origin, origin + 10 * 10**9, 100), origin)

    assert [tick.label for tick in shown] == [f"{second}s" for second in range(11)][: len(shown)]
    assert shown[0].column == 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1:20", 80), ("1:02:03.5", 3723.5), ("0:00.25", 0.25), ("90:00", 5400)],
)
def test_times_since_the_start_are_parsed(text: str, seconds: float) -> None:
    """As they are displayed."""
    assert parse_clock(text) == seconds * 10**9


@pytest.mark.parametrize(
    ("text", "seconds"), [("15:04", 54240), ("3:14:07", 11647), ("15:04:05.25", 54245.25)]
)
def test_times_of_day_are_parsed(text: str, seconds: float) -> None:
    """As they are displayed, and without seconds."""
    assert parse_time_of_day(text) == seconds * 10**9
    assert parse_time_of_day(time_of_day(int(seconds * 10**9))) == seconds * 10**9


@pytest.mark.parametrize("text", ["", "1:", ":1", "a:b", "1:2:3:4", "-1:20"])
def test_other_texts_are_not_times(text: str) -> None:
    """Neither since the start nor of a day."""
    assert parse_clock(text) is None
    assert parse_time_of_day(text) is None
