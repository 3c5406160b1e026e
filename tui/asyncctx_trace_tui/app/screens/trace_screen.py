"""The screen of a recording: nine views that share one play head."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import ContentSwitcher

from asyncctx_trace_tui.app.screens.help_screen import Help, Section
from asyncctx_trace_tui.app.screens.navigation import NavigationScreen
from asyncctx_trace_tui.app.screens.prompts import Prompt, PromptScreen
from asyncctx_trace_tui.app.screens.what_if_screen import WhatIfScreen
from asyncctx_trace_tui.app.widgets.bars.key_bar import Keys
from asyncctx_trace_tui.app.widgets.bars.legend import Legend
from asyncctx_trace_tui.app.widgets.bars.minimap import Minimap
from asyncctx_trace_tui.app.widgets.bars.time_ruler import Ruler
from asyncctx_trace_tui.app.widgets.bars.title_bar import Title
from asyncctx_trace_tui.app.widgets.bars.view_bar import VIEWS, ViewBar
from asyncctx_trace_tui.app.widgets.panes.acquisition_details import Details
from asyncctx_trace_tui.app.widgets.panes.cleanup_order import Cleanup
from asyncctx_trace_tui.app.widgets.panes.findings_list import FindingList, Findings
from asyncctx_trace_tui.app.widgets.panes.narration_panel import Sentences
from asyncctx_trace_tui.app.widgets.panes.overview_page import OverviewPage
from asyncctx_trace_tui.app.widgets.panes.problem_panel import ProblemPanel
from asyncctx_trace_tui.app.widgets.panes.program_output import Output
from asyncctx_trace_tui.app.widgets.panes.report_table import Report
from asyncctx_trace_tui.app.widgets.panes.resource_lanes import Resources
from asyncctx_trace_tui.app.widgets.panes.source_code import Source
from asyncctx_trace_tui.app.widgets.panes.task_lanes import Lanes
from asyncctx_trace_tui.app.widgets.panes.tour_panel import TourPanel
from asyncctx_trace_tui.app.widgets.panes.wait_chains import Waits
from asyncctx_trace_tui.app.widgets.state_widget import StateWidget
from asyncctx_trace_tui.app.widgets.text_page import TextPage
from asyncctx_trace_tui.app.widgets.time_rows import TimeRows
from asyncctx_trace_tui.run import bundled_scenarios
from asyncctx_trace_tui.run.bundled_scenarios import Scenario
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.lane_view.lane_lines import LaneLine
from asyncctx_trace_tui.view.lanes.arrangement import OpenGroup
from asyncctx_trace_tui.view.lanes.task_groups import LaneGroup
from asyncctx_trace_tui.view.resource_view.resource_lines import ResourceLine
from asyncctx_trace_tui.view.state import ViewState
from asyncctx_trace_tui.view.tours.overview_steps import overview_steps
from asyncctx_trace_tui.view.tours.story import story_steps
from asyncctx_trace_tui.view.tours.tour import Tour

__all__ = ["TraceScreen", "own_bindings", "sections"]

_WIDTHS = [(0, "-narrow"), (110, "-wide")]
_KEYS_OF_VIEW = {"waits": ("blame",), "findings": ("table", "sort")}
"""View -> ids of the bindings that the footer shows in it as well."""
_MORE_KEYS = {"overview": ("home",)}
"""View -> keys that show it besides its number."""
_HEIGHTS = [(0, "-short"), (32, "-middle"), (45, "-tall")]


class TraceScreen(PromptScreen):
    """The views of a recording; the keys 0 to 8 select one."""

    CSS = """
    #main { height: 1fr; }
    #below { height: 9; }
    #sentences { height: 4; }
    TraceScreen.-wide #below { layout: horizontal; height: 10; }
    TraceScreen.-wide.-tall #below { height: 14; }
    TraceScreen.-wide #sentences { width: 1fr; height: 100%; }
    TraceScreen.-wide #output { width: 1fr; height: 100%; }
    TraceScreen.-page.-short #output { display: none; }
    TraceScreen.-page.-short #below { height: 4; }
    TraceScreen.-narrow.-queue #output { display: none; }
    TraceScreen.-narrow.-queue #sentences { height: 9; }
    TraceScreen.-view-output #below { display: none; }
    TraceScreen.-view-overview #below { display: none; }
    TraceScreen.-view-overview.-tall #below { display: block; }
    TraceScreen.-view-overview Ruler, TraceScreen.-view-overview TourPanel { display: none; }
    TraceScreen.-legend.-view-tasks Legend { display: block; }
    TraceScreen.-legend.-view-resources Legend { display: block; }
    TraceScreen.-touring.-short #output { display: none; }
    TraceScreen.-touring.-short #below { height: 4; }
    TraceScreen.-at-problem ProblemPanel { display: block; }
    TraceScreen.-silent #below #output { display: none; }
    TraceScreen.-silent #sentences { height: 100%; }
    TraceScreen.-silent.-narrow #below { height: 5; }
    TraceScreen.-silent.-narrow.-queue #below { height: 9; }
    """

    HORIZONTAL_BREAKPOINTS = _WIDTHS
    VERTICAL_BREAKPOINTS = _HEIGHTS

    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(",".join([str(number), *_MORE_KEYS.get(view, ())]), f"view('{view}')",
                    view.capitalize(), show=False, id=view,
                    tooltip=f"Show the view {view}")
            for number, view in enumerate(VIEWS)
        ),
        Binding("up,k", "select(-1)", "Task above", show=False, id="up",
                tooltip="Select the task above"),
        Binding("down,j", "select(1)", "Task below", show=False, id="down",
                tooltip="Select the task below"),
        Binding("enter", "open", "Open", show=False, id="open",
                tooltip="Open the group of tasks or resources, or close it"),
        Binding("b", "table", "Next table", show=False, id="table",
                tooltip="In view 6, show the next table of the report"),
        Binding("v", "what_if", "What if", show=False, id="what-if",
                tooltip="Change capacities, and see what the waits would be"),
        Binding("question_mark", "help", "Help", id="help", tooltip="Show the help"),
    ]  # fmt: skip

    def __init__(self, state: ViewState, glyphs: Glyphs, first_view: str = VIEWS[0]) -> None:
        super().__init__(state, glyphs)
        self._first_view = first_view
        self.tour: Tour | None = None
        """The tour that is walked through, if any."""
        self._scenario: Scenario | None = None
        """The bundled scenario that is recorded, if any."""
        self._known_sites = 0
        """The number of sites among which the scenario was looked for."""

    def compose(self) -> ComposeResult:
        state, glyphs = self.state, self.glyphs
        yield Title(state, glyphs)
        yield ViewBar(state, glyphs)
        yield Minimap(state, glyphs)
        yield Ruler(state, glyphs)
        with ContentSwitcher(initial="overview", id="main"):
            yield OverviewPage(state, glyphs)
            yield Lanes(state, glyphs)
            yield Resources(state, glyphs)
            yield Waits(state, glyphs, id="waits")
            yield Cleanup(state, glyphs, id="cleanup")
            yield Source(state, glyphs, id="source")
            yield Findings(state, glyphs)
            yield Output(state, glyphs, id="output-page")
            yield Details(state, glyphs, id="details")
        yield Legend(state, glyphs)
        with Container(id="below"):
            yield Sentences(state, glyphs)
            yield Output(state, glyphs)
        yield ProblemPanel(state, glyphs)
        yield TourPanel(state, glyphs)
        yield Prompt(id="prompt")
        yield Keys(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self.action_view(self._first_view)

    def update_from_state(self) -> None:
        """Update all visible widgets."""
        self.set_class(not self.state.timeline.printed, "-silent")
        self.set_class(bool(self.state.problem_text) and self.tour is None, "-at-problem")
        self._look_for_scenario()
        for view in self._views():
            # While a long recording is read, only the title shows the progress.
            if view.is_on_screen and (not self.state.loading or isinstance(view, Title)):
                view.update_from_state()

    def redraw_all(self) -> None:
        """Redraw everything with other glyphs."""
        for view in self._views():
            view.glyphs = self.glyphs
            view.redraw()
            view.refresh()

    def _views(self) -> list[StateWidget]:
        # A query by type considers only the first base of each class.
        return [widget for widget in self.query("*") if isinstance(widget, StateWidget)]

    def action_view(self, view: str) -> None:
        """Show a view, with the same play head and selection."""
        shown = {"tasks": "lanes", "output": "output-page"}.get(view, view)
        self.query_one(ContentSwitcher).current = shown
        self.query_one(ViewBar).view = view
        self.query_one(Keys).of_view = _KEYS_OF_VIEW.get(view, ())
        self.query_one(Sentences).queue = view == "resources"
        self.set_class(view not in ("tasks", "resources"), "-page")
        for each in VIEWS:
            self.set_class(view == each, f"-view-{each}")
        self.set_class(view == "resources", "-queue")
        chosen = self.query_one(f"#{shown}")
        (chosen.query_one(FindingList) if view == "findings" else chosen).focus()
        self.call_after_refresh(self.update_from_state)

    def action_select(self, by: int) -> None:
        """Select the task above or below; in the view of resources, a resource."""
        if self.query_one(ViewBar).view == "resources":
            self.query_one(Resources).select(by)
        else:
            self.state.select_task(by)

    def action_sort(self) -> None:
        """Sort the table in the view of findings, else the lanes."""
        if self.query_one(ViewBar).view == "findings":
            self.query_one(Report).sort_next()
        else:
            super().action_sort()

    def action_table(self) -> None:
        """Show the next table of the report, or the view of findings if it is not visible."""
        if self.query_one(ViewBar).view == "findings":
            self.query_one(Report).next_table()
        else:
            self.action_view("findings")

    def action_open(self) -> None:
        """Open or close the group of the selected task; in the view of resources, its resource."""
        if self.query_one(ViewBar).view == "resources":
            opened = self.query_one(Resources).open_selected()
        else:
            task = self.state.task
            opened = task is not None and self.query_one(Lanes).open_group(task)
        if not opened:
            self.app.bell()

    # -- tours ------------------------------------------------------------------------------

    def _look_for_scenario(self) -> None:
        sites = len(self.state.timeline.sites)
        if self._scenario is None and sites != self._known_sites:
            self._known_sites = sites
            self._scenario = found = bundled_scenarios.recorded_in(self.state.timeline)
            if found is not None and found.steps:
                self.query_one(OverviewPage).story = found.title, len(found.steps)

    def _start_story(self) -> None:
        scenario, state = self._scenario, self.state
        if scenario is not None and scenario.steps:
            steps = scenario.steps
            self.start_tour(Tour("Story", lambda: story_steps(state.timeline, steps)))

    def start_tour(self, tour: Tour) -> None:
        """Show the lanes, and the current step of ``tour``."""
        self.tour = tour
        self.query_one(TourPanel).open(tour)
        self.add_class("-touring")
        self.action_view("tasks")
        tour.go(0, self.state)

    def action_next_match(self, by: int) -> None:
        """Go to the next or previous step of the tour, or else match of the search."""
        tour = self.tour
        if tour is None and self._search is None and self._scenario is not None:
            self._start_story()
        elif tour is None:
            super().action_next_match(by)
        elif not tour.go(by, self.state):
            self.app.bell()
        else:
            self.app.clear_notifications()  # they would cover the text of the step
            self.query_one(TourPanel).update_from_state()
            if self.query_one(ViewBar).view == "overview":
                self.action_view("tasks")

    def action_clear(self) -> None:
        """Close the tour; without one, cancel saving or clear the selection."""
        if self.tour is None:
            super().action_clear()
        else:
            self.tour = None
            self.query_one(TourPanel).open(None)
            self.remove_class("-touring")

    @on(OverviewPage.Chosen)
    def _item_chosen(self, message: OverviewPage.Chosen) -> None:
        shown = self.query_one(OverviewPage).overview
        if shown is None:
            return
        steps = overview_steps(shown)
        self.start_tour(Tour("Overview", lambda: steps, index=message.index, zoom=True))

    @on(OverviewPage.StoryChosen)
    def _story_chosen(self) -> None:
        self._start_story()

    def action_what_if(self) -> None:
        """Show what other capacities would do."""
        state = self.state
        self.app.push_screen(WhatIfScreen(state.timeline, self.glyphs, running=state.live))

    def action_help(self) -> None:
        """Show the help."""
        self.app.push_screen(Help(sections(self.app), self.glyphs))

    # -- messages of the widgets ------------------------------------------------------------

    def _pause_at(self, at: int) -> None:
        self.state.playback.pause()
        self.state.go(at)

    @on(ViewBar.Chosen)
    def _view_chosen(self, message: ViewBar.Chosen) -> None:
        self.action_view(message.view)

    @on(TimeRows.Clicked)
    def _clicked(self, message: TimeRows.Clicked) -> None:
        state, line, at = self.state, message.line, message.at
        if at is not None:
            self._pause_at(at)
        row = wait = stall = None
        if at is not None:
            row = message.rows.row_at(line, at)
            wait = message.rows.wait_at(line, at)
            stall = message.rows.stall_at(line, at)
        if stall is not None:
            state.select_stall(stall)
        elif row is not None:
            state.select_row(row)
        elif wait is not None:
            state.select_wait(wait)
        elif isinstance(line, LaneLine):
            self._lane_clicked(line, at)
        if isinstance(line, ResourceLine):
            self.query_one(Resources).select_entry(line.entry)

    def _lane_clicked(self, line: LaneLine, at: int | None) -> None:
        """Select the task of a line; open or close a group."""
        state = self.state
        if line.row is not None:
            state.clear_selection()
            state.task = line.row.task_at(state.playback.at if at is None else at)
        elif isinstance(line.owner, LaneGroup | OpenGroup):
            group = line.owner.group if isinstance(line.owner, OpenGroup) else line.owner
            self.query_one(Lanes).open_group(group.lanes[0].task)

    @on(TimeRows.Dragged)
    def _dragged(self, message: TimeRows.Dragged) -> None:
        self.state.pan(message.columns)

    @on(TimeRows.Wheeled)
    def _wheeled(self, message: TimeRows.Wheeled) -> None:
        self.state.following_head = False
        self.state.zoom(message.by, message.at)

    @on(Output.Chosen)
    @on(Minimap.Chosen)
    def _time_chosen(self, message: Output.Chosen | Minimap.Chosen) -> None:
        self._pause_at(message.at)

    @on(TextPage.GoTo)
    def _led_to(self, message: TextPage.GoTo) -> None:
        state = self.state
        at = message.at
        if at is None and message.row is not None:
            at = state.timeline.enter_started[message.row]
            if state.timeline.acquisition(message.row).phase_at(state.playback.at) is not None:
                at = state.playback.at  # open at the play head: stay here
        if at is None and message.wait is not None:
            waits, wait = state.timeline.waits, message.wait
            at = state.playback.at  # if it goes on at the play head: stay here
            if waits.at(waits.task[wait], at) != wait:
                at = waits.started[wait]
        if at is not None:
            self._pause_at(at)
        if message.row is not None:
            state.select_row(message.row)
        elif message.wait is not None:
            state.select_wait(message.wait)
        if self.query_one(ViewBar).view == "findings":
            self.action_view("tasks")

    @on(Report.GoTo)
    def _table_line_chosen(self, message: Report.GoTo) -> None:
        line, state = message.line, self.state
        if line.at is not None:
            self._pause_at(line.at)
        if line.wait is not None:
            state.select_wait(line.wait)
        elif line.stall is not None:
            state.select_stall(line.stall)
        else:
            state.resource = line.resource
        self.action_view("tasks" if line.resource is None else "resources")


_SECTIONS = {
    NavigationScreen: "Moving",
    PromptScreen: "Searching and arranging",
    TraceScreen: "Views",
}


def sections(app: App[Any]) -> list[Section]:
    """Return the bindings of screen and app under titles, with the user's keys."""
    keymap = getattr(app, "keys", {})
    found = [(title, own_bindings(each)) for each, title in _SECTIONS.items()]
    found.append(("General", own_bindings(type(app))))
    return [
        (title, [replace(b, key=keymap.get(b.id or "", b.key)) for b in bindings])
        for title, bindings in found
    ]


def own_bindings(node: type) -> list[Binding]:
    """Return the bindings of a class without those of its bases."""
    return [each for each in vars(node).get("BINDINGS", ()) if isinstance(each, Binding)]
