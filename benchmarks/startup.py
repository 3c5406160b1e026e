"""What a user waits for before anything happens: ``--help``, and the import."""

from __future__ import annotations

import statistics
import sys
from functools import partial

from benchmarks.measure import Row, alternate, seconds, spread

__all__ = ["run"]


def run(rounds: int) -> list[Row]:
    """Against an interpreter that does nothing, and against importing click alone."""
    python = sys.executable
    found = alternate(
        {
            "bare": partial(seconds, [python, "-c", ""]),
            "click": partial(seconds, [python, "-c", "import click"]),
            "import": partial(seconds, [python, "-c", "import asyncctx_trace"]),
            "help": partial(seconds, [python, "-m", "asyncctx_trace_tui", "--help"]),
        },
        max(rounds, 9),
    )
    bare = statistics.median(found["bare"])
    added = {name: (statistics.median(found[name]) - bare) * 1e3 for name in found}
    times = {name: spread(values, 1e3, "ms") for name, values in found.items()}
    ratio = statistics.median(found["help"]) / statistics.median(found["click"])
    return [
        Row(
            "asyncctx-trace --help",
            times["help"],
            f"bare {times['bare']}",
            None,
            "≤ +40 ms",
            added["help"] <= 40,
            f"+{added['help']:.1f} ms",
        ),
        Row(
            "asyncctx-trace --help",
            times["help"],
            f"import click {times['click']}",
            ratio,
            "≤ 2",
            ratio <= 2,
        ),
        Row(
            "import asyncctx_trace",
            times["import"],
            f"bare {times['bare']}",
            None,
            "≤ +25 ms",
            added["import"] <= 25,
            f"+{added['import']:.1f} ms",
        ),
    ]
