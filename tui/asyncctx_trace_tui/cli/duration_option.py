"""The type of options whose value is a duration, such as ``--last 2h``."""

from __future__ import annotations

from typing import Any

import click

from asyncctx_trace.model.durations import parse_duration

__all__ = ["DURATION", "Duration"]


class Duration(click.ParamType):  # type: ignore[type-arg, unused-ignore]  # generic since click 8.4
    """A duration, converted to nanoseconds."""

    name = "duration"

    def __init__(self, *, bare_unit: str | None = None, positive: bool = False) -> None:
        """Accept numbers without a unit as ``bare_unit``; refuse 0 if ``positive``."""
        self._bare_unit = bare_unit
        self._positive = positive

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse a text; click reports a ValueError as an error of the option."""
        if isinstance(value, int):
            return value
        try:
            ns = parse_duration(value, bare_unit=self._bare_unit)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if self._positive and ns == 0:
            self.fail(f"{value!r} must be longer than 0", param, ctx)
        return ns


DURATION = Duration()
"""A duration with a unit."""
