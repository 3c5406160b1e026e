"""The screen of one recording: its lanes, what holds at the play head, what was printed."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import Footer

from asyncctx_trace_tui.drawing import Glyphs
from asyncctx_trace_tui.scene import Scene
from asyncctx_trace_tui.widgets.lanes import Lanes
from asyncctx_trace_tui.widgets.output import Output
from asyncctx_trace_tui.widgets.ruler import Ruler
from asyncctx_trace_tui.widgets.sentences import Sentences
from asyncctx_trace_tui.widgets.title import Title
from asyncctx_trace_tui.widgets.view import SceneView

__all__ = ["TraceScreen"]


_WIDTHS = [(0, "-narrow"), (110, "-wide")]
_HEIGHTS = [(0, "-short"), (45, "-tall")]


class TraceScreen(Screen[None]):
    """Everything about one recording, at one play head."""

    CSS = """
    #below { height: 9; }
    #below.-tall { height: 14; }
    TraceScreen.-wide #below { layout: horizontal; height: 10; }
    TraceScreen.-wide.-tall #below { height: 14; }
    TraceScreen.-wide #sentences { width: 1fr; height: 100%; }
    TraceScreen.-wide #output { width: 1fr; height: 100%; }
    #sentences { height: 4; }
    """

    HORIZONTAL_BREAKPOINTS = _WIDTHS
    VERTICAL_BREAKPOINTS = _HEIGHTS

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "play", "Play", id="play"),
        Binding("left,h", "nudge(-1)", "Move", key_display="←/→", id="left"),
        Binding("right,l", "nudge(1)", "On", show=False, id="right"),
        Binding("shift+left,H", "nudge(-10)", "Far back", show=False, id="far-left"),
        Binding("shift+right,L", "nudge(10)", "Far on", show=False, id="far-right"),
        Binding("comma", "step(-1)", "Fact", key_display=",/.", id="previous-fact"),
        Binding("full_stop", "step(1)", "Next fact", show=False, id="next-fact"),
        Binding("plus,equals_sign,w", "zoom(1)", "Zoom", key_display="+/-", id="zoom-in"),
        Binding("minus,s", "zoom(-1)", "Zoom out", show=False, id="zoom-out"),
        Binding("left_square_bracket", "slower", "Speed", key_display="[/]", id="slower"),
        Binding("right_square_bracket", "faster", "Faster", show=False, id="faster"),
        Binding("home,g", "go_to_start", "Start, end", key_display="Home/End", id="start"),
        Binding("end,G", "go_to_end", "End", show=False, id="end"),
        Binding("a", "pan(-1)", "Pan left", show=False, id="pan-left"),
        Binding("d", "pan(1)", "Pan right", show=False, id="pan-right"),
        Binding("f", "fit", "Fit", id="fit"),
        Binding("up,k", "select(-1)", "Task above", show=False, id="task-up"),
        Binding("down,j", "select(1)", "Task below", show=False, id="task-down"),
        Binding("r", "turn", "Reverse", show=False, id="reverse"),
    ]

    def __init__(self, scene: Scene, glyphs: Glyphs) -> None:
        super().__init__()
        self.scene = scene
        self.glyphs = glyphs

    def compose(self) -> ComposeResult:
        yield Title(self.scene, self.glyphs)
        yield Ruler(self.scene, self.glyphs)
        yield Lanes(self.scene, self.glyphs)
        with Container(id="below"):
            yield Sentences(self.scene, self.glyphs)
            yield Output(self.scene, self.glyphs)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self.query_one(Lanes).focus()

    def follow_scene(self) -> None:
        """Show what the scene has come to be."""
        for view in self.query(SceneView):
            if view.region.area:
                view.follow_scene()

    # -- keys -------------------------------------------------------------------------------

    def action_play(self) -> None:
        """Play or stand still."""
        self.scene.playback.toggle()

    def action_nudge(self, columns: int) -> None:
        """Move the play head by columns."""
        self.scene.nudge(columns)

    def action_step(self, by: int) -> None:
        """Go to the next or the previous fact."""
        if not self.scene.step(by):
            self.app.bell()

    def action_zoom(self, by: int) -> None:
        """Look closer, or from further away."""
        self.scene.zoom(by)

    def action_slower(self) -> None:
        """Replay at the next lower speed."""
        self.scene.playback.slower()

    def action_faster(self) -> None:
        """Replay at the next higher speed."""
        self.scene.playback.faster()

    def action_turn(self) -> None:
        """Replay the other way."""
        self.scene.playback.turn()

    def action_go_to_start(self) -> None:
        """The play head goes to the first fact."""
        self.scene.playback.pause()
        self.scene.go(self.scene.origin)

    def action_go_to_end(self) -> None:
        """The play head goes to the end; while the program runs, it stays there."""
        if self.scene.live:
            self.scene.playback.follow()
        else:
            self.scene.playback.pause()
            self.scene.go(self.scene.playback.last)
        self.scene.keep_head_in_view()

    def action_pan(self, by: int) -> None:
        """Move the window by an eighth of itself."""
        self.scene.pan(by * max(1, self.scene.viewport.width // 8))

    def action_fit(self) -> None:
        """Have all of the recording in view."""
        self.scene.fit()

    def action_select(self, by: int) -> None:
        """Select the task above or below."""
        self.scene.select_task(by)
        self.query_one(Lanes).show_selected()

    # -- the mouse --------------------------------------------------------------------------

    @on(Lanes.Clicked)
    def _lane_clicked(self, message: Lanes.Clicked) -> None:
        self.scene.task = message.task
        if message.at is not None:
            self.scene.playback.pause()
            self.scene.go(message.at)

    @on(Output.Chosen)
    def _line_chosen(self, message: Output.Chosen) -> None:
        self.scene.playback.pause()
        self.scene.go(message.at)
