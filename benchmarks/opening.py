"""What it takes to open a recording of a million acquisitions."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from benchmarks.measure import PEAK, Row, alternate, child, median_ratio, spread
from benchmarks.parsing import parsing
from benchmarks.recordings import synthetic

__all__ = ["run"]

_ACQUISITIONS = 1_000_000

_FIRST_FRAME = (
    PEAK
    + """
import asyncio, json, sys, time
from pathlib import Path
started = time.perf_counter()
from asyncctx_trace_tui.app.application import TraceApp
from asyncctx_trace_tui.storage.app_settings import Settings
from asyncctx_trace_tui.app.widgets.panes.task_lanes import Lanes

class Watched(TraceApp):
    first = all = None

    def post_display_hook(self):
        if self.screen is not getattr(self, "trace_screen", None):
            return
        now = time.perf_counter() - started
        self.first = self.first or now
        state = self.state
        read = len(state.timeline) >= int(sys.argv[2]) and not state.loading
        if read and self.trace_screen.query_one(Lanes).lines:
            self.all = now
            self.exit()

app = Watched(Path(sys.argv[1]), settings=Settings(), view="tasks")
asyncio.run(app.run_async(headless=True, size=(200, 50)))
print(json.dumps({"first": app.first, "all": app.all, "peak": peak()}))
"""
)


def run(rounds: int) -> list[Row]:
    """Against ``json.loads`` of each line of the same spans as OTLP JSON Lines, one span a line."""
    with tempfile.TemporaryDirectory() as folder:
        big = synthetic(Path(folder) / "big.actx", _ACQUISITIONS)
        empty = synthetic(Path(folder) / "empty.actx", 1)
        peaks: list[float] = []
        firsts: list[float] = []

        def opened() -> float:
            found = child(_FIRST_FRAME, big, _ACQUISITIONS)
            peaks.append(found["peak"])
            firsts.append(float(found["first"]))
            return float(found["all"])

        base = child(_FIRST_FRAME, empty, 1)["peak"]
        times = alternate(
            {"json": parsing(Path(folder), _ACQUISITIONS), "all": opened}, min(rounds, 3)
        )
    first = median_ratio(firsts, times["json"])
    everything = median_ratio(times["all"], times["json"])
    against = f"json.loads {spread(times['json'])}"
    room = (statistics.median(peaks) - base) / _ACQUISITIONS
    return [
        Row(
            "open 1,000,000 acquisitions: the first frame, keys answered",
            spread(firsts, digits=2),
            against,
            first,
            "≤ 1/20",
            first <= 1 / 20,
        ),
        Row(
            "open 1,000,000 acquisitions: all of them on the screen",
            spread(times["all"], digits=2),
            against,
            everything,
            "≤ 1/20",
            everything <= 1 / 20,
        ),
        Row(
            "memory of the app for them",
            f"{room:.0f} B each",
            "",
            None,
            "≤ 200 B",
            room <= 200,
            "peak, over the peak with a recording of one acquisition",
        ),
    ]
