"""Many facts taken in at once make the same timeline as one by one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncctx_trace.analysis import numpy_choice
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.recording.batch import Batch
from asyncctx_trace.recording.reader import Recording
from asyncctx_trace.recording.writer import Recorder
from recording.builders import recorder

pytest.importorskip("numpy")

Move = tuple[int, str, int]
MOVES = st.lists(
    st.tuples(
        st.integers(1, 4),  # the task
        st.sampled_from(
            [
                "ask",
                "get in",
                "fail",
                "leave",
                "release",
                "over",
                "break",
                "look",
                "end",
                "say",
                "unmatched",
                "collect",
            ]
        ),
        st.integers(0, 5),  # which of its acquisitions, counted from the innermost
    ),
    max_size=120,
)


class Life:
    """Random tasks that live by the rules: each acquisition's facts come in their order."""

    def __init__(self, writer: Recorder) -> None:
        self.writer = writer
        self.at = 0
        self.asked = 0
        self.stages: dict[int, dict[int, str]] = {}

    def move(self, task: int, what: str, which: int) -> None:
        """Do ``what``, if the task is where it can."""
        self.at += 3
        writer, at = self.writer, self.at
        mine = self.stages.setdefault(task, {})
        if what == "ask":
            self.asked += 1
            mine[self.asked] = "waits"
            writer.enter_started(
                at, self.asked, next(iter(mine)) - 1, task, 1, task % 2 + 1, 1, which % 2
            )
        elif what == "end":
            writer.task_ended(at, task)
        elif what == "unmatched":
            writer.release_unmatched(at, task, 1, which)
        elif what == "collect" and self.asked:
            writer.collected(at, self.asked)
        elif what == "say":
            writer.printed(at - 1, "stdout", "hello")
        elif mine:
            one = list(mine)[-1 - which % len(mine)]
            match what, mine[one]:
                case "get in", "waits":
                    mine[one] = "holds"
                    writer.enter_ended(at, one, Outcome.OK, None)
                case "fail", "waits":
                    del mine[one]
                    writer.enter_ended(at, one, Outcome.CANCELLED, KeyError("gone"))
                case "leave", "holds":
                    mine[one] = "cleans"
                    writer.exit_started(at, one, 1 + which, Outcome.ERROR, ValueError("body"))
                case "release", "holds":
                    mine[one] = "cleans"
                    writer.exit_started(at, one, task, Outcome.OK, None, 1 + which)
                case "over", "cleans":
                    del mine[one]
                    writer.exit_ended(at, one, Outcome.OK, True, None, which % 4)
                case "break", "cleans":
                    del mine[one]
                    writer.exit_ended(at, one, Outcome.TIMED_OUT, False, TimeoutError())


def state(timeline: Timeline) -> dict[str, object]:
    return vars(timeline)


@settings(deadline=None)
@given(moves=MOVES)
def test_any_life_looks_the_same(
    tmp_path_factory: pytest.TempPathFactory, moves: list[Move]
) -> None:
    """In one look or in many, in order or not, with errors, in flight at the end."""
    path = tmp_path_factory.mktemp("life") / "a.actx"
    writer = recorder(path)
    writer.manager_defined(1, "asyncio.locks.Lock")
    life = Life(writer)
    one_by_one, at_once = Timeline(), Timeline()
    with Recording(path) as recording:

        def look() -> None:
            batch = recording.poll()
            one_by_one.extend(list(batch))
            in_bulk(at_once, batch)

        for task, what, which in moves:
            if what == "look":
                look()
            life.move(task, what, which)
        look()

    assert state(at_once) == state(one_by_one)


def in_bulk(timeline: Timeline, batch: Batch) -> None:
    if batch.records:
        assert timeline.extend_by_columns(batch)
    else:
        timeline.extend(batch)


def test_facts_that_are_not_whole_go_in_one_by_one(tmp_path: Path) -> None:
    """A fact twice, or one before its acquisition began: nothing a recorder would write."""
    path = tmp_path / "a.actx"
    writer = recorder(path)
    writer.enter_started(10, 1, 0, 1, 1, 1, 1)
    writer.enter_ended(20, 1, Outcome.OK, None)
    writer.enter_ended(30, 1, Outcome.OK, None)
    with Recording(path) as recording:
        batch = recording.poll()
    timeline = Timeline()

    assert not timeline.extend_by_columns(batch)
    assert len(timeline) == 0


def test_a_large_batch_takes_the_short_way_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the user sees no difference."""
    monkeypatch.setattr(numpy_choice, "NUMPY_FROM", 0)
    path = tmp_path / "a.actx"
    writer = recorder(path)
    life = Life(writer)
    for round in range(500):
        for what in ("ask", "get in", "leave", "over"):
            life.move(round % 4 + 1, what, 0)
    with Recording(path) as recording:
        batch = recording.poll()

    assert state(Timeline(batch)) == state(Timeline(list(batch)))
