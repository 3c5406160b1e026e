"""The app under a pilot: what the screen shows, and what keys do."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from textual.widgets import Tooltip

from app.async_tests import async_test
from app.builders import MS, START, RecordingBuilder, three_workers
from app.driver import FakeProgram, open_app
from asyncctx_trace.errors import NotARecording
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.recording.reading.reader import Recording
from asyncctx_trace.recording.writing.retention import Retention
from asyncctx_trace.recording.writing.ring import LiveSet, RingRecorder
from asyncctx_trace.recording.writing.segments import create
from asyncctx_trace_tui.app import ring_turnover
from asyncctx_trace_tui.app.application import TraceApp
from asyncctx_trace_tui.app.widgets.panes.narration_panel import Sentences
from asyncctx_trace_tui.run.launcher import Program
from asyncctx_trace_tui.storage.app_settings import Settings
from asyncctx_trace_tui.view.state import ViewState


@pytest.fixture
def workers(tmp_path: Path) -> Path:
    """Return the finished recording of three workers at one lock."""
    return three_workers(tmp_path / "x.actx").end(320)


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
@async_test
async def test_lanes_narration_output_and_keys_are_on_the_screen(
    workers: Path, size: tuple[int, int]
) -> None:
    """At each size: a lane per task, holders and waiters, the output, the keys."""
    async with open_app(workers, size) as driver:
        await driver.settle(60)
        await driver.press("space")

        assert "░" in driver.lane("worker-2")
        assert "█" in driver.lane("worker-1")
        assert "worker-1 holds `db lock` for 60.0 ms · worker-2, " in driver.text
        assert "first line" in driver.text
        assert "exit code 0" in driver.text
        assert "q Quit" in driver.lines[-1]
        assert all(len(line) == size[0] for line in driver.lines)


@async_test
async def test_a_replay_plays_from_the_start_at_its_speed(workers: Path) -> None:
    """Ten times slower than the program ran."""
    async with open_app(workers, speed=0.1) as driver:
        assert driver.at == 0
        await driver.settle(1000)

        assert driver.at == 100


@async_test
async def test_space_pauses_and_resumes(workers: Path) -> None:
    """While it is paused, real time passes without effect."""
    async with open_app(workers) as driver:
        await driver.settle(50)
        await driver.press("space")
        await driver.settle(100)
        stood = driver.at
        await driver.press("space")
        await driver.settle(130)

        assert (stood, driver.at) == (50, 80)


@async_test
async def test_full_stop_and_comma_step_through_the_events(workers: Path) -> None:
    """Forward and back again, with a sentence for each event."""
    async with open_app(workers) as driver:
        await driver.press("space")
        forward = []
        for _ in range(5):
            await driver.press("full_stop")
            forward.append(driver.at)
        shown = driver.text
        await driver.press("comma")
        back = driver.at

        assert forward == [10, 20, 50, 100, 101]
        assert "worker-1 has cleaned up `db lock` in 1.00 ms" in shown
        assert "worker-2 gets `db lock` after 91.0 ms" in shown
        assert back == 100


@async_test
async def test_arrows_move_by_columns_g_and_end_to_the_ends(workers: Path) -> None:
    """The play head stays where it was moved."""
    async with open_app(workers) as driver:
        await driver.press("space", "right", "right", "right", "left")
        column = driver.app.state.viewport.per_column / 1e6
        moved = driver.at
        await driver.press("end")
        end = driver.at
        await driver.press("g")

        assert moved == pytest.approx(2 * column, rel=1e-6)
        assert (end, driver.at) == (320, 0)


@async_test
async def test_plus_and_minus_zoom_around_the_play_head(workers: Path) -> None:
    """The play head stays in its column."""
    async with open_app(workers) as driver:
        await driver.press("space", *["full_stop"] * 4)
        before = driver.app.state.viewport
        await driver.press("plus", "plus")
        near = driver.app.state.viewport
        await driver.press("minus", "minus")
        at = driver.app.state.playback.at

        assert near.per_column == before.per_column // 4
        assert near.column_of(at) == before.column_of(at)
        assert driver.app.state.viewport.column_of(at) == before.column_of(at)


@async_test
async def test_brackets_change_the_speed(workers: Path) -> None:
    """The title shows the speed."""
    async with open_app(workers) as driver:
        await driver.press("right_square_bracket", "right_square_bracket")
        fast = driver.lines[0]
        await driver.press(*["left_square_bracket"] * 4)

        assert "×5" in fast
        assert "×0.2" in driver.lines[0]


@async_test
async def test_bars_in_flight_grow_while_the_program_runs(tmp_path: Path) -> None:
    """The bar of a holder that has not released reaches to now."""
    builder = RecordingBuilder(tmp_path / "x.actx").task(1, "worker-1").resource(1, "db lock")
    builder.acquisition(1, 1, 0, 1000).write()
    async with open_app(builder.path, ms=2000, program=FakeProgram()) as driver:
        short = driver.lane("worker-1").count("█")
        await driver.settle(5000)
        long = driver.lane("worker-1").count("█")

        assert 0 < short < long
        assert "live" in driver.lines[0]
        assert "running" in driver.lines[0]
        assert "worker-1 holds `db lock` for 4.00 s" in driver.text


@async_test
async def test_new_events_are_shown_and_the_viewport_follows(tmp_path: Path) -> None:
    """A new task gets a lane; after ten seconds the viewport scrolls."""
    builder = RecordingBuilder(tmp_path / "x.actx").task(1, "early").resource(1, "db lock")
    builder.acquisition(1, 1, 0, 1, 2, 3).write()
    async with open_app(builder.path, ms=100, program=FakeProgram()) as driver:
        builder.task(2, "late", at=14_000).acquisition(2, 1, 14_000, 14_001).write()
        await driver.settle(15_000)
        head = driver.app.state.viewport.column_of(driver.app.state.playback.at)

        assert "█" in driver.lane("late")
        assert 0 <= head < driver.app.state.viewport.width


@async_test
async def test_the_end_of_the_program_is_shown(tmp_path: Path) -> None:
    """The title shows the exit code as soon as it is known."""
    program = FakeProgram()
    builder = RecordingBuilder(tmp_path / "x.actx").task(1, "worker-1").resource(1, "db lock")
    builder.acquisition(1, 1, 0, 1, 2, 3).write()
    async with open_app(builder.path, ms=100, program=program) as driver:
        program.code = 3
        builder.end(200, exit_code=3)
        await driver.settle(300)
        await driver.settle()

        assert "exit code 3" in driver.lines[0]
        assert driver.at == 200
        assert driver.app.state.viewport.span < 1000 * MS  # all of it in view, and little else


@async_test
async def test_quitting_asks_about_a_running_program(tmp_path: Path) -> None:
    """Escape returns to the app, and nothing has happened to the program."""
    program = FakeProgram()
    builder = three_workers(tmp_path / "x.actx").write()
    async with open_app(builder.path, ms=320, program=program) as driver:
        await driver.press("q")
        asked = driver.text
        await driver.press("escape")

        assert "The program is still running (process 1)." in asked
        assert "Leave it running and recorded" in asked
        assert "still running" not in driver.text
        assert driver.app.is_running
        assert (program.stopped, program.left) == (0, 0)


@pytest.mark.parametrize("keys", [("q", "s"), ("q", "q", "q"), ("ctrl+c", "enter")])
@async_test
async def test_quitting_stops_the_program_first(tmp_path: Path, keys: tuple[str, ...]) -> None:
    """Once, however often q is pressed."""
    program = FakeProgram()
    async with open_app(three_workers(tmp_path / "x.actx").write().path, program=program) as driver:
        await driver.pilot.press(*keys)
        await driver.app.workers.wait_for_complete()
        await driver.pilot.pause()

        assert (program.stopped, program.left) == (1, 0)
        assert not driver.app.is_running


@async_test
async def test_quitting_can_leave_the_program_running(tmp_path: Path) -> None:
    """The app ends, the program does not."""
    program = FakeProgram()
    async with open_app(three_workers(tmp_path / "x.actx").write().path, program=program) as driver:
        await driver.pilot.press("q", "l")
        await driver.app.workers.wait_for_complete()
        await driver.pilot.pause()

        assert (program.stopped, program.left) == (0, 1)
        assert not driver.app.is_running


@async_test
async def test_quitting_does_not_ask_about_an_ended_program(tmp_path: Path) -> None:
    """Nor in a replay."""
    program = FakeProgram()
    program.code = 0
    async with open_app(three_workers(tmp_path / "x.actx").end(320), program=program) as driver:
        await driver.pilot.press("q")
        await driver.pilot.pause()

        assert not driver.app.is_running


@async_test
async def test_quitting_leaves_no_process(tmp_path: Path) -> None:
    """With a real program, which would otherwise sleep for an hour."""
    program = Program(
        ["-c", "import time; print('up', flush=True); time.sleep(3600)"],
        tmp_path / "x.actx",
        captured=True,
    )
    app = TraceApp(program.recording, program=program, settings=Settings())
    async with app.run_test(size=(80, 24)) as pilot:
        while not app.state.timeline.printed:
            await pilot.pause(0.02)
        await pilot.press("q", "s")
        await app.workers.wait_for_complete()
        await pilot.pause()

        assert program.exit_code() is not None
        with pytest.raises(ProcessLookupError):
            os.kill(program.pid, 0)


@async_test
async def test_hostile_names_and_output_are_shown_as_text(tmp_path: Path) -> None:
    """Escapes, markup and ten thousand characters are shown as text, truncated."""
    builder = RecordingBuilder(tmp_path / "x.actx")
    builder.task(1, "\x1b]0;evil\x07[bold red]task[/]").resource(1, "\x1b[2J[link=x]lock[/link]")
    builder.task(2, "n" * 10_000).resource(2, "r" * 10_000).task(3, "[/unopened]\n日本語")
    for task in (1, 2, 3):
        builder.acquisition(task, 1, 0, 0, 300, 301).acquisition(task, 2, 10, 20, 250, 251)
    builder.printed(20, "\x1b[31mred\x1b[0m [bold]not bold[/bold]\x07 tab\there")
    builder.printed(21, "x" * 100_000)
    async with open_app(builder.end(320)) as driver:
        await driver.settle(60)
        await driver.press("space")

        assert "\x1b" not in driver.text
        assert "\x07" not in driver.text
        assert "[link=x]lock[/link]" in driver.text
        assert "red [bold]not bold[/bold]" in driver.text
        assert any("nnn…" in line for line in driver.lines)
        assert [line for line in driver.lines if "\n" in line] == []


@async_test
async def test_hostile_names_are_shown_as_text_in_tooltips(tmp_path: Path) -> None:
    """Markup in a name is not interpreted."""
    builder = RecordingBuilder(tmp_path / "x.actx").task(1, "[/unopened]").resource(1, "[red]lock")
    builder.acquisition(1, 1, 0, 1, 100, 101)
    async with open_app(builder.end(120), (100, 30)) as driver:
        await driver.settle(60)
        await driver.press("space")
        await driver.pilot.hover("#lanes", (40, 1))
        while not driver.app.screen.query_one(Tooltip).display:
            await driver.pilot.pause(0.02)
        await driver.pilot.pause()

        assert "[/unopened] holds `[red]lock`" in driver.text
        assert driver.text.count("[/unopened]") == 3


@async_test
async def test_a_click_moves_the_play_head_and_selects_the_lane(workers: Path) -> None:
    """On the timeline and on a line of output."""
    async with open_app(workers, (120, 36)) as driver:
        await driver.pilot.click("#lanes", offset=(60, 5))
        await driver.settle()
        clicked = driver.at
        chosen = driver.text
        await driver.pilot.click("#output", offset=(5, 2))
        await driver.settle()

        assert 100 < clicked < 200
        assert "[" in chosen
        assert "]" in chosen
        assert driver.app.state.task == 2
        assert driver.at == 250


@async_test
async def test_the_app_waits_for_the_first_event(tmp_path: Path) -> None:
    """An empty recording is not an error."""
    path = RecordingBuilder(tmp_path / "x.actx").path
    async with open_app(path, program=FakeProgram()) as driver:
        await driver.press("space", "left", "full_stop", "plus", "f", "end")

        assert "nothing has been recorded yet" in driver.text


@async_test
async def test_narration_can_be_drawn_while_a_recording_is_read(workers: Path) -> None:
    """Resizing the terminal draws it before there are lanes for the tasks read so far."""
    reading = ViewState(following=False)
    reading.feed(Recording(workers).poll(), START, live=False)
    async with open_app(workers) as driver:
        sentences = driver.app.trace_screen.query_one(Sentences)
        before = str(sentences.render())
        sentences.state = reading

        assert "worker-1" in before
        assert reading.loading
        assert str(sentences.render()) == ""


def test_a_file_that_is_not_a_recording_is_refused_before_the_app_starts(tmp_path: Path) -> None:
    """The command line prints the error as one line."""
    path = tmp_path / "x.actx"
    path.write_text("hello")

    with pytest.raises(NotARecording):
        TraceApp(path)


@async_test
async def test_following_a_program_can_be_paused_and_resumed(tmp_path: Path) -> None:
    """After a step back, the play head stays; End follows the program again."""
    builder = RecordingBuilder(tmp_path / "x.actx").task(1, "worker-1").resource(1, "db lock")
    builder.acquisition(1, 1, 0, 1000).write()
    async with open_app(builder.path, ms=2000, program=FakeProgram()) as driver:
        await driver.press("comma")
        back = driver.at
        await driver.settle(4000)
        still = driver.at
        await driver.press("end")
        await driver.settle(5000)

        assert (back, still) == (1000, 1000)
        assert driver.at == 5000
        assert "live" in driver.lines[0]


@async_test
async def test_phases_are_distinct_without_color(
    workers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With NO_COLOR: only gray, and a glyph for each phase."""
    monkeypatch.setenv("NO_COLOR", "1")
    async with open_app(workers, (100, 30)) as driver:
        await driver.settle(150)
        svg = driver.app.export_screenshot()
        colours = set(re.findall(r"fill: #([0-9a-f]{6})", svg)) - {"c5c8c6"}  # the frame around it

        assert colours
        assert [each for each in colours if len({each[:2], each[2:4], each[4:]}) > 1] == []
        assert "█" in driver.lane("worker-2")
        assert "░" in driver.lane("worker-2")


@async_test
async def test_a_recording_that_is_truncated_while_it_is_shown_stays_on_screen(
    tmp_path: Path,
) -> None:
    """A log rotation empties it; the app says so once, and goes on with what it has read."""
    path = three_workers(tmp_path / "x.actx").end(320)
    async with open_app(path) as driver:
        await driver.settle(60)
        os.truncate(path, 0)
        await driver.settle(70)
        await driver.settle(80)

        assert driver.app.is_running
        assert driver.visible_lanes
        assert [note for note in driver.notified if "truncated while it was read" in note]


@async_test
async def test_what_a_ring_has_given_up_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The app can follow a program for days; what was selected stays selected."""
    monkeypatch.setattr(ring_turnover, "_FEW", 1_000)
    create(tmp_path / "x.actx")
    live = LiveSet(tasks={1}, resources={1}, acquisitions={1})
    ring = RingRecorder(tmp_path / "x.actx", Retention.parse("1MB"), lambda: live)
    ring.manager_defined(1, "asyncio.locks.Lock")
    ring.site_defined(1, "app.py", 12, "worker", "db_lock")
    ring.resource_defined(1, "lock", "db lock", 1)
    ring.task_defined(START, 1, "worker", "asyncio", 0, "MainThread")
    ring.enter_started(START, 1, 0, 1, 1, 1, 1)
    ring.enter_ended(START, 1, Outcome.OK, None)
    async with open_app(ring.path, ms=100, program=FakeProgram()) as driver:
        state = driver.app.state
        state.row = 0
        largest = 0
        for first in range(2, 40_000, 500):
            for number in range(first, first + 500):
                at = START + 1_000 * number
                ring.enter_started(at, number, 1, 1, 1, 1, 1)
                ring.enter_ended(at, number, Outcome.OK, None)
                ring.exit_started(at, number, 1, Outcome.OK, None)
                ring.exit_ended(at, number, Outcome.OK, False, None)
            await driver.settle()
            largest = max(largest, len(state.timeline))

        assert largest < 25_000
        assert state.row is not None
        assert state.timeline.id[state.row] == 1
        assert state.zero == START
        assert state.timeline.id[-1] == first + 499
