"""Settings that are saved, and key bindings that the user can change."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.async_tests import async_test
from app.builders import three_workers
from app.driver import notifications_of, open_app
from asyncctx_trace_tui.app.application import TraceApp
from asyncctx_trace_tui.app.screens.trace_screen import sections
from asyncctx_trace_tui.app.themes import THEMES
from asyncctx_trace_tui.storage.app_settings import KeymapError, Settings, load, load_keymap, save


@pytest.fixture
def workers(tmp_path: Path) -> Path:
    """Return the finished recording of three workers at one lock."""
    return three_workers(tmp_path / "x.actx").end(320)


def test_settings_are_loaded_as_they_were_saved(tmp_path: Path) -> None:
    """From a file that people can read."""
    path = tmp_path / "folder" / "settings.json"
    saved = Settings(theme="asyncctx-light", ascii=True)
    save(saved, path)

    assert load(path) == saved


@pytest.mark.parametrize("content", ["", "nonsense", "[]", '{"theme": 7, "ascii": "yes"}'])
def test_invalid_settings_are_replaced_by_defaults(tmp_path: Path, content: str) -> None:
    """A damaged file does not keep the app from starting."""
    path = tmp_path / "settings.json"
    path.write_text(content)

    assert load(path) == load(tmp_path / "none")


@pytest.mark.parametrize("content", ["play = 7", "play ="])
def test_an_unusable_keymap_is_reported_with_its_reason(tmp_path: Path, content: str) -> None:
    """In one line, with the name of the file."""
    path = tmp_path / "keymap.toml"
    path.write_text(content)
    with pytest.raises(KeymapError) as raised:
        load_keymap(path)

    assert str(path) in str(raised.value)


@async_test
async def test_a_key_can_be_changed(workers: Path) -> None:
    """The new key works, the old one does not."""
    async with open_app(workers) as driver:
        driver.app.set_keymap({"play": "P"})
        await driver.press("space")
        still = driver.app.state.playback.playing
        await driver.press("P")

        assert still
        assert not driver.app.state.playback.playing


def test_settings_and_keys_of_the_user_are_used_and_saved(
    workers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From one start of the app to the next."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "asyncctx-trace"
    folder.mkdir()
    (folder / "keymap.toml").write_text('theme = "F5"\n')

    @async_test
    async def change() -> None:
        app = TraceApp(workers)
        async with app.run_test() as pilot:
            await pilot.pause()
            await pilot.press("F5", "A")
            await pilot.pause()

    change()

    assert load() == Settings(theme=THEMES[1].name, ascii=True)


@pytest.mark.parametrize("theme", [theme.name for theme in THEMES])
@async_test
async def test_colors_of_phases_differ_in_every_theme(workers: Path, theme: str) -> None:
    """Waiting, holding, cleaning up, errors, and the background."""
    async with open_app(workers, settings=Settings(theme=theme)) as driver:
        palette = driver.app.screen.query_one("#lanes").palette  # type: ignore[attr-defined]  # our lanes
        names = ("wait", "hold", "cleanup", "error", "idle")
        colours = {palette.style(name).color for name in names}

        assert len(colours | {palette.style("text").bgcolor}) == len(names) + 1


def test_an_unknown_command_in_a_keymap_is_named(
    workers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other keys in it are used."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "asyncctx-trace"
    folder.mkdir()
    (folder / "keymap.toml").write_text('plai = "P"\nreverse = "f7"\n')

    @async_test
    async def check() -> None:
        app = TraceApp(workers)
        async with app.run_test(size=(100, 30), notifications=True) as pilot:
            await pilot.press("f7")
            await pilot.pause()

            assert app.state.playback.backwards
            assert notifications_of(app) == [
                "unknown command in the keymap: plai; docs/app.md lists all"
            ]

    check()


@async_test
async def test_ascii_draws_only_ascii_glyphs(workers: Path) -> None:
    """In every view; only text may contain characters such as µ, · and ×."""
    async with open_app(workers, settings=Settings(ascii=True)) as driver:
        await driver.settle(60)
        await driver.press("space")
        for view in "12345678":
            await driver.press(view)
            ours = "".join(driver.lines[:-1])
            borders = set("─▄▂▁▃▅▆▇█▊▎▌▍▋▉▏")  # Textual's own titles and scroll bars

            assert {each for each in ours if not each.isascii()} - borders <= set("µ·×…")


@async_test
async def test_every_key_is_documented(workers: Path) -> None:
    """With its description and the command id for a keymap."""
    page = (Path(__file__).parents[3] / "docs" / "app.md").read_text("utf-8")
    async with open_app(workers) as driver:
        named = [binding for _, bindings in sections(driver.app) for binding in bindings]

        assert len(named) > 40
        rows = [f"| {each.tooltip or each.description} | `{each.id}` |" for each in named]
        assert [row for row in rows if row not in page] == []


def test_a_keymap_with_former_command_ids_still_works(
    workers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ids for stepping through events contained `fact` before."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "asyncctx-trace"
    folder.mkdir()
    (folder / "keymap.toml").write_text('previous-fact-of-task = "f8"\n')

    @async_test
    async def check() -> None:
        app = TraceApp(workers)
        async with app.run_test(size=(100, 30)):
            assert app.keys == {"previous-event-of-task": "f8"}

    check()


@async_test
async def test_help_and_palette_show_changed_keys(workers: Path) -> None:
    """The keys of the user's keymap, not the defaults."""
    async with open_app(workers, (120, 80)) as driver:
        driver.app.set_keymap({"reverse": "f7"})
        await driver.press("question_mark")
        helped = next(line for line in driver.lines if "Reverse the direction of play" in line)
        commands = {
            command.title: command.help
            for command in driver.app.get_system_commands(driver.app.trace_screen)
        }

        assert "f7" in helped
        assert commands["Reverse the direction of play"] == "key f7"
        assert commands["Go to the previous event of the selected task"] == "key <"


@pytest.mark.parametrize("width", [60, 80, 100, 200])
@async_test
async def test_the_footer_shows_whole_bindings_only(workers: Path, width: int) -> None:
    """As many as fit; help and quit always."""
    async with open_app(workers, (width, 24)) as driver:
        await driver.settle()
        foot = driver.lines[-1]
        words = foot.split()

        assert foot.rstrip() == foot.rstrip()[:width]
        assert "? Help q Quit" in foot
        known = {"Play", "Move", "Event", "Problem", "Zoom", "Speed", "Start/end", "g/G"}
        known |= {"Mark", "Search", "Filter", "Help", "Quit", "Commands", "Theme"}
        assert {word for word in words if len(word) > 1 and word.istitle()} <= known
        assert ("Theme" in words) == (width == 200)
