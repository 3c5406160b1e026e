"""Answers about long recordings are computed on a background thread, live too."""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import Event

import pytest

from app.async_tests import async_test
from app.builders import MS, START, RecordingBuilder, three_workers
from app.driver import AppDriver, FakeProgram, open_app
from asyncctx_trace.analysis.contention.wait_tree import prepare_wait_trees
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.recording.reading.reader import Recording
from asyncctx_trace_tui.app.application import TraceApp
from asyncctx_trace_tui.app.background_thread import run_in_thread
from asyncctx_trace_tui.storage.app_settings import Settings
from asyncctx_trace_tui.view.results import answers as answers_module
from asyncctx_trace_tui.view.results.answers import Answers, frozen_copy

SECOND = 1000 * MS


@pytest.fixture(autouse=True)
def _every_recording_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers_module, "_AT_ONCE", 1)


def count_acquisitions(snapshot: Snapshot) -> int:
    """A question: the number of acquisitions so far."""
    return len(snapshot.timeline)


class GrowingTimeline:
    """A timeline that grows by one acquisition a second, with its answers."""

    def __init__(self, path: Path) -> None:
        self.builder = RecordingBuilder(path).task(1, "worker").resource(1, "lock")
        self.recording = Recording(path)
        self.timeline = Timeline()
        self.answers = Answers(self.timeline)
        self.seconds = 0
        self.advance(1)

    def advance(self, seconds: int) -> None:
        for _ in range(seconds):
            start = 1000 * self.seconds
            self.builder.acquisition(1, 1, *(start + ms for ms in (0, 100, 200, 300))).write()
            self.seconds += 1
        self.timeline.extend(self.recording.poll())
        self.answers.update(self.now, live=True, growing=True)

    @property
    def now(self) -> int:
        return START + self.seconds * SECOND

    def ask(self) -> int | None:
        """Ask the question, and run the jobs that are due at once."""
        asked = self.answers.ask(count_acquisitions)
        work = self.answers.next_job()
        if work is not None:
            work.run(lambda: True)
            self.answers.accept(work)
        return asked


def test_answers_about_a_growing_timeline_are_renewed(tmp_path: Path) -> None:
    """The first answer is ``None``; later ones are computed again every two seconds."""
    growing = GrowingTimeline(tmp_path / "x.actx")
    growing.advance(4)
    answers = []
    for _ in range(7):
        answers.append(growing.ask())
        growing.advance(1)

    assert answers == [None, 5, 5, 5, 8, 8, 8]


def test_slow_answers_are_computed_less_often(tmp_path: Path) -> None:
    """Three seconds of work are followed by six of rest; the last answer stays."""
    growing = GrowingTimeline(tmp_path / "x.actx")
    growing.answers.ask(count_acquisitions)
    growing.advance(1)
    growing.answers.ask(count_acquisitions)
    work = growing.answers.next_job()
    assert work is not None
    work.run(lambda: True)
    growing.advance(3)
    nothing_besides = growing.answers.next_job()
    growing.answers.accept(work)
    begun = []
    for _ in range(8):
        growing.advance(1)
        assert growing.answers.ask(count_acquisitions) == 2
        begun.append(growing.answers.next_job() is not None)

    assert nothing_besides is None
    assert begun == [False] * 6 + [True, False]


def test_answers_that_nobody_asks_for_are_not_computed_again(tmp_path: Path) -> None:
    """Ten seconds after the last question, no more jobs are created."""
    growing = GrowingTimeline(tmp_path / "x.actx")
    growing.advance(1)
    growing.ask()
    growing.advance(20)

    assert growing.answers.next_job() is None


def test_answers_while_a_recording_is_read_are_about_a_copy(tmp_path: Path) -> None:
    """A finished recording grows as well while it is read."""
    growing = GrowingTimeline(tmp_path / "x.actx")
    growing.advance(1)
    growing.answers.update(growing.now, live=False, growing=True)
    growing.answers.ask(count_acquisitions)
    while_read = growing.answers.next_job()
    assert while_read is not None
    growing.answers.accept(while_read)
    growing.answers.update(growing.now, live=False, growing=False)
    growing.answers.ask(count_acquisitions)
    finished = growing.answers.next_job()
    assert finished is not None

    assert while_read.snapshot.timeline is not growing.timeline
    assert finished.snapshot.timeline is growing.timeline


@async_test
async def test_no_answer_is_computed_before_the_recording_is_read(tmp_path: Path) -> None:
    """However fast its first part is read."""
    builder = RecordingBuilder(tmp_path / "x.actx").task(1, "worker").resource(1, "lock")
    for number in range(3000):
        builder.acquisition(1, 1, *(4 * number + part for part in range(4)))
    path = builder.end(12_000)
    app = TraceApp(path, clock=lambda: START, settings=Settings())
    async with app.run_test() as pilot:
        app.state.answer(count_acquisitions)
        begun_with = len(app.state.timeline) if not app.state.loading else 3000
        while app.state.loading:
            app.tick()
            await pilot.pause()

        assert begun_with == 3000
        assert len(app.state.timeline) == 3000


def test_a_copy_does_not_grow(tmp_path: Path) -> None:
    """Acquisitions in flight in it do not end either."""
    builder = three_workers(tmp_path / "x.actx").write()
    recording = Recording(builder.path)
    timeline = Timeline(recording.poll())
    copied = frozen_copy(timeline)
    before = [copied.acquisition(row) for row in range(len(copied))], list(copied.facts)
    builder.acquisition(1, 1, 400, 401, 402, 403).printed(404, "late").task(9, "late", 404).write()
    timeline.extend(recording.poll())
    after = [copied.acquisition(row) for row in range(len(copied))], list(copied.facts)

    assert len(timeline) == 4
    assert (after, len(copied.printed), 9 in copied.tasks) == (before, 2, False)
    assert sum(map(len, copied.rows_of_task.values())) == 3


def test_a_copy_has_its_own_open_acquisitions(tmp_path: Path) -> None:
    """What starts later is not open in it."""
    builder = three_workers(tmp_path / "x.actx").acquisition(1, 1, 302, 303).write()
    recording = Recording(builder.path)
    timeline = Timeline(recording.poll())
    copied = frozen_copy(timeline)
    before = list(copied.open.rows)
    builder.acquisition(2, 1, 304).write()
    timeline.extend(recording.poll())

    assert list(copied.open.rows) == before == [3]
    assert list(timeline.open.rows) == [3, 4]


def held_at_the_end(snapshot: Snapshot) -> list[int]:
    """A question: the rows that task 1 holds now."""
    return snapshot.held_by(1, snapshot.now)


def test_answers_about_a_short_growing_timeline_are_of_one_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them are about the same acquisitions until they are renewed two seconds later."""
    monkeypatch.setattr(answers_module, "_AT_ONCE", 20_000)
    growing = GrowingTimeline(tmp_path / "x.actx")
    counts, held = [], []
    for _ in range(5):
        counts.append(growing.answers.ask(count_acquisitions))
        growing.advance(1)
        held.append(growing.answers.ask(held_at_the_end))

    assert counts == [1, 1, 1, 4, 4]
    assert held == [[]] * 5
    assert growing.answers.as_of == START + 4 * SECOND


@async_test
async def test_every_view_is_shown_while_a_short_program_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program goes on between a view and the next one; the play head follows it."""
    monkeypatch.setattr(answers_module, "_AT_ONCE", 20_000)
    builder = RecordingBuilder(tmp_path / "x.actx").resource(1, "db lock").task(1, "worker")
    builder.acquisition(1, 1, 0, 1).write()
    async with open_app(builder.path, ms=500, program=FakeProgram()) as driver:
        seen = {}
        for number, key in enumerate("1234567e4", 1):
            builder.task(number + 1, f"worker-{number}", 500 + 100 * number)
            builder.acquisition(number + 1, 1, 500 + 100 * number, 501 + 100 * number).write()
            await driver.settle(510 + 100 * number)
            await driver.press(key)
            seen[key] = driver.text

        assert "Open in worker, innermost first" in seen["4"]
        assert "db lock" in seen["4"]


@async_test
async def test_an_acquisition_that_is_newer_than_the_answers_has_no_arrow_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is selected while the program runs on; who let it in is known two seconds later."""
    monkeypatch.setattr(answers_module, "_AT_ONCE", 20_000)
    builder = RecordingBuilder(tmp_path / "x.actx").resource(1, "db lock")
    builder.task(1, "anna").task(2, "bert").acquisition(1, 1, 0, 1, 90, 91).write()
    async with open_app(builder.path, ms=100, program=FakeProgram()) as driver:
        await driver.press("space")
        builder.acquisition(2, 1, 100, 101, 190, 191).acquisition(1, 1, 110, 192).write()
        shown = []
        for ms in (300, 4_000):
            await driver.settle(ms)
            await driver.press("end", "space")
            driver.app.state.select_row(2)
            await driver.settle()
            shown.append("▲" in driver.text)

        assert shown == [False, True]


async def compute_answers(driver: AppDriver) -> None:
    """Compute all answers that are asked for, and show them."""
    await driver.settle()
    await driver.app.workers.wait_for_complete()
    await driver.settle()


@async_test
async def test_a_long_recording_is_analyzed_on_a_thread(tmp_path: Path) -> None:
    """There is no answer at first; once the thread has it, the view shows it."""
    async with open_app(three_workers(tmp_path / "x.actx").end(320)) as driver:
        await driver.settle(60)
        await driver.press("space", "down", "down")
        first = driver.app.state.answer(prepare_wait_trees)
        await driver.press("3")
        await compute_answers(driver)

        assert first is None
        assert "└─ worker-1 holds `db lock` for 60.0 ms" in driver.text
        assert "as of" not in driver.text


@async_test
async def test_a_deadlock_is_shown_while_a_long_program_runs(tmp_path: Path) -> None:
    """The view shows the age of its answer, and later events with the next one."""
    builder = RecordingBuilder(tmp_path / "x.actx").resource(1, "left").resource(2, "right")
    builder.task(1, "anna").task(2, "bert").acquisition(1, 1, 0, 1).acquisition(2, 2, 0, 1).write()
    async with open_app(builder.path, ms=500, program=FakeProgram()) as driver:
        await driver.press("3")
        await compute_answers(driver)
        before = driver.text
        builder.acquisition(1, 2, 1000).acquisition(2, 1, 1010).write()
        await driver.settle(1100)
        not_yet = driver.text
        await driver.settle(4000)
        await compute_answers(driver)

        assert "no task waits at the play head" in before
        assert "as of 0.5s" in before
        assert "no task waits at the play head" in not_yet
        assert "deadlock, the cycle closes" in driver.text
        assert "as of 4.0s" in driver.text


@async_test
async def test_every_view_answers_while_a_long_program_runs(tmp_path: Path) -> None:
    """No view waits until the program has ended."""
    builder = three_workers(tmp_path / "x.actx").write()
    async with open_app(builder.path, (120, 36), ms=320, program=FakeProgram()) as driver:
        seen = {}
        for key in "2346":
            await driver.press(key)
            await compute_answers(driver)
            seen[key] = driver.text

        assert all("computing" not in text for text in seen.values())
        assert "█" in next(line for line in seen["2"].splitlines() if "1 of 1" in line)
        assert "no task waits at the play head" in seen["3"]
        assert "1  0.100s  db lock  in 1.00 ms" in seen["4"]
        assert "db lock" in seen["6"].split("Resources · table")[1].split("At the play head")[0]


def test_quitting_does_not_wait_for_running_jobs() -> None:
    """The event loop ends at once, while the job still runs."""
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


def test_errors_on_the_background_thread_are_raised_to_the_caller() -> None:
    """As if the function had been called directly."""
    with pytest.raises(ZeroDivisionError):
        asyncio.run(run_in_thread(lambda: 1 // 0))
