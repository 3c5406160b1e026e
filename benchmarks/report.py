"""What a full report on a recording of a million acquisitions takes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.measure import Row, alternate, child, median_ratio, spread
from benchmarks.parsing import parsing
from benchmarks.recordings import synthetic

__all__ = ["run"]

_ACQUISITIONS = 1_000_000

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
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        big = synthetic(folder / "big.actx", _ACQUISITIONS)
        times = alternate(
            {
                "json": parsing(folder, _ACQUISITIONS),
                "report": lambda: float(child(_REPORT, big)["seconds"]),
            },
            min(rounds, 3),
        )
    ratio = median_ratio(times["report"], times["json"])
    return [
        Row(
            "full report on 1,000,000 acquisitions",
            spread(times["report"]),
            f"json.loads {spread(times['json'])}",
            ratio,
            "≤ 1/4",
            ratio <= 1 / 4,
        )
    ]
