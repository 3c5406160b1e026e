"""The screen with a slider for each capacity, and what the waits would be then."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.analysis.what_if.forecast import Forecast, Refused
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.text import shorten
from asyncctx_trace_tui.app.background_thread import run_in_thread
from asyncctx_trace_tui.app.widgets.palette import theme_palette
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.results.what_if import Slider, WhatIf

__all__ = ["WhatIfScreen"]

_COMPUTING = "replaying the recording …"
_GROWING = "the program still runs: come back when it has ended"
_FIXED = 56
"""Cells of a line beside the name and the bar."""


class WhatIfScreen(ModalScreen[None]):
    """Choose capacities with the arrow keys and see the queues change; Escape goes back."""

    CSS = """
    WhatIfScreen { background: $background; }
    WhatIfScreen VerticalScroll { padding: 1 2; scrollbar-size-vertical: 1; }
    WhatIfScreen Static { height: auto; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "select(-1)", "Resource", key_display="↑/↓"),
        Binding("down,j", "select(1)", "Next resource", show=False),
        Binding("left,h,minus", "change(-1)", "Capacity", key_display="←/→"),
        Binding("right,l,plus,equals_sign", "change(1)", "Larger", show=False),
        Binding("shift+left,H", "change(-10)", "Much smaller", show=False),
        Binding("shift+right,L", "change(10)", "By ten", key_display="⇧←/→"),
        Binding("n", "remove_limit", "No limit"),
        Binding("r", "reset", "As recorded"),
        Binding("escape,q,v", "dismiss", "Back", key_display="Esc"),
    ]

    def __init__(self, timeline: Timeline, glyphs: Glyphs, *, running: bool) -> None:
        super().__init__()
        self._timeline = timeline
        self._glyphs = glyphs
        self._growing = running
        self._what_if: WhatIf | None = None
        self._message = _GROWING if running else _COMPUTING
        self._computing = False

    @property
    def what_if(self) -> WhatIf | None:
        """The sliders, once the recording has been replayed."""
        return self._what_if

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False):
            yield Static(id="what-if")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self._draw()
        if not self._growing:
            self.run_worker(self._begin())

    def on_resize(self) -> None:
        self._draw()

    async def _begin(self) -> None:
        try:
            self._what_if = await run_in_thread(partial(WhatIf, self._timeline))
        except Refused as refused:
            self._message = f"Cannot foretell: {refused}."
        self._draw()

    # -- keys -------------------------------------------------------------------------------

    def action_select(self, by: int) -> None:
        """Select the resource above or below."""
        if self._what_if is not None:
            self._what_if.select(by)
            self._draw()

    def action_change(self, by: int) -> None:
        """Change the capacity of the selected resource."""
        if self._what_if is not None:
            if not self._what_if.change(by):
                self.app.bell()
            self._recompute()

    def action_remove_limit(self) -> None:
        """Let everybody have the selected resource at once."""
        if self._what_if is not None:
            self._what_if.remove_limit()
            self._recompute()

    def action_reset(self) -> None:
        """Set all capacities to what was recorded."""
        if self._what_if is not None:
            self._what_if.reset()
            self._recompute()

    def _recompute(self) -> None:
        self._draw()
        if not self._computing:
            self._computing = True
            self.run_worker(self._foretell())

    async def _foretell(self) -> None:
        """Foretell what the sliders say until they have not been moved meanwhile."""
        what_if = self._what_if
        assert what_if is not None
        chosen: tuple[int | None, ...] = ()
        self._message = ""
        while chosen != what_if.chosen:
            chosen = what_if.chosen
            try:
                # First without the error bands, which take several replays.
                what_if.show(await run_in_thread(partial(what_if.foretell, band=False)))
                self._draw()
                if chosen == what_if.chosen:
                    what_if.show(await run_in_thread(what_if.foretell))
                self._message = ""
            except Refused as refused:
                self._message = f"Cannot foretell: {refused}."
        self._computing = False
        self._draw()

    # -- drawing ----------------------------------------------------------------------------

    def _draw(self) -> None:
        style = theme_palette(self.app.theme_variables).style
        page = Text(no_wrap=False)
        page.append("What if a capacity were another?\n\n", style("head"))
        what_if = self._what_if
        if what_if is None or not what_if.sliders:
            page.append(self._message, style("faint"))
        else:
            width = self.size.width - 6
            page.append(self._heading(width) + "\n", style("faint"))
            for number, slider in enumerate(what_if.sliders):
                self._add_slider(page, slider, width, selected=number == what_if.selected)
            page.append("\n")
            state = _COMPUTING if self._computing else self._message
            for line in [state] if state else _conclusions(what_if.forecast):
                page.append(line + "\n", style("faint" if state else "text"))
        self.query_one("#what-if", Static).update(page)

    def _columns(self, width: int) -> tuple[int, int]:
        """Return the widths of the names and of the bars of queues."""
        free = width - _FIXED
        return max(8, free // 2), max(4, free - free // 2)

    def _heading(self, width: int) -> str:
        name, bar = self._columns(width)
        return (
            f"  {'resource':<{name}} {'capacity':^14} {'measured p95':>12} "
            f"{'foretold':>10}  queue {'':{bar}}"
        ).rstrip()

    def _add_slider(self, page: Text, slider: Slider, width: int, *, selected: bool) -> None:
        style = theme_palette(self.app.theme_variables).style
        back = "selected" if selected else ""
        name_width, bar = self._columns(width)
        name = shorten(slider.name, name_width)
        name += " " * (name_width - cell_len(name))
        page.append(f"{'>' if selected else ' '} {name} ", style("text", back))
        capacity = "no limit" if slider.chosen is None else str(slider.chosen)
        shown = f"- {slider.recorded} → {capacity} +" if slider.is_changed else f"- {capacity} +"
        page.append(f"{shown:^14}", style("head" if slider.is_changed else "text", back))
        page.append(f" {format_duration(slider.measured.p95):>12}", style("text", back))
        better = slider.foretold.p95 <= slider.measured.p95
        page.append(
            f" {format_duration(slider.foretold.p95):>10}",
            style("hold" if better else "wait", back),
        )
        page.append(
            f"  {slider.queue:.1f} → {slider.new_queue:.1f} ".ljust(14), style("text", back)
        )
        most = max(1.0, *(max(s.queue, s.new_queue) for s in self._sliders()))
        before, after = (round(q / most * bar) for q in (slider.queue, slider.new_queue))
        full, awaits = self._glyphs.full[1], self._glyphs.full[0]
        page.append(full * min(before, after), style("hold", back))
        page.append(awaits * max(0, before - after), style("wait", back))
        page.append(full * max(0, after - before), style("error", back))
        page.append("\n")

    def _sliders(self) -> list[Slider]:
        return [] if self._what_if is None else self._what_if.sliders


def _conclusions(forecast: Forecast) -> list[str]:
    """Return what follows from the forecast, in a few lines."""
    worst = forecast.bottleneck
    if worst is None:
        first = "Nobody waits for long then."
    else:
        low, high = format_duration(worst.low.p95), format_duration(worst.high.p95)
        first = (
            f"Bottleneck then: `{shorten(worst.name, 40)}`, p95 wait "
            f"{format_duration(worst.foretold.p95)} ({low} to {high})."
        )
    before, after = format_duration(forecast.makespan), format_duration(forecast.new_makespan)
    loop = "open" if forecast.open_loop else "closed"
    busy = f"event loop busy {forecast.loop_busy:.0%}"
    return [
        first,
        f"Whole program: {before} → {after}; {busy}; {loop} loop.",
        *(f"Note: {caveat}." for caveat in forecast.caveats),
    ]
