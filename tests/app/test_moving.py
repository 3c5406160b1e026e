"""Moving through a recording: every key forwards and backwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.loops import in_a_loop
from app.screens import staged
from app.stories import MS, Story, three_workers
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace_tui.app.screens.prompts import Prompt


@pytest.fixture
def workers(tmp_path: Path) -> Path:
    """The finished recording of three workers at one lock."""
    return three_workers(tmp_path / "x.actx").end(320)


@pytest.fixture
def troubles(tmp_path: Path) -> Path:
    """An error at 40 ms, a timeout at 120, a cancellation at 200."""
    story = Story(tmp_path / "x.actx").resource(1, "lock").resource(2, "other")
    story.task(1, "anna").task(2, "bert")
    story.pass_(1, 1, 0, 1, 40, 41, outcomes=(Outcome.OK, Outcome.ERROR), error=ValueError("no"))
    story.pass_(2, 2, 100, 120, outcomes=(Outcome.TIMED_OUT,), error=TimeoutError())
    story.pass_(1, 2, 190, 200, outcomes=(Outcome.CANCELLED,))
    return story.end(320)


@in_a_loop
async def test_steps_among_the_facts_of_a_task_and_of_a_resource(troubles: Path) -> None:
    """What others do in between is passed over."""
    async with staged(troubles) as stage:
        await stage.press("space")
        of_task = []
        for _ in range(5):
            await stage.press("greater_than_sign")
            of_task.append(stage.at)
        await stage.press("less_than_sign")
        back = stage.at
        await stage.press("left_curly_bracket")

        assert of_task == [1, 40, 41, 190, 200]
        assert back == 190
        assert stage.at == 120


@in_a_loop
async def test_problems_can_be_jumped_to_both_ways(troubles: Path) -> None:
    """The error, the timeout, the cancellation, and back."""
    async with staged(troubles) as stage:
        await stage.press("space")
        seen = []
        for _ in range(8):
            await stage.press("e")
            seen.append(stage.at)
        await stage.press("E")

        assert [at for at in (40, 120, 200) if at in seen] == [40, 120, 200]
        assert seen == sorted(seen)
        assert stage.at < seen[-1]


@in_a_loop
async def test_marks_measure_what_lies_between(workers: Path) -> None:
    """A at 20 ms, B at 100: so long, so many events, so much waiting."""
    async with staged(workers, (200, 60)) as stage:
        await stage.press("space", "full_stop", "full_stop", "m")
        await stage.press("full_stop", "full_stop", "m")
        said = stage.text
        await stage.press("z")
        viewport = stage.app.state.viewport
        await stage.press("apostrophe")
        first = stage.at
        await stage.press("apostrophe")
        second = stage.at
        await stage.press("escape")

        assert "A to B: 80.0 ms · 3 events · waiting 160 ms, holding 80.0 ms" in said
        assert 80 * MS <= viewport.span < 100 * MS
        assert (first, second) == (20, 100)
        assert "A to B" not in stage.text


@pytest.mark.parametrize(
    ("typed", "at"), [("250ms", 250), ("0.1", 100), ("+30ms", 90), ("-30ms", 30), ("9s", 320)]
)
@in_a_loop
async def test_a_time_can_be_gone_to(workers: Path, typed: str, at: int) -> None:
    """From the start, or from here; never beyond the end."""
    async with staged(workers) as stage:
        await stage.settle(60)
        await stage.press("space", "t")
        stage.app.screen.query_one(Prompt).value = typed
        await stage.press("enter")

        assert stage.at == at


@in_a_loop
async def test_search_goes_from_match_to_match(workers: Path) -> None:
    """By the same expressions that filter; n and N go on and back."""
    async with staged(workers) as stage:
        await stage.press("space", "slash", *"wait>50ms", "enter")
        first = stage.at
        await stage.press("n")
        second = stage.at
        await stage.press("N")

        assert (first, second, stage.at) == (10, 20, 10)
        assert stage.app.state.task == 2


@in_a_loop
async def test_a_filter_hides_lanes_until_it_is_emptied(workers: Path) -> None:
    """And says so while it does."""
    async with staged(workers, (120, 36)) as stage:
        await stage.press("ampersand", *"task:*-2", "enter")
        filtered = stage.text
        await stage.press("ampersand", *["backspace"] * 8, "enter")

        assert "filter task:*-2 (1 of 3)" in filtered
        assert "worker-1  " not in filtered.split("At the play head")[0]
        assert "worker-1" in stage.text.split("At the play head")[0]


@in_a_loop
async def test_what_is_filtered_is_said_however_narrow_the_screen(workers: Path) -> None:
    """The names of the other views give way; their numbers can still be clicked."""
    async with staged(workers, (80, 24)) as stage:
        await stage.press("ampersand", *"task:*-2", "enter")
        said = stage.lines[1]
        await stage.pilot.click("#views", offset=(9, 0))
        await stage.settle()

        assert " ".join(said.split()) == "1 Tasks 2 3 4 5 6 7 8 filter task:*-2 (1 of 3)"
        assert "Resources" in stage.lines[1]


@in_a_loop
async def test_a_filter_that_says_nothing_is_asked_again(workers: Path) -> None:
    """One line says what is wrong, and the prompt stays."""
    async with staged(workers, (120, 36)) as stage:
        await stage.press("ampersand", *"tsak:a", "enter")

        assert "unknown filter key 'tsak'" in stage.text
        assert stage.app.screen.query_one(Prompt).has_class("-asking")


@in_a_loop
async def test_lanes_are_sorted_pinned_and_folded(tmp_path: Path) -> None:
    """The longest wait first; a pinned lane above all; nested ones away."""
    story = Story(tmp_path / "x.actx").resource(1, "a").resource(2, "b")
    story.task(1, "anna").task(2, "bert").task(3, "cleo")
    story.pass_(1, 1, 0, 1, 50, 51).pass_(1, 2, 10, 11, 20, 21)
    story.pass_(2, 1, 0, 100, 110, 111).pass_(3, 1, 0, 30, 200, 201)
    async with staged(story.end(220), (100, 36)) as stage:

        def order() -> list[str]:
            names = ("anna", "bert", "cleo")
            return [n for line in stage.lines[4:20] for n in names if line[:12].find(n) >= 0]

        first = order()
        await stage.press("o")
        by_wait = order()
        await stage.press("o")
        by_hold = order()
        await stage.press("p")
        pinned = order()
        before = stage.text.count("█")
        await stage.press("c")

        assert first == ["anna", "bert", "cleo"]
        assert by_wait == ["bert", "cleo", "anna"]
        assert by_hold == ["cleo", "anna", "bert"]
        assert pinned == ["anna", "cleo", "bert"]
        assert "anna +1" in stage.text
        assert stage.text.count("█") != before


@in_a_loop
async def test_it_plays_backwards(workers: Path) -> None:
    """From where it is, to the start."""
    async with staged(workers) as stage:
        await stage.settle(100)
        await stage.press("r")
        await stage.settle(160)
        back = stage.at
        await stage.settle(1000)

        assert (back, stage.at) == (40, 0)


@in_a_loop
async def test_the_window_is_panned_and_fitted(workers: Path) -> None:
    """Panning leaves the play head; f shows all again."""
    async with staged(workers) as stage:
        whole = stage.app.state.viewport
        await stage.press("space", "w", "w", "d", "d", "a")
        panned = stage.app.state.viewport
        await stage.press("f")
        fitted = stage.app.state.viewport

        assert panned.start > whole.start
        assert panned.per_column == whole.per_column // 4
        assert fitted.start == whole.start
        assert abs(fitted.per_column - whole.per_column) <= 1
        assert stage.at == 0


@in_a_loop
async def test_zoom_reaches_single_nanoseconds(workers: Path) -> None:
    """And what is there is still drawn."""
    async with staged(workers) as stage:
        await stage.press("space", *["full_stop"] * 4, *["plus"] * 40)

        assert stage.app.state.viewport.per_column == 1
        assert "█" in stage.lane("worker-1")
        assert "0.100000000s" in stage.text


@in_a_loop
async def test_the_wheel_zooms_where_it_points_and_a_drag_pans(workers: Path) -> None:
    """The time under the mouse stays there."""
    async with staged(workers, (120, 36)) as stage:
        await stage.press("space")
        lanes = stage.app.screen.query_one("#lanes")
        before = stage.app.state.viewport
        pointed = before.time_of(80 - lanes.names_width)  # type: ignore[attr-defined]
        await stage.pilot._post_mouse_events(
            [_scroll_up()], "#lanes", (80, 5), button=0
        )  # fmt: skip
        await stage.settle()
        near = stage.app.state.viewport
        await stage.pilot.mouse_down("#lanes", (80, 5))
        await stage.pilot.hover("#lanes", (70, 5))
        await stage.pilot.mouse_up("#lanes", (70, 5))
        await stage.settle()

        assert near.per_column == before.per_column // 2
        assert near.column_of(pointed) == before.column_of(pointed)
        assert stage.app.state.viewport.start == near.start + 10 * near.per_column
        assert stage.at == 0


def _scroll_up() -> type:
    from textual.events import MouseScrollUp

    return MouseScrollUp


@in_a_loop
async def test_the_pointer_tells_what_it_is_over(workers: Path) -> None:
    """Task, phase, resource, duration and place."""
    async with staged(workers, (120, 36)) as stage:
        await stage.press("space")
        await stage.pilot.hover("#lanes", (30, 1))
        tip = str(stage.app.screen.query_one("#lanes").tooltip)

        assert "worker-1 holds `db lock`" in tip
        assert "100 ms · app.py:12" in tip


@in_a_loop
async def test_the_palette_knows_every_command(workers: Path) -> None:
    """Each key's command can be found by its words, and run."""
    async with staged(workers, (120, 36)) as stage:
        await stage.press("space", "colon", *"go to the end")
        await stage.pilot.pause(0.5)
        await stage.press("enter", "enter")
        await stage.pilot.pause(0.2)

        assert stage.at == 320


@in_a_loop
async def test_help_lists_every_key_and_goes_away(workers: Path) -> None:
    """On any size of screen, scrolled where it is long."""
    async with staged(workers, (120, 60)) as stage:
        await stage.press("space", "question_mark")
        helped = stage.text
        await stage.press("escape")

        assert "body: holds" in helped
        assert "Reverse the direction of play" in helped
        assert "body: holds" not in stage.text
