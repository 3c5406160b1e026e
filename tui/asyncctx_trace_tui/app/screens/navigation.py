"""Key bindings that move the play head and the viewport."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.screen import Screen

from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.state import ViewState

__all__ = ["NavigationScreen"]


class NavigationScreen(Screen[None]):
    """A screen with these bindings; subclasses compose the widgets."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "play", "Play", id="play", tooltip="Play or pause"),
        Binding("left,h", "nudge(-1)", "Move", key_display="←/→", id="left",
                tooltip="Move the play head one column back"),
        Binding("right,l", "nudge(1)", "Move right", show=False, id="right",
                tooltip="Move the play head one column forward"),
        Binding("shift+left,H", "nudge(-10)", "Move far left", show=False, id="far-left",
                tooltip="Move the play head ten columns back"),
        Binding("shift+right,L", "nudge(10)", "Move far right", show=False, id="far-right",
                tooltip="Move the play head ten columns forward"),
        Binding("comma", "step(-1)", "Event", key_display=",/.", id="previous-event",
                tooltip="Go to the previous event"),
        Binding("full_stop", "step(1)", "Next event", show=False, id="next-event",
                tooltip="Go to the next event"),
        Binding("less_than_sign", "step_task(-1)", "Task's previous event", show=False,
                id="previous-event-of-task",
                tooltip="Go to the previous event of the selected task"),
        Binding("greater_than_sign", "step_task(1)", "Task's next event", show=False,
                id="next-event-of-task",
                tooltip="Go to the next event of the selected task"),
        Binding("left_curly_bracket", "step_resource(-1)", "Resource's previous event",
                show=False, id="previous-event-of-resource",
                tooltip="Go to the previous event of the selected resource"),
        Binding("right_curly_bracket", "step_resource(1)", "Resource's next event", show=False,
                id="next-event-of-resource",
                tooltip="Go to the next event of the selected resource"),
        Binding("e", "problem(1)", "Problem", key_display="e/E", id="next-problem",
                tooltip="Go to the next error, cancellation, timeout, long wait or finding"),
        Binding("E", "problem(-1)", "Previous problem", show=False, id="previous-problem",
                tooltip="Go to the previous error, cancellation, timeout, long wait or finding"),
        Binding("plus,equals_sign,w", "zoom(1)", "Zoom", key_display="+/-", id="zoom-in",
                tooltip="Zoom in at the play head"),
        Binding("minus,s", "zoom(-1)", "Zoom out", show=False, id="zoom-out",
                tooltip="Zoom out"),
        Binding("left_square_bracket", "slower", "Speed", key_display="[/]", id="slower",
                tooltip="Play slower, down to ×0.01"),
        Binding("right_square_bracket", "faster", "Faster", show=False, id="faster",
                tooltip="Play faster, up to ×100"),
        Binding("r", "reverse", "Reverse", show=False, id="reverse",
                tooltip="Reverse the direction of play"),
        Binding("g", "go_to_start", "Start/end", key_display="g/G", id="start",
                tooltip="Go to the start"),
        Binding("end,G", "go_to_end", "End", show=False, id="end",
                tooltip="Go to the end; follow a running program"),
        Binding("a", "pan(-1)", "Pan left", show=False, id="pan-left",
                tooltip="Scroll the timeline left"),
        Binding("d", "pan(1)", "Pan right", show=False, id="pan-right",
                tooltip="Scroll the timeline right"),
        Binding("f", "fit", "Fit", show=False, id="fit", tooltip="Show the whole recording"),
        Binding("z", "fit_selection", "Fit selection", show=False, id="fit-selection",
                tooltip="Zoom to the selected wait or acquisition, or to the time from A to B"),
        Binding("W", "time_of_day", "Time of day", show=False, id="time-of-day",
                tooltip="Show times of day, or times since the start"),
        Binding("m", "mark", "Mark", id="mark",
                tooltip="Set mark A, then mark B, at the play head; a third one starts again"),
        Binding("apostrophe", "go_to_mark", "To mark", show=False, id="to-mark",
                tooltip="Go to the next mark: A, B, or one that the program made"),
        Binding("escape", "clear", "Clear", show=False, id="forget",
                tooltip="Clear the selection and marks A and B; cancel saving"),
    ]  # fmt: skip

    def __init__(self, state: ViewState, glyphs: Glyphs) -> None:
        super().__init__()
        self.state = state
        self.glyphs = glyphs

    def action_play(self) -> None:
        """Play or pause."""
        self.state.clear_selection()
        self.state.playback.toggle()

    def action_nudge(self, columns: int) -> None:
        """Move the play head by a number of columns."""
        self.state.nudge(columns)

    def action_step(self, by: int) -> None:
        """Go to the next or previous event."""
        if not self.state.step(by):
            self.app.bell()

    def action_step_task(self, by: int) -> None:
        """Go to the next or previous event of the selected task."""
        state = self.state
        task = state.task or 0
        rows = state.timeline.rows_of_task.get(task, ())
        if not state.step_among(rows, by, state.waits_around(task)):
            self.app.bell()

    def action_step_resource(self, by: int) -> None:
        """Go to the next or previous event of the selected resource."""
        state = self.state
        resource = state.resource = state.selected_resource
        if not state.step_among(state.timeline.rows_of_resource.get(resource or 0, ()), by):
            self.app.bell()

    def action_problem(self, by: int) -> None:
        """Go to the next or previous problem, and show what it is."""
        none = self.state.jump_to_problem(by)
        if none:
            self.notify(none, timeout=4, markup=False)

    def action_zoom(self, by: int) -> None:
        """Zoom in or out."""
        self.state.zoom(by)

    def action_slower(self) -> None:
        """Switch to the next lower speed."""
        self.state.playback.slower()

    def action_faster(self) -> None:
        """Switch to the next higher speed."""
        self.state.playback.faster()

    def action_reverse(self) -> None:
        """Reverse the direction of play."""
        self.state.playback.reverse()

    def action_go_to_start(self) -> None:
        """Move the play head to the start."""
        self.state.playback.pause()
        self.state.go(self.state.origin)

    def action_go_to_end(self) -> None:
        """Move the play head to the end, and follow a running program."""
        state = self.state
        state.playback.pause()
        state.go(state.playback.last)
        if state.live:
            state.playback.follow()

    def action_pan(self, by: int) -> None:
        """Scroll the viewport by an eighth of its width."""
        self.state.pan(by * max(1, self.state.viewport.width // 8))

    def action_fit(self) -> None:
        """Show the whole recording."""
        self.state.fit()

    def action_fit_selection(self) -> None:
        """Show the selection."""
        self.state.fit_selection()

    def action_time_of_day(self) -> None:
        """Show times of day, or times since the start."""
        if self.state.midnight is None:
            self.notify("the recording has no time of day", timeout=2)
        else:
            self.state.shows_time_of_day = not self.state.shows_time_of_day

    def action_mark(self) -> None:
        """Set a mark at the play head."""
        letter = self.state.mark()
        self.notify(f"mark {letter} set", timeout=2)

    def action_go_to_mark(self) -> None:
        """Go to the next mark; after the last one, to the first."""
        recorded = [mark.at for mark in self.state.timeline.marks]
        marks = sorted([*recorded, *self.state.marks.values()])
        if marks:
            later = [at for at in marks if at > self.state.playback.at]
            self.state.playback.pause()
            self.state.go((later or marks)[0])

    def action_clear(self) -> None:
        """Cancel saving; if nothing is saved, clear the marks and the selection."""
        if self.state.saving is not None:
            self.state.saving.cancel()
            self.state.saving = None
            return
        self.app.clear_notifications()
        self.state.marks.clear()
        self.state.clear_selection()
