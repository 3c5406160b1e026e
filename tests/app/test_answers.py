"""A long recording: what takes time is worked out aside, also while the program still runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import Event

import pytest

from app.loops import in_a_loop
from app.screens import FakeProgram, Stage, staged
from app.stories import MS, START, Story, three_workers
from asyncctx_trace.analysis.contention.wait_tree import prepare_wait_trees
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.recording.reader import Recording
from asyncctx_trace_tui.app.application import TraceApp
from asyncctx_trace_tui.app.background_thread import run_in_thread
from asyncctx_trace_tui.storage.app_settings import Settings
from asyncctx_trace_tui.view import answers as answers_module
from asyncctx_trace_tui.view.answers import Answers, frozen_copy

SECOND = 1000 * MS


@pytest.fixture(autouse=True)
def _every_recording_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers_module, "_AT_ONCE", 1)


def how_many(snapshot: Snapshot) -> int:
    """A question: acquisitions so far."""
    return len(snapshot.timeline)


class Growing:
    """A timeline that grows by one acquisition a second, and what is answered of it."""

    def __init__(self, path: Path) -> None:
        self.story = Story(path).task(1, "worker").resource(1, "lock")
        self.recording = Recording(path)
        self.timeline = Timeline()
        self.answers = Answers(self.timeline)
        self.seconds = 0
        self.go_on(1)

    def go_on(self, seconds: int) -> None:
        for _ in range(seconds):
            start = 1000 * self.seconds
            self.story.pass_(1, 1, *(start + ms for ms in (0, 100, 200, 300))).tell()
            self.seconds += 1
        self.timeline.extend(self.recording.poll())
        self.answers.update(self.now, live=True, growing=True)

    @property
    def now(self) -> int:
        return START + self.seconds * SECOND

    def read(self) -> int | None:
        """Ask, and have at once done what there is to do."""
        asked = self.answers.ask(how_many)
        work = self.answers.next_job()
        if work is not None:
            work.run(lambda: True)
            self.answers.accept(work)
        return asked


def test_what_is_said_of_a_growing_timeline_is_renewed(tmp_path: Path) -> None:
    """First nothing, then how it stood when it was looked at; every two seconds anew."""
    growing = Growing(tmp_path / "x.actx")
    growing.go_on(4)
    said = []
    for _ in range(7):
        said.append(growing.read())
        growing.go_on(1)

    assert said == [None, 5, 5, 5, 8, 8, 8]


def test_the_longer_a_look_takes_the_rarer_it_is(tmp_path: Path) -> None:
    """After three seconds of work there are six of rest; meanwhile the last answer stands."""
    growing = Growing(tmp_path / "x.actx")
    growing.answers.ask(how_many)
    growing.go_on(1)
    growing.answers.ask(how_many)
    work = growing.answers.next_job()
    assert work is not None
    work.run(lambda: True)
    growing.go_on(3)
    nothing_besides = growing.answers.next_job()
    growing.answers.accept(work)
    begun = []
    for _ in range(8):
        growing.go_on(1)
        assert growing.answers.ask(how_many) == 2
        begun.append(growing.answers.next_job() is not None)

    assert nothing_besides is None
    assert begun == [False] * 6 + [True, False]


def test_what_nobody_asks_any_more_is_not_worked_out_again(tmp_path: Path) -> None:
    """Ten seconds after the last question the timeline is left alone."""
    growing = Growing(tmp_path / "x.actx")
    growing.go_on(1)
    growing.read()
    growing.go_on(20)

    assert growing.answers.next_job() is None


def test_what_is_still_read_is_looked_into_as_it_stood(tmp_path: Path) -> None:
    """A recording that nobody writes any more grows as well, while it is opened."""
    growing = Growing(tmp_path / "x.actx")
    growing.go_on(1)
    growing.answers.update(growing.now, live=False, growing=True)
    growing.answers.ask(how_many)
    while_read = growing.answers.next_job()
    assert while_read is not None
    growing.answers.accept(while_read)
    growing.answers.update(growing.now, live=False, growing=False)
    growing.answers.ask(how_many)
    read = growing.answers.next_job()
    assert read is not None

    assert while_read.snapshot.timeline is not growing.timeline
    assert read.snapshot.timeline is growing.timeline


@in_a_loop
async def test_nothing_is_asked_of_a_recording_before_all_of_it_is_read(tmp_path: Path) -> None:
    """However fast its first part came."""
    story = Story(tmp_path / "x.actx").task(1, "worker").resource(1, "lock")
    for number in range(3000):
        story.pass_(1, 1, *(4 * number + part for part in range(4)))
    path = story.end(12_000)
    app = TraceApp(path, clock=lambda: START, settings=Settings())
    async with app.run_test() as pilot:
        app.state.answer(how_many)
        begun_with = len(app.state.timeline) if not app.state.loading else 3000
        while app.state.loading:
            app.tick()
            await pilot.pause()

        assert begun_with == 3000
        assert len(app.state.timeline) == 3000


def test_a_copy_does_not_grow(tmp_path: Path) -> None:
    """Nor do acquisitions in flight in it come to an end."""
    story = three_workers(tmp_path / "x.actx").tell()
    recording = Recording(story.path)
    timeline = Timeline(recording.poll())
    copied = frozen_copy(timeline)
    before = [copied.acquisition(row) for row in range(len(copied))], list(copied.facts)
    story.pass_(1, 1, 400, 401, 402, 403).printed(404, "late").task(9, "late", 404).tell()
    timeline.extend(recording.poll())
    after = [copied.acquisition(row) for row in range(len(copied))], list(copied.facts)

    assert len(timeline) == 4
    assert (after, len(copied.printed), 9 in copied.tasks) == (before, 2, False)
    assert sum(map(len, copied.rows_of_task.values())) == 3


async def looked_into(stage: Stage) -> None:
    """Have all that is asked for worked out and shown."""
    await stage.settle()
    await stage.app.workers.wait_for_complete()
    await stage.settle()


@in_a_loop
async def test_a_long_finished_recording_is_looked_into_aside(tmp_path: Path) -> None:
    """At first there is no answer; the thread brings it; the view then shows it."""
    async with staged(three_workers(tmp_path / "x.actx").end(320)) as stage:
        await stage.settle(60)
        await stage.press("space", "down", "down")
        first = stage.app.state.answer(prepare_wait_trees)
        await stage.press("3")
        await looked_into(stage)

        assert first is None
        assert "└─ worker-1 holds `db lock` for 60.0 ms" in stage.text
        assert "as of" not in stage.text


@in_a_loop
async def test_a_deadlock_is_seen_while_a_long_program_runs(tmp_path: Path) -> None:
    """The view says as of when; what comes later shows with the next look."""
    story = Story(tmp_path / "x.actx").resource(1, "left").resource(2, "right")
    story.task(1, "anna").task(2, "bert").pass_(1, 1, 0, 1).pass_(2, 2, 0, 1).tell()
    async with staged(story.path, ms=500, program=FakeProgram()) as stage:
        await stage.press("3")
        await looked_into(stage)
        before = stage.text
        story.pass_(1, 2, 1000).pass_(2, 1, 1010).tell()
        await stage.settle(1100)
        not_yet = stage.text
        await stage.settle(4000)
        await looked_into(stage)

        assert "anna does not wait" in before
        assert "as of 0.5s" in before
        assert "anna does not wait" in not_yet
        assert "deadlock, the cycle closes" in stage.text
        assert "as of 4.0s" in stage.text


@in_a_loop
async def test_every_view_answers_while_a_long_program_runs(tmp_path: Path) -> None:
    """None of them puts its viewer off until the end."""
    story = three_workers(tmp_path / "x.actx").tell()
    async with staged(story.path, (120, 36), ms=320, program=FakeProgram()) as stage:
        seen = {}
        for key in "2346":
            await stage.press(key)
            await looked_into(stage)
            seen[key] = stage.text

        assert all("computing" not in text for text in seen.values())
        assert "█" in next(line for line in seen["2"].splitlines() if "1 of 1" in line)
        assert "worker-1 does not wait" in seen["3"]
        assert "1  0.100s  db lock  in 1.00 ms" in seen["4"]
        assert "db lock" in seen["6"].split("Resources · table")[1].split("At the play head")[0]


def test_who_leaves_does_not_wait_for_work_that_goes_on() -> None:
    """The loop ends at once, with the work still under way."""
    going_on, over = Event(), Event()

    def work() -> None:
        going_on.set()
        over.wait()

    async def leave() -> None:
        task = asyncio.create_task(run_in_thread(work))
        await asyncio.to_thread(going_on.wait)
        task.cancel()

    asyncio.run(leave())
    over.set()

    assert going_on.is_set()


def test_what_goes_wrong_aside_is_raised_to_who_waits() -> None:
    """As if it had been called."""
    with pytest.raises(ZeroDivisionError):
        asyncio.run(run_in_thread(lambda: 1 // 0))
