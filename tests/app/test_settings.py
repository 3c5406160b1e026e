"""What is remembered, and what the user may change."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.loops import in_a_loop
from app.screens import staged
from app.stories import three_workers
from asyncctx_trace_tui.app.application import TraceApp
from asyncctx_trace_tui.app.screens.trace_screen import sections
from asyncctx_trace_tui.app.themes import THEMES
from asyncctx_trace_tui.storage.app_settings import KeymapError, Settings, load, load_keymap, save


@pytest.fixture
def workers(tmp_path: Path) -> Path:
    """The finished recording of three workers at one lock."""
    return three_workers(tmp_path / "x.actx").end(320)


def test_settings_come_back_as_they_were_saved(tmp_path: Path) -> None:
    """Whole, and readable by a person."""
    path = tmp_path / "folder" / "settings.json"
    saved = Settings(theme="asyncctx-light", ascii=True)
    save(saved, path)

    assert load(path) == saved


@pytest.mark.parametrize("content", ["", "nonsense", "[]", '{"theme": 7, "ascii": "yes"}'])
def test_settings_that_make_no_sense_are_as_at_first(tmp_path: Path, content: str) -> None:
    """A damaged file keeps nobody from working."""
    path = tmp_path / "settings.json"
    path.write_text(content)

    assert load(path) == load(tmp_path / "none")


@pytest.mark.parametrize("content", ["play = 7", "play ="])
def test_a_keymap_that_cannot_be_used_says_why(tmp_path: Path, content: str) -> None:
    """With the file's name, in one line."""
    path = tmp_path / "keymap.toml"
    path.write_text(content)
    with pytest.raises(KeymapError) as told:
        load_keymap(path)

    assert str(path) in str(told.value)


@in_a_loop
async def test_a_key_can_be_changed(workers: Path) -> None:
    """The new one works, the old one no more."""
    async with staged(workers) as stage:
        stage.app.set_keymap({"play": "P"})
        await stage.press("space")
        still = stage.app.state.playback.playing
        await stage.press("P")

        assert still
        assert not stage.app.state.playback.playing


def test_the_user_s_own_settings_and_keys_are_used_and_kept(
    workers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From one start of the app to the next."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "asyncctx-trace"
    folder.mkdir()
    (folder / "keymap.toml").write_text('theme = "F5"\n')

    @in_a_loop
    async def change() -> None:
        app = TraceApp(workers)
        async with app.run_test() as pilot:
            await pilot.pause()
            await pilot.press("F5", "A")
            await pilot.pause()

    change()

    assert load() == Settings(theme=THEMES[1].name, ascii=True)


@pytest.mark.parametrize("theme", [theme.name for theme in THEMES])
@in_a_loop
async def test_phases_have_colours_of_their_own_in_every_theme(workers: Path, theme: str) -> None:
    """Waiting, holding, cleaning up, trouble, and the paper below them."""
    async with staged(workers, settings=Settings(theme=theme)) as stage:
        palette = stage.app.screen.query_one("#lanes").palette  # type: ignore[attr-defined]
        names = ("wait", "hold", "cleanup", "error", "idle")
        colours = {palette.style(name).color for name in names}

        assert len(colours | {palette.style("text").bgcolor}) == len(names) + 1


def test_a_keymap_that_names_no_command_says_which(
    workers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other keys in it are used all the same."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "asyncctx-trace"
    folder.mkdir()
    (folder / "keymap.toml").write_text('plai = "P"\nreverse = "f7"\n')

    @in_a_loop
    async def check() -> None:
        app = TraceApp(workers)
        async with app.run_test(size=(100, 30), notifications=True) as pilot:
            await pilot.press("f7")
            await pilot.pause()

            assert app.state.playback.backwards
            assert [n.message for n in app._notifications] == [
                "unknown command in the keymap: plai; docs/app.md lists all"
            ]

    check()


@in_a_loop
async def test_ascii_draws_no_other_glyph_of_its_own(workers: Path) -> None:
    """In every view; only words may have signs like µ, · and ×."""
    async with staged(workers, settings=Settings(ascii=True)) as stage:
        await stage.settle(60)
        await stage.press("space")
        for view in "12345678":
            await stage.press(view)
            ours = "".join(stage.lines[:-1])
            borders = set("─▄▂▁▃▅▆▇█▊▎▌▍▋▉▏")  # Textual's own titles and scroll bars

            assert {each for each in ours if not each.isascii()} - borders <= set("µ·×…")


@in_a_loop
async def test_every_key_is_written_down(workers: Path) -> None:
    """With what it does, and the name under which a keymap changes it."""
    page = (Path(__file__).parents[2] / "docs" / "app.md").read_text("utf-8")
    async with staged(workers) as stage:
        named = [binding for _, bindings in sections(stage.app) for binding in bindings]

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

    @in_a_loop
    async def check() -> None:
        app = TraceApp(workers)
        async with app.run_test(size=(100, 30)):
            assert app.keys == {"previous-event-of-task": "f8"}

    check()


@in_a_loop
async def test_help_and_palette_tell_the_user_s_own_keys(workers: Path) -> None:
    """Whoever has moved a command is told where it is now."""
    async with staged(workers, (120, 80)) as stage:
        stage.app.set_keymap({"reverse": "f7"})
        await stage.press("question_mark")
        helped = next(line for line in stage.lines if "Reverse the direction of play" in line)
        commands = {
            command.title: command.help
            for command in stage.app.get_system_commands(stage.app.trace_screen)
        }

        assert "f7" in helped
        assert commands["Reverse the direction of play"] == "key f7"
        assert commands["Go to the previous event of the selected task"] == "key <"


@pytest.mark.parametrize("width", [60, 80, 100, 200])
@in_a_loop
async def test_the_foot_shows_whole_keys_only(workers: Path, width: int) -> None:
    """So many as there is room for; help and the way out always."""
    async with staged(workers, (width, 24)) as stage:
        await stage.settle()
        foot = stage.lines[-1]
        words = foot.split()

        assert foot.rstrip() == foot.rstrip()[:width]
        assert "? Help q Quit" in foot
        known = (
            "Play Move Event Problem Zoom Speed Ends Mark Search Filter Help Quit Commands Theme"
        )
        assert {word for word in words if len(word) > 1 and word.istitle()} - {"Home/End"} <= {
            *known.split()
        }
        assert ("Theme" in words) == (width == 200)
