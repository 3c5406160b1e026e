"""The app under a pilot: what is on the screen, and what each key makes of it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from textual.widgets import Tooltip

from app.loops import in_a_loop
from app.screens import FakeProgram, staged
from app.stories import MS, START, Story, three_workers
from asyncctx_trace.errors import NotARecording
from asyncctx_trace.recording.reader import Recording
from asyncctx_trace_tui.app.application import TraceApp
from asyncctx_trace_tui.app.widgets.panes.narration_panel import Sentences
from asyncctx_trace_tui.run.launcher import Program
from asyncctx_trace_tui.storage.app_settings import Settings
from asyncctx_trace_tui.view.state import ViewState


@pytest.fixture
def workers(tmp_path: Path) -> Path:
    """The finished recording of three workers at one lock."""
    return three_workers(tmp_path / "x.actx").end(320)


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
@in_a_loop
async def test_lanes_words_output_and_keys_are_on_the_screen(
    workers: Path, size: tuple[int, int]
) -> None:
    """At every size: a lane per task, who holds and who waits, what was printed, the keys."""
    async with staged(workers, size) as stage:
        await stage.settle(60)
        await stage.press("space")

        assert "░" in stage.lane("worker-2")
        assert "█" in stage.lane("worker-1")
        assert "worker-1 holds `db lock` for 60.0 ms · worker-2, " in stage.text
        assert "first line" in stage.text
        assert "exit code 0" in stage.text
        assert "q Quit" in stage.lines[-1]
        assert all(len(line) == size[0] for line in stage.lines)


@in_a_loop
async def test_a_replay_plays_from_the_start_at_its_speed(workers: Path) -> None:
    """Ten times slower than it happened."""
    async with staged(workers, speed=0.1) as stage:
        assert stage.at == 0
        await stage.settle(1000)

        assert stage.at == 100


@in_a_loop
async def test_space_pauses_and_goes_on(workers: Path) -> None:
    """While it stands, real time passes by."""
    async with staged(workers) as stage:
        await stage.settle(50)
        await stage.press("space")
        await stage.settle(100)
        stood = stage.at
        await stage.press("space")
        await stage.settle(130)

        assert (stood, stage.at) == (50, 80)


@in_a_loop
async def test_full_stop_and_comma_step_through_the_facts(workers: Path) -> None:
    """Forward and back again, each fact in words."""
    async with staged(workers) as stage:
        await stage.press("space")
        forward = []
        for _ in range(5):
            await stage.press("full_stop")
            forward.append(stage.at)
        said = stage.text
        await stage.press("comma")
        back = stage.at

        assert forward == [10, 20, 50, 100, 101]
        assert "worker-1 has cleaned up `db lock` in 1.00 ms" in said
        assert "worker-2 gets `db lock` after 91.0 ms" in said
        assert back == 100


@in_a_loop
async def test_arrows_move_by_columns_home_and_end_to_the_ends(workers: Path) -> None:
    """The play head goes where it is sent and stays there."""
    async with staged(workers) as stage:
        await stage.press("space", "right", "right", "right", "left")
        column = stage.app.state.viewport.per_column / 1e6
        moved = stage.at
        await stage.press("end")
        end = stage.at
        await stage.press("home")

        assert moved == pytest.approx(2 * column, rel=1e-6)
        assert (end, stage.at) == (320, 0)


@in_a_loop
async def test_plus_and_minus_zoom_around_the_play_head(workers: Path) -> None:
    """The play head stays in its column, the time around it stretches."""
    async with staged(workers) as stage:
        await stage.press("space", *["full_stop"] * 4)
        before = stage.app.state.viewport
        await stage.press("plus", "plus")
        near = stage.app.state.viewport
        await stage.press("minus", "minus")
        at = stage.app.state.playback.at

        assert near.per_column == before.per_column // 4
        assert near.column_of(at) == before.column_of(at)
        assert stage.app.state.viewport.column_of(at) == before.column_of(at)


@in_a_loop
async def test_brackets_change_the_speed(workers: Path) -> None:
    """Faster, slower, and the title says so."""
    async with staged(workers) as stage:
        await stage.press("right_square_bracket", "right_square_bracket")
        fast = stage.lines[0]
        await stage.press(*["left_square_bracket"] * 4)

        assert "×5" in fast
        assert "×0.2" in stage.lines[0]


@in_a_loop
async def test_bars_in_flight_grow_while_the_program_runs(tmp_path: Path) -> None:
    """A holder that has not left yet reaches to now, wherever now is."""
    story = Story(tmp_path / "x.actx").task(1, "worker-1").resource(1, "db lock")
    story.pass_(1, 1, 0, 1000).tell()
    async with staged(story.path, ms=2000, program=FakeProgram()) as stage:
        short = stage.lane("worker-1").count("█")
        await stage.settle(5000)
        long = stage.lane("worker-1").count("█")

        assert 0 < short < long
        assert "live" in stage.lines[0]
        assert "running" in stage.lines[0]
        assert "worker-1 holds `db lock` for 4.00 s" in stage.text


@in_a_loop
async def test_facts_that_come_are_shown_and_the_window_goes_with_them(tmp_path: Path) -> None:
    """A task that appears later gets a lane; after the window's ten seconds it moves on."""
    story = Story(tmp_path / "x.actx").task(1, "early").resource(1, "db lock")
    story.pass_(1, 1, 0, 1, 2, 3).tell()
    async with staged(story.path, ms=100, program=FakeProgram()) as stage:
        story.task(2, "late", at=14_000).pass_(2, 1, 14_000, 14_001).tell()
        await stage.settle(15_000)
        head = stage.app.state.viewport.column_of(stage.app.state.playback.at)

        assert "█" in stage.lane("late")
        assert 0 <= head < stage.app.state.viewport.width


@in_a_loop
async def test_the_end_of_the_program_is_shown(tmp_path: Path) -> None:
    """The exit code stands in the title as soon as it is known."""
    program = FakeProgram()
    story = Story(tmp_path / "x.actx").task(1, "worker-1").resource(1, "db lock")
    story.pass_(1, 1, 0, 1, 2, 3).tell()
    async with staged(story.path, ms=100, program=program) as stage:
        program.code = 3
        story.end(200, exit_code=3)
        await stage.settle(300)
        await stage.settle()

        assert "exit code 3" in stage.lines[0]
        assert stage.at == 200
        assert stage.app.state.viewport.span < 1000 * MS  # all of it in view, and little else


@in_a_loop
async def test_quitting_stops_the_program_first(tmp_path: Path) -> None:
    """Once, however often q is pressed."""
    program = FakeProgram()
    async with staged(three_workers(tmp_path / "x.actx").tell().path, program=program) as stage:
        await stage.pilot.press("q", "q")
        await stage.app.workers.wait_for_complete()
        await stage.pilot.pause()

        assert program.stopped == 1
        assert not stage.app.is_running


@in_a_loop
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
        await pilot.press("q")
        await app.workers.wait_for_complete()
        await pilot.pause()

        assert program.exit_code() is not None
        with pytest.raises(ProcessLookupError):
            os.kill(program.pid, 0)


@in_a_loop
async def test_names_and_output_harm_nothing(tmp_path: Path) -> None:
    """Escapes, markup and ten thousand characters are shown as text, and cut."""
    story = Story(tmp_path / "x.actx")
    story.task(1, "\x1b]0;evil\x07[bold red]task[/]").resource(1, "\x1b[2J[link=x]lock[/link]")
    story.task(2, "n" * 10_000).resource(2, "r" * 10_000).task(3, "[/unopened]\n日本語")
    for task in (1, 2, 3):
        story.pass_(task, 1, 0, 0, 300, 301).pass_(task, 2, 10, 20, 250, 251)
    story.printed(20, "\x1b[31mred\x1b[0m [bold]not bold[/bold]\x07 tab\there")
    story.printed(21, "x" * 100_000)
    async with staged(story.end(320)) as stage:
        await stage.settle(60)
        await stage.press("space")

        assert "\x1b" not in stage.text
        assert "\x07" not in stage.text
        assert "[link=x]lock[/link]" in stage.text
        assert "red [bold]not bold[/bold]" in stage.text
        assert any("nnn…" in line for line in stage.lines)
        assert [line for line in stage.lines if "\n" in line] == []


@in_a_loop
async def test_the_pointer_over_a_name_harms_nothing(tmp_path: Path) -> None:
    """What looks like markup is told as it is."""
    story = Story(tmp_path / "x.actx").task(1, "[/unopened]").resource(1, "[red]lock")
    story.pass_(1, 1, 0, 1, 100, 101)
    async with staged(story.end(120), (100, 30)) as stage:
        await stage.settle(60)
        await stage.press("space")
        await stage.pilot.hover("#lanes", (40, 1))
        while not stage.app.screen.query_one(Tooltip).display:
            await stage.pilot.pause(0.02)
        await stage.pilot.pause()

        assert "[/unopened] holds `[red]lock`" in stage.text
        assert stage.text.count("[/unopened]") == 3


@in_a_loop
async def test_a_click_moves_the_play_head_and_selects_the_lane(workers: Path) -> None:
    """On the timeline as on a line of output."""
    async with staged(workers, (120, 36)) as stage:
        await stage.pilot.click("#lanes", offset=(60, 5))
        await stage.settle()
        clicked = stage.at
        chosen = stage.text
        await stage.pilot.click("#output", offset=(5, 2))
        await stage.settle()

        assert 100 < clicked < 200
        assert "[" in chosen
        assert "]" in chosen
        assert stage.app.state.task == 2
        assert stage.at == 250


@in_a_loop
async def test_before_the_first_fact_the_app_waits(tmp_path: Path) -> None:
    """An empty recording is no error."""
    path = Story(tmp_path / "x.actx").path
    async with staged(path, program=FakeProgram()) as stage:
        await stage.press("space", "left", "full_stop", "plus", "f", "end")

        assert "nothing has been recorded yet" in stage.text


@in_a_loop
async def test_words_may_be_drawn_while_a_recording_is_read(workers: Path) -> None:
    """A terminal that is resized draws them, though there are no lanes yet of what was read."""
    reading = ViewState(following=False)
    reading.feed(Recording(workers).poll(), START, live=False)
    async with staged(workers) as stage:
        sentences = stage.app.trace_screen.query_one(Sentences)
        before = str(sentences.render())
        sentences.state = reading

        assert "worker-1" in before
        assert reading.loading
        assert str(sentences.render()) == ""


def test_what_is_no_recording_is_refused_before_the_terminal_is_touched(tmp_path: Path) -> None:
    """The command line makes one line of it."""
    path = tmp_path / "x.actx"
    path.write_text("hello")

    with pytest.raises(NotARecording):
        TraceApp(path)


@in_a_loop
async def test_a_running_program_is_let_go_of_and_followed_again(tmp_path: Path) -> None:
    """Whoever looks back stays there while it runs on; End goes with it again."""
    story = Story(tmp_path / "x.actx").task(1, "worker-1").resource(1, "db lock")
    story.pass_(1, 1, 0, 1000).tell()
    async with staged(story.path, ms=2000, program=FakeProgram()) as stage:
        await stage.press("comma")
        back = stage.at
        await stage.settle(4000)
        still = stage.at
        await stage.press("end")
        await stage.settle(5000)

        assert (back, still) == (1000, 1000)
        assert stage.at == 5000
        assert "live" in stage.lines[0]


@in_a_loop
async def test_without_colour_the_phases_are_still_told_apart(
    workers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_COLOR: greys alone, and a glyph for each phase."""
    monkeypatch.setenv("NO_COLOR", "1")
    async with staged(workers, (100, 30)) as stage:
        await stage.settle(150)
        svg = stage.app.export_screenshot()
        colours = set(re.findall(r"fill: #([0-9a-f]{6})", svg)) - {"c5c8c6"}  # the frame around it

        assert colours
        assert [each for each in colours if len({each[:2], each[2:4], each[4:]}) > 1] == []
        assert "█" in stage.lane("worker-2")
        assert "░" in stage.lane("worker-2")
