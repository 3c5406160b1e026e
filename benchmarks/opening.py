"""What it takes to open a recording of a million acquisitions, or to report on it."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from asyncctx_trace.export import otlp_json
from asyncctx_trace.export.sources import open_source
from benchmarks.measure import Row, alternate, child, median_ratio, spread
from benchmarks.recordings import synthetic

__all__ = ["run"]

_ACQUISITIONS = 1_000_000
_SAMPLE = 10_000
"""Acquisitions whose lines stand for all: json.loads takes each line by itself."""

_PARSING = """
import json, sys, time
lines = open(sys.argv[1]).read().splitlines()
started = time.perf_counter()
for _ in range(int(sys.argv[2])):
    for line in lines:
        json.loads(line)
print(json.dumps({"seconds": time.perf_counter() - started}))
"""

_FIRST_FRAME = """
import asyncio, json, sys, time
from pathlib import Path
started = time.perf_counter()
from asyncctx_trace_tui.app import TraceApp
from asyncctx_trace_tui.settings import Settings
from asyncctx_trace_tui.widgets.lanes import Lanes

class Watched(TraceApp):
    first = all = None

    def post_display_hook(self):
        if self.screen is not getattr(self, "trace_screen", None):
            return
        now = time.perf_counter() - started
        self.first = self.first or now
        scene = self.scene
        read = len(scene.timeline) >= int(sys.argv[2]) and not scene.loading
        if read and self.trace_screen.query_one(Lanes).lines:
            self.all = now
            self.exit()

app = Watched(Path(sys.argv[1]), settings=Settings())
asyncio.run(app.run_async(headless=True, size=(200, 50)))
# Not getrusage: that of a child begins with its parent's.
status = Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else []
peak = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")]
print(json.dumps({"first": app.first, "all": app.all, "peak": peak[0] if peak else 0}))
"""

_REPORT = """
import io, json, sys, time
from pathlib import Path
started = time.perf_counter()
from asyncctx_trace_tui.commands.report import print_report
print_report(Path(sys.argv[1]), io.StringIO())
print(json.dumps({"seconds": time.perf_counter() - started}))
"""


def run(rounds: int) -> list[Row]:
    """Against ``json.loads`` of each line of the same spans as OTLP JSON Lines, one span a line."""
    with tempfile.TemporaryDirectory() as folder:
        big = synthetic(Path(folder) / "big.actx", _ACQUISITIONS)
        small = synthetic(Path(folder) / "small.actx", _SAMPLE)
        empty = synthetic(Path(folder) / "empty.actx", 1)
        sample = Path(folder) / "sample.jsonl"
        otlp_json.SPANS_PER_LINE = 1
        sample.write_text("\n".join(otlp_json.write(open_source(small).spans())))
        repeats = _ACQUISITIONS // _SAMPLE
        peaks: list[float] = []

        firsts: list[float] = []

        def opened() -> float:
            found = child(_FIRST_FRAME, big, _ACQUISITIONS)
            peaks.append(found["peak"])
            firsts.append(float(found["first"]))
            return float(found["all"])

        base = child(_FIRST_FRAME, empty, 1)["peak"]
        times = alternate(
            {
                "json": lambda: float(child(_PARSING, sample, repeats)["seconds"]),
                "all": opened,
                "report": lambda: float(child(_REPORT, big)["seconds"]),
            },
            min(rounds, 3),
        )
    first = median_ratio(firsts, times["json"])
    everything, report = (median_ratio(times[name], times["json"]) for name in ("all", "report"))
    parsing = f"json.loads {spread(times['json'])}"
    room = (statistics.median(peaks) - base) / _ACQUISITIONS
    return [
        Row(
            "open 1,000,000 acquisitions: the first frame, keys answered",
            spread(firsts, digits=2),
            parsing,
            first,
            "≤ 1/20",
            first <= 1 / 20,
        ),
        Row(
            "open 1,000,000 acquisitions: all of them on the screen",
            spread(times["all"], digits=2),
            parsing,
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
        Row(
            "full report on them",
            spread(times["report"]),
            parsing,
            report,
            "≤ 1/4",
            report <= 1 / 4,
        ),
    ]
