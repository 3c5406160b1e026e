"""Acquisitions of one task that do not nest: which depth of its stack each one has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.recording.reading.reader import Recording
from asyncctx_trace.recording.writing.writer import Recorder
from recording.builders import recorder

TASK = 1

Read = Callable[[Path], Timeline]


def read_event_by_event(path: Path) -> Timeline:
    """Read a recording without numpy."""
    with Recording(path) as recording:
        return Timeline(list(recording.poll()))


def read_by_columns(path: Path) -> Timeline:
    """Read a recording with numpy, which must not refuse it."""
    pytest.importorskip("numpy")
    timeline = Timeline()
    with Recording(path) as recording:
        assert timeline.extend_by_columns(recording.poll())
    return timeline


@pytest.fixture(params=[read_event_by_event, read_by_columns])
def read(request: pytest.FixtureRequest) -> Read:
    """Each of the two ways to read a recording."""
    return request.param  # type: ignore[no-any-return]  # one of the two functions


class Program:
    """One task whose acquisitions start and end in the given order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer: Recorder = recorder(path)
        self._now = 0

    def enter(self, acquisition: int) -> None:
        """Enter successfully."""
        self._writer.enter_started(self._tick(), acquisition, 0, TASK, 1, 1, 1)
        self._writer.enter_ended(self._tick(), acquisition, Outcome.OK, None)

    def fail_to_enter(self, acquisition: int) -> None:
        """Try to enter, and be cancelled."""
        self._writer.enter_started(self._tick(), acquisition, 0, TASK, 1, 1, 1)
        self._writer.enter_ended(self._tick(), acquisition, Outcome.CANCELLED, None)

    def exit(self, acquisition: int) -> None:
        """Exit successfully."""
        self._writer.exit_started(self._tick(), acquisition, TASK, Outcome.OK, None)
        self._writer.exit_ended(self._tick(), acquisition, Outcome.OK, False, None)

    def _tick(self) -> int:
        self._now += 1
        return self._now


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A program whose recording is empty."""
    return Program(tmp_path / "run.actx")


def test_nested_acquisitions_use_the_depths_again(program: Program, read: Read) -> None:
    """The last one entered is the first one left."""
    program.enter(1)
    program.enter(2)
    program.exit(2)
    program.enter(3)
    program.exit(3)
    program.exit(1)
    program.enter(4)

    assert list(read(program.path).depth) == [0, 1, 1, 0]


def test_the_depth_of_the_first_one_stays_free_while_the_second_is_open(
    program: Program, read: Read
) -> None:
    """They overlap: the first one ends below the second, and the third starts on top of it."""
    program.enter(1)
    program.enter(2)
    program.exit(1)
    program.enter(3)

    timeline = read(program.path)

    assert list(timeline.depth) == [0, 1, 2]
    assert timeline.in_flight == [1, 2]


def test_free_depths_are_used_again_when_all_above_have_ended(program: Program, read: Read) -> None:
    """The end of the topmost one frees the depths below it that were left before."""
    program.enter(1)
    program.enter(2)
    program.enter(3)
    program.exit(1)
    program.exit(2)
    program.exit(3)
    program.enter(4)

    assert list(read(program.path).depth) == [0, 1, 2, 0]


def test_only_the_free_depths_at_the_top_are_used_again(program: Program, read: Read) -> None:
    """The second one is still open, so that the fourth gets the depth above it."""
    program.enter(1)
    program.enter(2)
    program.enter(3)
    program.exit(1)
    program.exit(3)
    program.enter(4)

    timeline = read(program.path)

    assert list(timeline.depth) == [0, 1, 2, 2]
    assert timeline.in_flight == [1, 3]


def test_a_failed_enter_frees_its_depth(program: Program, read: Read) -> None:
    """It never held anything."""
    program.enter(1)
    program.fail_to_enter(2)
    program.enter(3)

    assert list(read(program.path).depth) == [0, 1, 1]


def test_the_overlap_may_reach_into_the_next_batch(program: Program) -> None:
    """With numpy: what was open before a batch ends in it, in the order of entering."""
    pytest.importorskip("numpy")
    timeline = Timeline()
    with Recording(program.path) as recording:
        program.enter(1)
        program.enter(2)
        assert timeline.extend_by_columns(recording.poll())
        program.exit(1)
        program.enter(3)
        assert timeline.extend_by_columns(recording.poll())
        program.exit(2)
        program.exit(3)
        program.enter(4)
        assert timeline.extend_by_columns(recording.poll())

    assert list(timeline.depth) == [0, 1, 2, 0]
    assert timeline.in_flight == [3]


def test_depths_left_free_by_an_earlier_batch_are_used_again(program: Program) -> None:
    """With numpy: the second one ended below the third, which ends in the next batch."""
    pytest.importorskip("numpy")
    timeline = Timeline()
    with Recording(program.path) as recording:
        program.enter(1)
        program.enter(2)
        program.enter(3)
        program.exit(2)
        assert timeline.extend_by_columns(recording.poll())
        program.exit(3)
        program.enter(4)
        program.exit(4)
        assert timeline.extend_by_columns(recording.poll())

    assert list(timeline.depth) == [0, 1, 2, 1]


def test_a_start_that_retention_repeats_is_the_same_acquisition(program: Program) -> None:
    """A recording repeats what is open when it recycles a segment."""
    program.enter(1)
    program.enter(1)
    program.enter(2)

    assert list(read_event_by_event(program.path).depth) == [0, 1]
