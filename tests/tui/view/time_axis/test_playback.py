"""The play head, with a clock that is set by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncctx_trace_tui.view.time_axis.playback import SPEEDS, Playback

MS = 1_000_000


def test_it_plays_at_the_speed_of_the_program() -> None:
    """Ten ms of real time are ten ms of recorded time."""
    playback = Playback(0, 100 * MS)
    playback.play()
    playback.advance(1000 * MS)
    playback.advance(1010 * MS)

    assert playback.at == 10 * MS


def test_the_first_reading_of_the_clock_moves_nothing() -> None:
    """Whatever it shows, playing starts at the start."""
    playback = Playback(0, 100 * MS)
    playback.play()
    playback.advance(10**15)

    assert playback.at == 0


def test_time_that_passes_while_paused_does_not_count() -> None:
    """After a pause it continues where it stopped."""
    playback = Playback(0, 100 * MS)
    playback.play()
    playback.advance(0)
    playback.advance(10 * MS)
    playback.pause()
    playback.advance(60 * MS)
    playback.play()
    playback.advance(65 * MS)

    assert playback.at == 15 * MS


def test_it_stops_at_the_end_and_play_starts_again() -> None:
    """Play at the end starts from the beginning."""
    playback = Playback(0, 100 * MS)
    playback.play()
    playback.advance(0)
    playback.advance(500 * MS)

    assert (playback.at, playback.playing) == (100 * MS, False)
    playback.play()
    assert (playback.at, playback.playing) == (0, True)


def test_backwards_it_stops_at_the_start() -> None:
    """And play starts again from the end."""
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
    """At a hundredth of the speed, fractions of a ns add up over frames."""
    playback = Playback(0, 10**9, speed=0.01)
    playback.play()
    clock = 0
    playback.advance(clock)
    for frame in frames:
        clock += frame
        playback.advance(clock)

    assert abs(playback.at - clock * 0.01) <= 1


def test_following_stays_at_the_end_as_it_grows() -> None:
    """Live, the play head is at the latest time."""
    playback = Playback(0, 100)
    playback.follow()
    playback.extend(0, 250)

    assert playback.at == 250


def test_pausing_while_following_keeps_the_position() -> None:
    """The recording grows and the play head stays."""
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
def test_stepping_goes_to_the_nearest_event(times: list[int], at: int, by: int) -> None:
    """The first one after or the last one before; several at one time are one step."""
    playback = Playback(0, 1000)
    playback.go(at)
    stepped = playback.step(times, by)
    beyond = [time for time in times if (time > at if by > 0 else time < at)]

    assert stepped == bool(beyond)
    assert playback.at == ((min if by > 0 else max)(beyond) if beyond else at)


@pytest.mark.parametrize("speed", [1.0, 0.3, 7.5, 500.0])
def test_speed_keys_work_from_any_speed(speed: float) -> None:
    """A speed from the command line need not be in the table."""
    playback = Playback(speed=speed)
    playback.faster()
    faster = playback.speed
    for _ in SPEEDS:
        playback.slower()

    assert faster == next((each for each in SPEEDS if each > speed), SPEEDS[-1])
    assert playback.speed == SPEEDS[0]
