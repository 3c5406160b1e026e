"""The gallery: bundled scenarios, latest recordings, or a script of the user."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Footer, Input, OptionList, Static
from textual.widgets.option_list import Option

from asyncctx_trace.model.text import plain
from asyncctx_trace_tui.app.themes import THEMES
from asyncctx_trace_tui.app.widgets.palette import DEFAULTS
from asyncctx_trace_tui.run import bundled_scenarios
from asyncctx_trace_tui.storage import user_paths
from asyncctx_trace_tui.storage.app_settings import DEFAULT_THEME, Settings, load

__all__ = ["Choice", "Gallery", "latest"]

_LATEST = 20
_WIDTHS: list[tuple[int, str]] = [(0, "-narrow"), (116, "-wide")]
"""Below the second width, the story is shown under the list."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen subcommand with its arguments."""

    command: str
    arguments: tuple[str, ...]
    title: str = ""
    story: str = ""


def latest(folder: Path) -> list[Path]:
    """Return the latest recordings in ``folder``, newest first; none if there is no folder."""
    try:
        found = [(path.stat().st_mtime, path) for path in folder.glob("*.actx")]
    except OSError:
        return []
    return [path for _, path in sorted(found, reverse=True)[:_LATEST]]


class _Choices(OptionList):
    """The list, whose Enter key is shown in the footer."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select", "Run or open")]


class Gallery(App[Choice]):
    """The app that returns the user's choice, or ``None``."""

    TITLE = "asyncctx-trace"
    ENABLE_COMMAND_PALETTE = False

    CSS = """
    #title { height: 1; padding: 0 1; background: $panel; text-style: bold; }
    OptionList { width: 76; border: none; background: $background; text-wrap: nowrap;
                 text-overflow: ellipsis; }
    #story { width: 1fr; padding: 1 2; border-left: solid $foreground 20%; }
    #story Static { height: auto; }
    Screen.-narrow Horizontal { layout: vertical; }
    Screen.-narrow OptionList { width: 100%; height: 1fr; max-height: 100%; }
    Screen.-narrow #story { width: 100%; height: 40%; padding: 0 2; border-left: none;
                            border-top: solid $foreground 20%; }
    #script { display: none; border: none; height: 1; padding: 0 1; background: $boost; }
    #script.-asking { display: block; }
    """

    HORIZONTAL_BREAKPOINTS = _WIDTHS

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor(1)", "Down", show=False),
        Binding("k", "cursor(-1)", "Up", show=False),
        Binding("s", "script", "Trace your own script"),
        Binding("q,ctrl+q,ctrl+c", "leave", "Quit", key_display="q"),
    ]

    def __init__(
        self,
        *,
        settings: Settings | None = None,
        folder: Path | None = None,
        highlight: int = 0,
    ) -> None:
        """``folder`` contains the recordings; ``highlight`` is the index of the initial entry."""
        super().__init__()
        self._settings = settings or load()
        self._folder = folder or user_paths.recordings()
        self._choices: dict[str, Choice] = {}
        self.highlight = highlight
        for theme in THEMES:
            self.register_theme(theme)
        known = self._settings.theme in self.available_themes
        self.theme = self._settings.theme if known else DEFAULT_THEME

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return DEFAULTS

    def compose(self) -> ComposeResult:
        yield Static("asyncctx-trace: see what every `async with` does", id="title", markup=False)
        with Horizontal():
            yield _Choices(*self._options(), markup=False)
            with VerticalScroll(id="story", can_focus=False):
                yield Static(markup=False)
        yield Input(
            id="script", placeholder="a script and its arguments, or -m module; Enter runs it"
        )
        yield Footer(compact=True)

    def on_mount(self) -> None:
        options = self.query_one(OptionList)
        options.focus()
        options.highlighted = min(self.highlight, options.option_count - 1)
        if options.highlighted_option is not None and options.highlighted_option.disabled:
            options.action_cursor_down()

    def _options(self) -> Iterable[Option | None]:
        yield Option(Text("Scenarios", "dim"), disabled=True)
        for each in bundled_scenarios.all():
            choice = Choice("run", (str(each.path),), each.title, _flowing(each.story))
            yield self._option(f"{each.name:<12} {each.title}", choice)
        yield None
        yield Option(Text("Latest recordings", "dim"), disabled=True)
        found = latest(self._folder)
        for path in found:
            yield self._option(path.stem, Choice("replay", (str(path),), path.name, _about(path)))
        if not found:
            yield Option(Text("  none yet", "dim"), disabled=True)
        yield None
        yield self._option(
            "Trace your own script…",
            Choice(
                "ask",
                (),
                "Trace your own script",
                "Run any script or module as plain Python does, and trace every `async with` "
                "in it. The script needs no changes.",
            ),
        )

    def _option(self, text: str, choice: Choice) -> Option:
        id = f"choice-{len(self._choices)}"
        self._choices[id] = choice
        return Option(Text(f"  {plain(text)}"), id=id)

    @on(OptionList.OptionHighlighted)
    def _show_story(self, event: OptionList.OptionHighlighted) -> None:
        choice = self._choices.get(event.option.id or "")
        if choice is not None:
            story = Text(f"{choice.title}\n\n", "bold")
            story.append(Text(choice.story, "not bold"))
            self.query_one("#story Static", Static).update(story)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.highlight = event.option_index
        choice = self._choices.get(event.option.id or "")
        if choice is None:
            return
        if choice.command == "ask":
            self.action_script()
        else:
            self.exit(choice)

    @on(Input.Submitted)
    def _script_given(self, event: Input.Submitted) -> None:
        import shlex

        try:
            arguments = shlex.split(event.value)
        except ValueError:
            self.notify("missing closing quotation mark", severity="error")
            return
        if arguments:
            self.exit(Choice("run", tuple(arguments)))

    def action_cursor(self, by: int) -> None:
        """Move the highlight up or down."""
        options = self.query_one(OptionList)
        (options.action_cursor_down if by > 0 else options.action_cursor_up)()

    def action_script(self) -> None:
        """Open the prompt for a script."""
        script = self.query_one("#script", Input)
        script.add_class("-asking")
        script.focus()

    def action_leave(self) -> None:
        """Quit without a choice."""
        self.exit(None)


def _about(path: Path) -> str:
    seen = path.stat()
    when = datetime.fromtimestamp(seen.st_mtime).astimezone()
    return f"recorded {when:%Y-%m-%d %H:%M}, {seen.st_size / 1e6:.1f} MB\n\n{path}"


def _flowing(text: str) -> str:
    """Join the lines of each paragraph, so that the screen can wrap them."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
