"""The question what happens to a running program when the user quits."""

from __future__ import annotations

from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

__all__ = ["QuitChoice", "QuitDialog"]

QuitChoice = Literal["stop", "leave"]


class QuitDialog(ModalScreen[QuitChoice | None]):
    """Asks whether to stop the program or to leave it running; ``None`` means: do not quit."""

    CSS = """
    QuitDialog { align: center middle; }
    QuitDialog Vertical { width: 60; max-width: 95%; height: auto; padding: 1 2;
                          background: $surface; border: round $accent; }
    QuitDialog OptionList { height: auto; border: none; background: $surface; margin-top: 1; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s,q,ctrl+q,ctrl+c", "choose('stop')", "Stop the program", key_display="s"),
        Binding("l", "choose('leave')", "Leave it running"),
        Binding("escape", "choose", "Back"),
        Binding("j", "cursor(1)", "Down", show=False),
        Binding("k", "cursor(-1)", "Up", show=False),
    ]

    def __init__(self, pid: int, *, can_leave: bool) -> None:
        super().__init__()
        self._pid = pid
        self._can_leave = can_leave

    def compose(self) -> ComposeResult:
        options = [Option("s  Stop the program and quit", id="stop")]
        if self._can_leave:
            options.append(Option("l  Leave it running and recorded, and quit", id="leave"))
        options.append(Option("Esc  Back", id="back"))
        with Vertical():
            yield Static(f"The program is still running (process {self._pid}).")
            yield OptionList(*options, markup=False)

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.action_choose(event.option.id or "")

    def action_choose(self, choice: str = "back") -> None:
        """Close the dialog with a choice."""
        match choice:
            case "stop":
                self.dismiss("stop")
            case "leave" if self._can_leave:
                self.dismiss("leave")
            case "back":
                self.dismiss(None)

    def action_cursor(self, by: int) -> None:
        """Move the highlight down or up."""
        options = self.query_one(OptionList)
        (options.action_cursor_down if by > 0 else options.action_cursor_up)()
