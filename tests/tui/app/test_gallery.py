"""The gallery: scenarios with their stories, recordings, a script of the user."""

from __future__ import annotations

import os
from pathlib import Path

from textual.widgets import Footer, Input, OptionList, Static

from app.async_tests import async_test
from app.builders import three_workers
from app.driver import strips_of
from asyncctx_trace_tui.app.gallery import Gallery, latest
from asyncctx_trace_tui.run import bundled_scenarios
from asyncctx_trace_tui.storage.app_settings import Settings


@async_test
async def test_the_first_scenario_is_described_and_can_be_chosen(tmp_path: Path) -> None:
    """Its story is shown beside the list."""
    first = bundled_scenarios.all()[0]
    gallery = Gallery(settings=Settings(), folder=tmp_path)
    async with gallery.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        story = str(gallery.query_one("#story Static", Static).content)
        await pilot.press("enter")

    assert first.title in story
    assert gallery.return_value is not None
    assert gallery.return_value.command == "run"
    assert gallery.return_value.arguments == (str(first.path),)


@async_test
async def test_all_scenarios_and_the_latest_recordings_are_listed(tmp_path: Path) -> None:
    """The newest recording comes first."""
    for number, name in enumerate(("old", "new")):
        path = three_workers(tmp_path / f"{name}.actx").end(320)
        os.utime(path, (number, number))
    gallery = Gallery(settings=Settings(), folder=tmp_path)
    async with gallery.run_test(size=(100, 60)) as pilot:
        await pilot.pause()
        options = gallery.query_one(OptionList)
        listed = [str(options.get_option_at_index(i).prompt) for i in range(options.option_count)]

    assert [path.stem for path in latest(tmp_path)] == ["new", "old"]
    for each in bundled_scenarios.all():
        assert any(each.name in line for line in listed)
    assert [line.strip() for line in listed if line.strip() in ("new", "old")] == ["new", "old"]


@async_test
async def test_a_script_of_the_user_is_run(tmp_path: Path) -> None:
    """With its arguments, as typed in a shell."""
    gallery = Gallery(settings=Settings(), folder=tmp_path)
    async with gallery.run_test(size=(100, 30)) as pilot:
        await pilot.press("s")
        gallery.query_one(Input).value = "app.py --name 'two words'"
        await pilot.press("enter")

    assert gallery.return_value is not None
    assert gallery.return_value.arguments == ("app.py", "--name", "two words")


@async_test
async def test_the_gallery_shows_whole_titles_at_usual_widths(tmp_path: Path) -> None:
    """And the key that runs one; a very narrow one cuts the ends."""
    for width in (40, 80, 120, 200):
        gallery = Gallery(settings=Settings(), folder=tmp_path)
        async with gallery.run_test(size=(width, 40)) as pilot:
            await pilot.pause()
            lines = [strip.text for strip in strips_of(gallery)]

            for each in bundled_scenarios.all():
                line = next(line for line in lines if line.strip().startswith(f"{each.name} "))
                assert (each.title if width >= 80 else each.title[:15]) in line
            assert "Run or open" in lines[-1]


@async_test
async def test_the_prompt_for_a_script_is_visible(tmp_path: Path) -> None:
    """It is not covered by the footer."""
    gallery = Gallery(settings=Settings(), folder=tmp_path)
    async with gallery.run_test(size=(80, 24)) as pilot:
        await pilot.press("s")
        prompt, footer = gallery.query_one(Input), gallery.query_one(Footer)

        assert prompt.region.height == 1
        assert not prompt.region.overlaps(footer.region)


@async_test
async def test_the_gallery_can_be_left_without_a_choice(tmp_path: Path) -> None:
    """By q."""
    gallery = Gallery(settings=Settings(), folder=tmp_path / "none")
    async with gallery.run_test(size=(80, 24)) as pilot:
        await pilot.press("q")

    assert gallery.return_value is None
