"""Key bindings with a prompt (search, filter, time), and those that arrange the lanes."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Input

from asyncctx_trace.analysis.contention.wait_tree import (
    first_holder,
    prepare_wait_trees,
    wait_tree,
)
from asyncctx_trace_tui.app.screens.navigation import NavigationScreen
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.filters import (
    FilterError,
    Predicate,
    parse,
    parse_prompt_duration,
    parse_waits,
)
from asyncctx_trace_tui.view.state import COMPUTING, ViewState

__all__ = ["PromptScreen", "Prompt"]

_EXAMPLES = {
    "search": "search: a word, or task:worker-* resource:pool wait>5ms outcome:error",
    "filter": "show only tasks with: task:worker-* resource:pool wait>5ms outcome:error",
    "time": "go to a time: 1.5s, 250ms, +10ms, -1s, 1:20, or the time of day 15:04:05",
}


class Prompt(Input):
    """An input line above the footer."""

    DEFAULT_CSS = """
    Prompt { display: none; height: 1; border: none; padding: 0 1; background: $boost; }
    Prompt.-asking { display: block; }
    Prompt:focus { border: none; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "OK", show=True),
        Binding("escape", "leave", "Cancel", show=True),
    ]

    purpose = ""

    def ask(self, purpose: str, value: str = "") -> None:
        """Open the prompt and focus it."""
        self.purpose = purpose
        self.placeholder = _EXAMPLES[purpose]
        self.value = value
        self.add_class("-asking")
        self.focus()

    def action_leave(self) -> None:
        """Close the prompt without an answer."""
        self.remove_class("-asking")
        self.screen.set_focus(None)


class PromptScreen(NavigationScreen):
    """A screen with these bindings."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "ask('search')", "Search", id="search",
                tooltip="Search tasks, resources, sites and errors"),
        Binding("n", "next_match(1)", "Next match", show=False, id="next-match",
                tooltip="Go to the next match"),
        Binding("N", "next_match(-1)", "Previous match", show=False, id="previous-match",
                tooltip="Go to the previous match"),
        Binding("ampersand", "ask('filter')", "Filter", id="filter",
                tooltip="Filter tasks; an empty filter shows all"),
        Binding("t", "ask('time')", "To a time", show=False, id="to-time",
                tooltip="Go to a time"),
        Binding("u", "blame", "Who blocks", show=False, id="blame",
                tooltip="Select the task that the selected task waits for"),
        Binding("o", "sort", "Sort", show=False, id="sort",
                tooltip="Sort lanes by first event, wait or hold; in view 6, sort the table"),
        Binding("p", "pin", "Pin", show=False, id="pin",
                tooltip="Pin the lane to the top, or unpin it"),
        Binding("c", "fold", "Fold", show=False, id="fold",
                tooltip="Fold or unfold the nested acquisitions of the lane"),
    ]  # fmt: skip

    def __init__(self, state: ViewState, glyphs: Glyphs) -> None:
        super().__init__(state, glyphs)
        self._search: tuple[Predicate, Predicate] | None = None
        """What matches acquisitions, and waits for other things."""

    def action_ask(self, purpose: str) -> None:
        """Open the prompt."""
        value = self.state.lane_order.expression if purpose == "filter" else ""
        self.query_one(Prompt).ask(purpose, value)

    @on(Prompt.Submitted)
    def _answered(self, event: Prompt.Submitted) -> None:
        prompt = self.query_one(Prompt)
        try:
            match prompt.purpose:
                case "search":
                    search, waits = parse(event.value), parse_waits(event.value)
                    self._search = None if search is None or waits is None else (search, waits)
                    self.action_next_match(1)
                case "filter":
                    self.state.lane_order.filter(event.value)
                case "time":
                    self._go_to(event.value.strip())
        except FilterError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        prompt.action_leave()

    def action_next_match(self, by: int) -> None:
        """Go to the next or previous match of the search."""
        if self._search is None:
            self.notify("nothing to search for: press /", timeout=2)
        elif not self.state.find(*self._search, by):
            self.notify("no match", severity="warning", timeout=2)

    def _go_to(self, time: str) -> None:
        state = self.state
        if ":" in time:
            at = state.time_at(time)
            if at is None:
                raise FilterError(f"invalid time {time!r}; use for example 15:04:05 or 1:20")
            state.playback.pause()
            state.go(at)
            return
        at = parse_prompt_duration(time.lstrip("+-"))
        if time.startswith("+"):
            at += state.playback.at
        elif time.startswith("-"):
            at = state.playback.at - at
        else:
            at += state.origin
        state.playback.pause()
        state.go(at)

    def action_blame(self) -> None:
        """Select the task that blocks the selected task."""
        state = self.state
        if state.task is None:
            return
        if not state.answer(prepare_wait_trees):
            self.notify(COMPUTING, timeout=2)
            return
        node = first_holder(wait_tree(state.snapshot, state.task, state.playback.at))
        if node is None:
            self.notify("the selected task waits for no task", timeout=2)
        else:
            state.clear_selection()
            state.task = node.task

    def action_sort(self) -> None:
        """Sort the lanes by the next key."""
        self.notify(f"lanes sorted by {self.state.lane_order.next_sort()}", timeout=2)

    def action_pin(self) -> None:
        """Pin the selected lane to the top, or unpin it."""
        if self.state.task is not None:
            self.state.lane_order.pin(self.state.task)

    def action_fold(self) -> None:
        """Fold or unfold the selected lane."""
        state = self.state
        if state.task is not None:
            group = state.arrangement.group_of(state.task)
            state.lane_order.fold(state.task, None if group is None else group.key)
