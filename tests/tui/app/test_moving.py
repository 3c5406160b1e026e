"""Navigation through a recording, in both directions."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from app.async_tests import async_test
from app.builders import MS, START, RecordingBuilder, three_workers
from app.driver import open_app
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace_tui.app.screens.prompts import Prompt
from asyncctx_trace_tui.app.widgets.bars.minimap import Minimap
from asyncctx_trace_tui.app.widgets.time_rows import names_width


@pytest.fixture
def workers(tmp_path: Path) -> Path:
    """Return the finished recording of three workers at one lock."""
    return three_workers(tmp_path / "x.actx").end(320)


@pytest.fixture
def troubles(tmp_path: Path) -> Path:
    """Return a recording with an error at 40 ms, a timeout at 120, a cancellation at 200."""
    builder = RecordingBuilder(tmp_path / "x.actx").resource(1, "lock").resource(2, "other")
    builder.task(1, "anna").task(2, "bert")
    builder.acquisition(
        1, 1, 0, 1, 40, 41, outcomes=(Outcome.OK, Outcome.ERROR), error=ValueError("no")
    )
    builder.acquisition(2, 2, 100, 120, outcomes=(Outcome.TIMED_OUT,), error=TimeoutError())
    builder.acquisition(1, 2, 190, 200, outcomes=(Outcome.CANCELLED,))
    return builder.end(320)


@async_test
async def test_steps_through_the_events_of_a_task_and_of_a_resource(troubles: Path) -> None:
    """Events of other tasks and resources are skipped."""
    async with open_app(troubles) as driver:
        await driver.press("space")
        of_task = []
        for _ in range(5):
            await driver.press("greater_than_sign")
            of_task.append(driver.at)
        await driver.press("less_than_sign")
        back = driver.at
        await driver.press("left_curly_bracket")

        assert of_task == [1, 40, 41, 190, 200]
        assert back == 190
        assert driver.at == 120


@async_test
async def test_jumps_to_problems_in_both_directions_and_wraps_around(troubles: Path) -> None:
    """Also from the end, with the number of each."""
    async with open_app(troubles) as driver:
        await driver.press("space", "end")
        seen = []
        for _ in range(9):
            await driver.press("e")
            seen.append((driver.at, driver.problem.partition(":")[0]))
        total = int(seen[0][1].partition(" of ")[2])
        forward = seen[:total]
        await driver.press("E")

        assert [number for _, number in forward] == [f"{n} of {total}" for n in range(1, total + 1)]
        assert [at for at, _ in forward] == sorted(at for at, _ in forward)
        assert {40, 120, 200} <= {at for at, _ in forward}
        assert seen[total] == seen[0]
        assert (driver.at, driver.problem.partition(":")[0]) == seen[7]


@async_test
async def test_the_minimap_shows_errors_and_findings_in_red(troubles: Path) -> None:
    """The error at 40 ms of 320; a cancellation may be intended."""
    async with open_app(troubles) as driver:
        await driver.press("space", "end")
        minimap = driver.app.screen.query_one(Minimap)
        gutter = names_width(driver.app.state, 80)
        red = minimap.palette.style("error").color
        cells = [each.style for each in minimap.render_line(0) for _ in each.text]
        columns = [x - gutter for x, style in enumerate(cells) if style and style.color == red]
        whole = driver.app.state.viewport

        assert whole.column_of(START + 40 * MS) in columns
        assert whole.column_of(START + 200 * MS) not in columns


@async_test
async def test_a_recording_without_problems_says_so(tmp_path: Path) -> None:
    """The play head stays."""
    builder = RecordingBuilder(tmp_path / "x.actx").resource(1, "lock").task(1, "anna")
    async with open_app(builder.acquisition(1, 1, 0, 1, 40, 41).end(320)) as driver:
        await driver.press("space", "full_stop", "e")

        assert driver.notified == ["no problems"]
        assert driver.at == 1


@async_test
async def test_marks_measure_the_time_between_them(workers: Path) -> None:
    """From A at 20 ms to B at 100: duration, events, waiting and holding."""
    async with open_app(workers, (200, 60)) as driver:
        await driver.press("space", "full_stop", "full_stop", "m")
        await driver.press("full_stop", "full_stop", "m")
        shown = driver.text
        await driver.press("z")
        viewport = driver.app.state.viewport
        await driver.press("apostrophe")
        first = driver.at
        await driver.press("apostrophe")
        second = driver.at
        await driver.press("escape")

        assert "A to B: 80.0 ms · 3 events · waiting 160 ms, holding 80.0 ms" in shown
        assert 80 * MS <= viewport.span < 100 * MS
        assert (first, second) == (20, 100)
        assert "A to B" not in driver.text


@pytest.mark.parametrize(
    ("typed", "at"),
    [
        *[("250ms", 250), ("0.1", 100), ("+30ms", 90), ("-30ms", 30), ("9s", 320), ("1:00", 320)],
        *[("0:00.25", 250), ("0:00:00.1", 100)],
    ],
)
@async_test
async def test_t_goes_to_a_time(workers: Path, typed: str, at: int) -> None:
    """Since the start or relative to the play head; never beyond the end."""
    async with open_app(workers) as driver:
        await driver.settle(60)
        await driver.press("space", "t")
        driver.app.screen.query_one(Prompt).value = typed
        await driver.press("enter")

        assert driver.at == at


@async_test
async def test_times_can_be_shown_and_entered_as_times_of_day(workers: Path) -> None:
    """In the title, on the ruler, in the views; t goes to one."""
    async with open_app(workers, (120, 36)) as driver:
        state = driver.app.state
        await driver.press("space", "full_stop")
        state.set_wall_clock(int(datetime(2026, 1, 31, 15, 4, 5).astimezone().timestamp()) * 10**9)
        await driver.press("W")
        title, ruler, output = driver.lines[0], driver.lines[3], driver.text
        await driver.press("t", *"15:04:05.2", "enter")
        at = driver.at
        await driver.press("W")

        assert "15:04:05.010 / 15:04:05.32" in title
        assert "15:04:05.10" in ruler
        assert "15:04:05.050   first line" in output
        assert at == 200
        assert "0.200s / 0.32s" in driver.lines[0]


@async_test
async def test_search_goes_from_match_to_match(workers: Path) -> None:
    """With the grammar of filters; n and N go to the next and previous match."""
    async with open_app(workers) as driver:
        await driver.press("space", "slash", *"wait>50ms", "enter")
        first = driver.at
        await driver.press("n")
        second = driver.at
        await driver.press("N")

        assert (first, second, driver.at) == (10, 20, 10)
        assert driver.app.state.task == 2


@async_test
async def test_a_filter_hides_lanes_until_it_is_emptied(workers: Path) -> None:
    """The bar of views shows the filter."""
    async with open_app(workers, (120, 36)) as driver:
        await driver.press("ampersand", *"task:*-2", "enter")
        filtered = driver.text
        await driver.press("ampersand", *["backspace"] * 8, "enter")

        assert "filter task:*-2 (1 of 3)" in filtered
        assert "worker-1  " not in filtered.split("At the play head")[0]
        assert "worker-1" in driver.text.split("At the play head")[0]


@async_test
async def test_a_narrow_screen_still_shows_the_filter(workers: Path) -> None:
    """Names of other views are left out from the right; their numbers can still be clicked."""
    async with open_app(workers, (80, 24)) as driver:
        await driver.press("ampersand", *"task:*-2", "enter")
        shown = driver.lines[1]
        await driver.pilot.click("#views", offset=(shown.index(" 8") + 1, 0))
        await driver.settle()

        assert " ".join(shown.split()) == (
            "0 Overview 1 Tasks 2 Resources 3 Waits 4 5 6 7 8 filter task:*-2 (1 of 3)"
        )
        assert "8 Details" in driver.lines[1]


@async_test
async def test_an_invalid_filter_keeps_the_prompt_open(workers: Path) -> None:
    """One line says what is wrong."""
    async with open_app(workers, (120, 36)) as driver:
        await driver.press("ampersand", *"tsak:a", "enter")

        assert "unknown filter key 'tsak'" in driver.text
        assert driver.app.screen.query_one(Prompt).has_class("-asking")


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
@pytest.mark.parametrize(("key", "view"), [("slash", "1"), ("ampersand", "2"), ("t", "7")])
@async_test
async def test_prompts_are_visible(
    workers: Path, key: str, view: str, size: tuple[int, int]
) -> None:
    """The examples, then what is typed, in a line of their own above the keys."""
    async with open_app(workers, size) as driver:
        await driver.press("space", view, key)
        prompt = driver.app.screen.query_one(Prompt)
        covered = [
            widget
            for widget in driver.app.screen.query("*")
            if widget.is_on_screen and widget is not prompt and widget not in prompt.ancestors
            if widget.region.overlaps(prompt.region)
        ]
        example = driver.lines[prompt.region.y]
        await driver.press(*"5ms")
        typed = driver.lines[prompt.region.y]
        footer = driver.lines[-1]

        assert covered == []
        assert prompt.placeholder[:40] in example
        assert typed.strip() == "5ms"
        assert footer.split() == ["⏎", "OK", "esc", "Cancel"]


def record_crowd(path: Path) -> Path:
    """Fifty tasks, each with a lock of its own, one after the other; two exits fail."""
    builder = RecordingBuilder(path)
    for n in range(1, 51):
        builder.task(n, f"task-{n}").resource(n, f"lock-{n}")
        error = ValueError("no") if n in (3, 40) else None
        exit = Outcome.OK if error is None else Outcome.ERROR
        times = (10 * n, 10 * n + 1, 10 * n + 5, 10 * n + 6)
        builder.acquisition(n, n, *times, outcomes=(Outcome.OK, Outcome.OK, exit), error=error)
    return builder.end(600)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
@async_test
async def test_what_is_found_is_scrolled_into_view(tmp_path: Path, size: tuple[int, int]) -> None:
    """By a search, its next match, a jump to a problem, and a finding."""
    async with open_app(record_crowd(tmp_path / "x.actx"), size) as driver:
        await driver.press("space", "slash", *"task:task-4?", "enter")
        found = driver.visible_lanes
        await driver.press(*"nnnnnnn")
        after_n = driver.visible_lanes
        await driver.press("escape", "g", "e")
        first_problem = driver.visible_lanes
        await driver.press("e")
        second_problem = driver.visible_lanes
        await driver.press("escape", "g", "6", "enter")
        finding = driver.visible_lanes

        assert "task-1" not in found
        assert "task-40" in found
        assert "task-47" in after_n
        assert "task-3" in first_problem
        assert "task-40" in second_problem
        assert driver.task_name in finding


@async_test
async def test_the_selected_resource_is_scrolled_into_view(tmp_path: Path) -> None:
    """By the arrow keys, by a search, and by Enter in a table."""
    async with open_app(record_crowd(tmp_path / "x.actx")) as driver:
        await driver.press("space", "2", "enter")  # the locks are one entry until it is opened
        names = []
        for _ in range(50):
            await driver.press("down")
            names.append(driver.selected_resource_name)
            assert f"{names[-1]} " in driver.text.split("At the play head")[0]
        await driver.press("slash", *"resource:lock-1", "enter")
        found = driver.text
        await driver.press("6", "tab", "o", *["down"] * 30, "enter")
        chosen = driver.selected_resource_name

        assert sorted(names) == sorted(f"lock-{n}" for n in range(1, 51))
        assert "lock-1 " in found.split("At the play head")[0]
        assert f"{chosen} " in driver.text.split("At the play head")[0]
        assert chosen != "lock-1"


@async_test
async def test_lanes_are_sorted_pinned_and_folded(tmp_path: Path) -> None:
    """By longest wait; a pinned lane comes first; nested tracks are hidden."""
    builder = RecordingBuilder(tmp_path / "x.actx").resource(1, "a").resource(2, "b")
    builder.task(1, "anna").task(2, "bert").task(3, "cleo")
    builder.acquisition(1, 1, 0, 1, 50, 51).acquisition(1, 2, 10, 11, 20, 21)
    builder.acquisition(2, 1, 0, 100, 110, 111).acquisition(3, 1, 0, 30, 200, 201)
    async with open_app(builder.end(220), (100, 36)) as driver:

        def order() -> list[str]:
            names = ("anna", "bert", "cleo")
            return [n for line in driver.lines[4:20] for n in names if line[:12].find(n) >= 0]

        first = order()
        await driver.press("o")
        by_wait = order()
        await driver.press("o")
        by_hold = order()
        await driver.press("p")
        pinned = order()
        before = driver.text.count("█")
        await driver.press("c")

        assert first == ["anna", "bert", "cleo"]
        assert by_wait == ["bert", "cleo", "anna"]
        assert by_hold == ["cleo", "anna", "bert"]
        assert pinned == ["anna", "cleo", "bert"]
        assert "anna +1" in driver.text
        assert driver.text.count("█") != before


@async_test
async def test_it_plays_backwards(workers: Path) -> None:
    """From the play head to the start."""
    async with open_app(workers) as driver:
        await driver.settle(100)
        await driver.press("r")
        await driver.settle(160)
        back = driver.at
        await driver.settle(1000)

        assert (back, driver.at) == (40, 0)


@async_test
async def test_the_viewport_is_panned_and_fitted(workers: Path) -> None:
    """Panning does not move the play head; f shows the whole recording."""
    async with open_app(workers) as driver:
        whole = driver.app.state.viewport
        await driver.press("space", "w", "w", "d", "d", "a")
        panned = driver.app.state.viewport
        await driver.press("f")
        fitted = driver.app.state.viewport

        assert panned.start > whole.start
        assert panned.per_column == whole.per_column // 4
        assert fitted.start == whole.start
        assert abs(fitted.per_column - whole.per_column) <= 1
        assert driver.at == 0


@async_test
async def test_zoom_reaches_single_nanoseconds(workers: Path) -> None:
    """Bars are still drawn there."""
    async with open_app(workers) as driver:
        await driver.press("space", *["full_stop"] * 4, *["plus"] * 40)

        assert driver.app.state.viewport.per_column == 1
        assert "█" in driver.lane("worker-1")
        assert "0.100000000s" in driver.text


@async_test
async def test_the_wheel_zooms_at_the_mouse_and_a_drag_pans(workers: Path) -> None:
    """The time under the mouse stays in its column."""
    async with open_app(workers, (120, 36)) as driver:
        await driver.press("space")
        lanes = driver.app.screen.query_one("#lanes")
        before = driver.app.state.viewport
        pointed = before.time_of(80 - lanes.names_width)  # type: ignore[attr-defined]  # our lanes
        await driver.pilot._post_mouse_events(  # noqa: SLF001 - the pilot has no wheel
            [_scroll_up()], "#lanes", (80, 5), button=0
        )  # fmt: skip
        await driver.settle()
        near = driver.app.state.viewport
        await driver.pilot.mouse_down("#lanes", (80, 5))
        await driver.pilot.hover("#lanes", (70, 5))
        await driver.pilot.mouse_up("#lanes", (70, 5))
        await driver.settle()

        assert near.per_column == before.per_column // 2
        assert near.column_of(pointed) == before.column_of(pointed)
        assert driver.app.state.viewport.start == near.start + 10 * near.per_column
        assert driver.at == 0


def _scroll_up() -> type:
    from textual.events import MouseScrollUp

    return MouseScrollUp


@async_test
async def test_the_tooltip_describes_what_is_under_the_mouse(workers: Path) -> None:
    """Task, phase, resource, duration and site."""
    async with open_app(workers, (120, 36)) as driver:
        await driver.press("space")
        await driver.pilot.hover("#lanes", (30, 1))
        tip = str(driver.app.screen.query_one("#lanes").tooltip)

        assert "worker-1 holds `db lock`" in tip
        assert "100 ms · app.py:12" in tip


@async_test
async def test_the_palette_contains_every_command(workers: Path) -> None:
    """Commands are found by their description and can be run."""
    async with open_app(workers, (120, 36)) as driver:
        await driver.press("space", "colon", *"go to the end")
        await driver.pilot.pause(0.5)
        await driver.press("enter", "enter")
        await driver.pilot.pause(0.2)

        assert driver.at == 320


@pytest.mark.parametrize(
    "word", ["zoom", "help", "jump", "export", "dark", "deadlock", "quit", "search", "clock"]
)
@async_test
async def test_the_palette_finds_plain_words(workers: Path, word: str) -> None:
    """Each command once, and none of Textual's own that do not belong here."""
    async with open_app(workers, (120, 36)) as driver:
        commands = list(driver.app.get_system_commands(driver.app.screen))
        titles = [command.title for command in commands]

        assert any(word in title.lower() for title in titles)
        assert len(set(titles)) == len(titles)
        assert [title for title in titles if title.startswith("Quit")] == ["Quit (exit, stop)"]


@async_test
async def test_the_footer_shows_the_keys_of_the_view(workers: Path) -> None:
    """Before the others, which give way on a narrow screen."""
    async with open_app(workers) as driver:
        await driver.press("space", "6")
        findings = driver.lines[-1]
        await driver.press("3")
        waits = driver.lines[-1]
        await driver.press("1")

        assert findings.startswith("⏎ Go there ")
        assert "o Sort" in findings
        assert "b Next table" in findings
        assert "u Who blocks" in waits
        assert "Next table" not in driver.lines[-1]


@async_test
async def test_help_lists_every_key_and_can_be_closed(workers: Path) -> None:
    """On a screen of any size, scrolled if it is long."""
    async with open_app(workers, (120, 60)) as driver:
        await driver.press("space", "question_mark")
        helped = driver.text
        await driver.press("escape")

        assert "body: holds" in helped
        assert "Reverse the direction of play" in helped
        assert "body: holds" not in driver.text
