"""Measuring side by side: what is compared runs in turn, so that noise falls on all alike."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["PEAK", "Row", "alternate", "child", "median_ratio", "seconds", "spread", "table"]

K = TypeVar("K")
T = TypeVar("T")

ROOT = Path(__file__).parents[1]

PEAK = '''
def peak():
    """Bytes of memory at the most so far; not by getrusage: a child's begins with its parent's."""
    import pathlib

    status = pathlib.Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
'''
"""What a child that measures its memory begins with."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result."""

    what: str
    measured: str
    """Ours, with its unit."""
    against: str
    """What it is compared with, with its unit."""
    ratio: float | None
    """Ours through theirs, median of the rounds."""
    goal: str
    met: bool | None
    """``None`` where there is no goal, or it could not be measured here."""
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """For the JSON file."""
        return asdict(self)


def alternate(ways: Mapping[K, Callable[[], T]], rounds: int) -> dict[K, list[T]]:
    """Call each way once a round, in an order that turns, and collect what they return."""
    found: dict[K, list[T]] = {name: [] for name in ways}
    names = list(ways)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            found[name].append(ways[name]())
    return found


def seconds(words: Sequence[str], **options: Any) -> float:
    """How long a command takes, its output thrown away."""
    started = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, **options)
    return time.perf_counter() - started


def child(source: str, *arguments: object) -> dict[str, Any]:
    """Run ``source`` in a fresh interpreter; the JSON object that it prints last."""
    done = subprocess.run(
        [sys.executable, "-c", source, *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Of the two medians."""
    return statistics.median(ours) / statistics.median(theirs)


def spread(values: Sequence[float], scale: float = 1.0, unit: str = "s", digits: int = 1) -> str:
    """Median, and the range in which the middle half lies."""
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3
    return (
        f"{middle * scale:.{digits}f} {unit} ({low * scale:.{digits}f}–{high * scale:.{digits}f})"
    )


def table(rows: Sequence[Row]) -> str:
    """The rows as text."""
    head = ("what", "ours", "against", "ratio", "goal", "met")
    body = [
        (
            row.what,
            row.measured,
            row.against,
            "" if row.ratio is None else f"{row.ratio:.3g}",
            row.goal,
            {True: "yes", False: "NO", None: "–"}[row.met],
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in [head, *body]) for column in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [head, tuple("─" * width for width in widths), *body]
    ]
    notes = [f"  {row.what}: {row.note}" for row in rows if row.note]
    return "\n".join([*lines, *(["", "Notes", *notes] if notes else [])])
