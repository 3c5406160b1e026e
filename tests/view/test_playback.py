"""The play head, by a clock that is set by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncctx_trace_tui.view.playback import SPEEDS, Playback

MS = 1_000_000


def test_it_plays_as_fast_as_it_happened() -> None:
    """Ten ms of real time are ten ms of recorded time."""
    playback = Playback(0, 100 * MS)
    playback.play()
    playback.advance(1000 * MS)
    playback.advance(1010 * MS)

    assert playback.at == 10 * MS


def test_the_first_look_at_the_clock_moves_nothing() -> None:
    """However long ago the clock began, playing starts at the start."""
    playback = Playback(0, 100 * MS)
    playback.play()
    playback.advance(10**15)

    assert playback.at == 0


def test_time_that_passed_while_it_stood_does_not_count() -> None:
    """After a pause it goes on where it stopped."""
    playback = Playback(0, 100 * MS)
    playback.play()
    playback.advance(0)
    playback.advance(10 * MS)
    playback.pause()
    playback.advance(60 * MS)
    playback.play()
    playback.advance(65 * MS)

    assert playback.at == 15 * MS


def test_it_stops_at_the_end_and_begins_anew_from_there() -> None:
    """Play at the end means: once more."""
    playback = Playback(0, 100 * MS)
    playback.play()
    playback.advance(0)
    playback.advance(500 * MS)

    assert (playback.at, playback.playing) == (100 * MS, False)
    playback.play()
    assert (playback.at, playback.playing) == (0, True)


def test_backwards_it_stops_at_the_start() -> None:
    """Everything goes backwards as well."""
    playback = Playback(0, 100 * MS)
    playback.go(50 * MS)
    playback.reverse()
    playback.play()
    playback.advance(0)
    playback.advance(20 * MS)

    assert playback.at == 30 * MS
    playback.advance(90 * MS)
    assert (playback.at, playback.playing) == (0, False)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_slow_motion_loses_nothing_between_frames(frames: list[int]) -> None:
    """A hundredth of the speed moves a ns only in some of the frames, and adds up all the same."""
    playback = Playback(0, 10**9, speed=0.01)
    playback.play()
    clock = 0
    playback.advance(clock)
    for frame in frames:
        clock += frame
        playback.advance(clock)

    assert abs(playback.at - clock * 0.01) <= 1


def test_following_stays_at_the_end_as_it_grows() -> None:
    """Live, the play head is where the program is."""
    playback = Playback(0, 100)
    playback.follow()
    playback.extend(0, 250)

    assert playback.at == 250


def test_letting_go_of_the_program_stays_where_it_was() -> None:
    """After a pause the recording grows and the play head stands."""
    playback = Playback(0, 100)
    playback.follow()
    playback.toggle()
    playback.extend(0, 250)
    playback.advance(1)

    assert playback.at == 100
    playback.toggle()
    assert playback.playing
    assert not playback.following


@given(
    st.lists(st.integers(0, 1000), max_size=40).map(sorted),
    st.integers(0, 1000),
    st.sampled_from([-1, 1]),
)
def test_stepping_goes_to_the_nearest_other_fact(times: list[int], at: int, by: int) -> None:
    """Next is the first after, previous the last before; several at one time are one step."""
    playback = Playback(0, 1000)
    playback.go(at)
    found = playback.step(times, by)
    beyond = [time for time in times if (time > at if by > 0 else time < at)]

    assert found == bool(beyond)
    assert playback.at == ((min if by > 0 else max)(beyond) if beyond else at)


@pytest.mark.parametrize("speed", [1.0, 0.3, 7.5, 500.0])
def test_the_speed_keys_go_through_the_table_from_anywhere(speed: float) -> None:
    """A speed from the command line need not be one of the table's."""
    playback = Playback(speed=speed)
    playback.faster()
    faster = playback.speed
    for _ in SPEEDS:
        playback.slower()

    assert faster == next((each for each in SPEEDS if each > speed), SPEEDS[-1])
    assert playback.speed == SPEEDS[0]
