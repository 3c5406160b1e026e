"""The keys that move the play head and the window."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.screen import Screen

from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.state import ViewState

__all__ = ["NavigationScreen"]


class NavigationScreen(Screen[None]):
    """A screen over a scene that can be moved through; it shows nothing yet."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "play", "Play", id="play", tooltip="Play or pause"),
        Binding("left,h", "nudge(-1)", "Move", key_display="←/→", id="left",
                tooltip="Move the play head one column back"),
        Binding("right,l", "nudge(1)", "Move on", show=False, id="right",
                tooltip="Move the play head one column forward"),
        Binding("shift+left,H", "nudge(-10)", "Far back", show=False, id="far-left",
                tooltip="Move the play head ten columns back"),
        Binding("shift+right,L", "nudge(10)", "Far on", show=False, id="far-right",
                tooltip="Move the play head ten columns forward"),
        Binding("comma", "step(-1)", "Fact", key_display=",/.", id="previous-fact",
                tooltip="Go to the previous event"),
        Binding("full_stop", "step(1)", "Next fact", show=False, id="next-fact",
                tooltip="Go to the next event"),
        Binding("less_than_sign", "step_task(-1)", "Task's previous fact", show=False,
                id="previous-fact-of-task",
                tooltip="Go to the previous event of the selected task"),
        Binding("greater_than_sign", "step_task(1)", "Task's next fact", show=False,
                id="next-fact-of-task",
                tooltip="Go to the next event of the selected task"),
        Binding("left_curly_bracket", "step_resource(-1)", "Resource's previous fact",
                show=False, id="previous-fact-of-resource",
                tooltip="Go to the previous event of the selected resource"),
        Binding("right_curly_bracket", "step_resource(1)", "Resource's next fact", show=False,
                id="next-fact-of-resource",
                tooltip="Go to the next event of the selected resource"),
        Binding("e", "problem(1)", "Problem", key_display="e/E", id="next-problem",
                tooltip="Go to the next error, cancellation, timeout, long wait or finding"),
        Binding("E", "problem(-1)", "Previous problem", show=False, id="previous-problem",
                tooltip="Go to the previous one"),
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
        Binding("home,g", "go_to_start", "Ends", key_display="Home/End", id="start",
                tooltip="Go to the start"),
        Binding("end,G", "go_to_end", "End", show=False, id="end",
                tooltip="Go to the end; follow a running program"),
        Binding("a", "pan(-1)", "Pan left", show=False, id="pan-left",
                tooltip="Scroll the timeline left"),
        Binding("d", "pan(1)", "Pan right", show=False, id="pan-right",
                tooltip="Scroll the timeline right"),
        Binding("f,0", "fit", "Fit", show=False, id="fit", tooltip="Show the whole recording"),
        Binding("z", "fit_selection", "Fit selection", show=False, id="fit-selection",
                tooltip="Zoom to the selected acquisition, or to the time from A to B"),
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
        """Play or stand still."""
        self.state.row = self.state.resource = None
        self.state.playback.toggle()

    def action_nudge(self, columns: int) -> None:
        """Move the play head by columns."""
        self.state.nudge(columns)

    def action_step(self, by: int) -> None:
        """Go to the next or the previous fact."""
        if not self.state.step(by):
            self.app.bell()

    def action_step_task(self, by: int) -> None:
        """The same among the facts of the selected task."""
        state = self.state
        self._step_among(state.timeline.rows_of_task.get(state.task or 0, ()), by)

    def action_step_resource(self, by: int) -> None:
        """The same among the facts of the selected resource."""
        state = self.state
        resource = state.resource = state.selected_resource
        self._step_among(state.timeline.rows_of_resource.get(resource or 0, ()), by)

    def _step_among(self, rows: Iterable[int], by: int) -> None:
        if not self.state.step_among(rows, by):
            self.app.bell()

    def action_problem(self, by: int) -> None:
        """Go to the next or the previous problem, and say what it is."""
        words = self.state.jump(by)
        if words is None:
            where = "after" if by > 0 else "before"
            self.notify(f"no problem {where} the play head", timeout=2)
        else:
            self.notify(words, timeout=4, markup=False)

    def action_zoom(self, by: int) -> None:
        """Look closer, or from further away."""
        self.state.zoom(by)

    def action_slower(self) -> None:
        """Replay at the next lower speed."""
        self.state.playback.slower()

    def action_faster(self) -> None:
        """Replay at the next higher speed."""
        self.state.playback.faster()

    def action_reverse(self) -> None:
        """Replay the other way."""
        self.state.playback.turn()

    def action_go_to_start(self) -> None:
        """The play head goes to the first fact."""
        self.state.playback.pause()
        self.state.go(self.state.origin)

    def action_go_to_end(self) -> None:
        """The play head goes to the end; while the program runs, it stays there."""
        state = self.state
        state.playback.pause()
        state.go(state.playback.last)
        if state.live:
            state.playback.follow()

    def action_pan(self, by: int) -> None:
        """Move the window by an eighth of itself."""
        self.state.pan(by * max(1, self.state.viewport.width // 8))

    def action_fit(self) -> None:
        """Have all of the recording in view."""
        self.state.fit()

    def action_fit_selection(self) -> None:
        """Have what is selected in view."""
        self.state.fit_selection()

    def action_mark(self) -> None:
        """Put a mark at the play head."""
        letter = self.state.mark()
        self.notify(f"mark {letter} set", timeout=2)

    def action_go_to_mark(self) -> None:
        """Go to the next of the marks, the first after the last."""
        told = [mark.at for mark in self.state.timeline.marks]
        marks = sorted([*told, *self.state.marks.values()])
        if marks:
            later = [at for at in marks if at > self.state.playback.at]
            self.state.playback.pause()
            self.state.go((later or marks)[0])

    def action_clear(self) -> None:
        """Forget what is being saved, or else the marks and what was chosen."""
        if self.state.saving is not None:
            self.state.saving.stop()
            self.state.saving = None
            return
        self.app.clear_notifications()
        self.state.marks.clear()
        self.state.row = self.state.resource = None
