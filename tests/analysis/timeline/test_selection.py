"""What was going on between two moments, picked fact by fact or all records at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.timeline.test_numpy_ingest import MOVES, Life, Move
from asyncctx_trace.analysis import kernels
from asyncctx_trace.analysis.timeline.selection import Piece, between
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.recording.reader import Recording
from recording.builders import recorder

MOMENTS = st.none() | st.integers(0, 400)


def lived(path: Path, moves: list[Move]) -> list[Piece]:
    """What each look at some random tasks brings."""
    writer = recorder(path)
    writer.manager_defined(1, "asyncio.locks.Lock")
    writer.resource_defined(1, "lock", "lock", 1)
    life = Life(writer)
    pieces: list[Piece] = []
    with Recording(path) as recording:
        for task, what, which in moves:
            if what == "look":
                pieces.append(recording.poll())
                writer.task_defined(life.at, task, f"task {task}", "asyncio", 0, "MainThread")
            life.move(task, what, which)
        return [*pieces, recording.poll()]


@settings(deadline=None)
@given(moves=MOVES, since=MOMENTS, until=MOMENTS)
def test_all_at_once_is_what_one_by_one_is(
    tmp_path_factory: pytest.TempPathFactory,
    moves: list[Move],
    since: int | None,
    until: int | None,
) -> None:
    """Whatever the tasks did, wherever it is cut, in however many pieces it is read."""
    pytest.importorskip("numpy")
    pieces = lived(tmp_path_factory.mktemp("life") / "a.actx", moves)
    at_once, more = between(pieces, since, until)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(kernels, "there", lambda: False)
        one_by_one, more_one_by_one = between(pieces, since, until)

    assert vars(at_once) == vars(one_by_one)
    assert more == more_one_by_one


@settings(deadline=None)
@given(moves=MOVES, since=st.integers(0, 400), until=st.integers(0, 400))
def test_left_out_is_what_was_over_before_and_what_came_later(
    tmp_path_factory: pytest.TempPathFactory, moves: list[Move], since: int, until: int
) -> None:
    """And nothing else: who was inside at the end is still inside."""
    pieces = lived(tmp_path_factory.mktemp("life") / "a.actx", moves)
    whole = Timeline()
    for piece in pieces:
        whole.extend(piece)
    start = whole.start or 0
    first, last = start + since, start + until
    part, more = between(pieces, since, until)
    by_time, _ = between(pieces, None, None, since_at=first, until_at=last)
    assert vars(by_time) == vars(part)

    def over(row: int) -> bool:
        ended = whole.exit_ended[row] if whole.entered(row) else whole.enter_ended[row]
        return NOT_YET < ended < first and ended <= last

    begun = [row for row, at in enumerate(whole.enter_started) if at <= last]
    assert list(part.id) == [whole.id[row] for row in begun if not over(row)]
    assert all(at <= last for column in part.times for at in column)
    assert more == (last < (whole.end or 0))
