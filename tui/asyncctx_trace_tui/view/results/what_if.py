"""Capacities to play with, beside the measured and the foretold queues."""

from __future__ import annotations

from dataclasses import dataclass

from asyncctx_trace.analysis.statistics import DurationStats
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.analysis.what_if.changes import Changes
from asyncctx_trace.analysis.what_if.forecast import Forecast, Forecaster

__all__ = ["Slider", "WhatIf"]

_MOST = 30
"""How many resources have a slider, those with most waiting first."""


@dataclass(slots=True)
class Slider:
    """The capacity of one resource, or of several of the same name."""

    resources: tuple[int, ...]
    name: str
    recorded: int
    chosen: int | None
    """``None`` for no limit."""
    is_lock: bool
    """A lock has the capacities 1 and no limit."""
    measured: DurationStats
    queue: float
    """How many tasks waited on average in the recording."""
    foretold: DurationStats
    new_queue: float

    @property
    def is_changed(self) -> bool:
        """Whether the capacity is not that of the recording."""
        return self.chosen != self.recorded


class WhatIf:
    """The sliders of a recording, and the forecast for what they are set to.

    The constructor raises :class:`~asyncctx_trace.analysis.what_if.forecast.Refused`, and takes
    as long as a few replays; so does :meth:`foretell`. Neither touches what the other methods use
    before it is done, so both may run on a background thread.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._forecaster = Forecaster(timeline)
        self.forecast: Forecast = self._forecaster.foretell(Changes(), band=False)
        self.selected = 0
        resources = timeline.resources
        inner = set(self._forecaster.model.aliases)
        self.sliders = [
            Slider(
                each.resources,
                each.name,
                each.capacity,
                each.capacity,
                resources[each.resources[0]].kind == "lock",
                each.measured,
                _queue(each.measured, self.forecast.makespan),
                each.foretold,
                _queue(each.foretold, self.forecast.makespan),
            )
            for each in self.forecast.resources[:_MOST]
            if not inner.intersection(each.resources)
        ]

    @property
    def chosen(self) -> tuple[int | None, ...]:
        """What all sliders are set to."""
        return tuple(slider.chosen for slider in self.sliders)

    def select(self, by: int) -> None:
        """Select another slider."""
        self.selected = max(0, min(len(self.sliders) - 1, self.selected + by))

    def change(self, by: int) -> bool:
        """Change the selected capacity by ``by``; return ``False`` if it cannot be changed so."""
        slider = self.sliders[self.selected]
        before = slider.chosen
        if slider.is_lock:
            slider.chosen = None if by > 0 else 1
        elif slider.chosen is None:
            slider.chosen = slider.recorded if by < 0 else None
        else:
            slider.chosen = max(1, slider.chosen + by)
        return slider.chosen != before

    def remove_limit(self) -> None:
        """Take the limit of the selected resource away."""
        self.sliders[self.selected].chosen = None

    def reset(self) -> None:
        """Set all sliders to what was recorded."""
        for slider in self.sliders:
            slider.chosen = slider.recorded

    def foretell(self, *, band: bool = True) -> Forecast:
        """Return the forecast for what the sliders are set to now, with or without error bands."""
        capacities = {
            resource: slider.chosen
            for slider in self.sliders
            if slider.is_changed
            for resource in slider.resources
        }
        return self._forecaster.foretell(Changes(capacities=capacities), band=band)

    def show(self, forecast: Forecast) -> None:
        """Show ``forecast`` beside the sliders."""
        self.forecast = forecast
        found = {each.resources: each.foretold for each in forecast.resources}
        for slider in self.sliders:
            slider.foretold = found[slider.resources]
            slider.new_queue = _queue(slider.foretold, forecast.new_makespan)


def _queue(waits: DurationStats, length: int) -> float:
    return waits.total / max(1, length)
