"""Why a dump was written."""

from __future__ import annotations

from datetime import datetime

from asyncctx_trace.model.constants import SAMPLE
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.events import Dumped
from asyncctx_trace.recording.format import Anchor

__all__ = ["describe_dump"]


def describe_dump(dump: Dumped, anchor: Anchor | None = None) -> str:
    """Return a sentence: the trigger, when, why, and how much before and after is recorded."""
    when = "" if anchor is None else _time_of_day(anchor.wall(dump.triggered))
    if dump.trigger == SAMPLE:
        length = format_duration(dump.at - dump.since)
        return f"Sample of {length}{when.replace(' at', ' from')}: {dump.reason}."
    before = format_duration(max(0, dump.triggered - dump.since))
    after = format_duration(max(0, dump.at - dump.triggered))
    text = f"Dump for {dump.trigger}{when}: {dump.reason} ({before} before and {after} after it)."
    if dump.suppressed:
        times = "once" if dump.suppressed == 1 else f"{dump.suppressed:,} times"
        text += f" By then, something had triggered {times} without a dump."
    return text


def _time_of_day(wall_ns: int) -> str:
    try:
        return f" at {datetime.fromtimestamp(wall_ns / 1e9):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):  # the recorded time may be invalid
        return ""
