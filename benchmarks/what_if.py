"""How well ``report --what-if`` foretells programs that are then really run at the new size."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from asyncctx_trace.analysis.statistics import DurationStats
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.analysis.what_if.changes import parse_changes
from asyncctx_trace.analysis.what_if.forecast import Forecaster, Refused, ResourceForecast
from asyncctx_trace.model.capacity import limit_of
from asyncctx_trace_tui.reports.loading import load_recording
from benchmarks.measure import ROOT, Row

__all__ = ["run"]

_PROGRAMS = ROOT / "benchmarks" / "programs" / "what_if"
_MATRIX: dict[str, tuple[str, dict[str, str]]] = {
    "workers": ("6", {"4": "pool=4", "8": "pool=8", "10": "pool=10", "14": "pool=14"}),
    "nested": (
        "8 4",
        {
            "6 4": "tenant=6",
            "12 4": "tenant=12",
            "8 6": "disk=6",
            "14 8": "tenant=14, disk=8",
        },
    ),
    "producer_consumer": (
        "4 20",
        {"3 20": "devices=3", "5 20": "devices=5", "6 20": "devices=6", "3 5": "devices=3, jobs=5"},
    ),
    "two_locks": ("3", {"2": "first=2", "4": "first=4", "5": "first=5"}),
    "http_service": ("4", {"3": "*pool*=3", "5": "*pool*=5", "6": "*pool*=6", "8": "*pool*=8"}),
}
"""Program -> the size that is recorded, and the others: their arguments, and the change."""
_FLOOR = 1_000_000
"""ns: errors of shorter waits are relative to this."""
_LIKE = 0.85
"""A bottleneck counts as right if it has this share of the most waiting."""


@dataclass
class _Figures:
    means: list[float]
    tails: list[float]
    ranks: list[bool]
    noise: list[float]
    """How far two runs at the recorded size are apart: no forecast can be better."""
    refused: int = 0


def run(rounds: int) -> list[Row]:
    """Record each program at one size, foretell the others, and run these for comparison."""
    figures = _Figures([], [], [], [])
    with tempfile.TemporaryDirectory() as folder, _postgres():
        for number in range(min(rounds, 3)):
            for program, (size, others) in _MATRIX.items():
                _compare(Path(folder), program, size, others, figures, number)
    cases = len(figures.ranks)
    mean, tail = statistics.median(figures.means), statistics.median(figures.tails)
    right = sum(figures.ranks) / max(1, cases)
    noise = statistics.median(figures.noise)
    return [
        Row("what-if: the recorded size run again, difference of the mean wait, median",
            f"{noise:.1%}", f"{len(figures.noise)} waits", noise, "", None),
        Row("what-if: error of the mean wait, median", f"{mean:.1%}", f"{cases} real runs",
            mean, "10 %", mean <= 0.1),
        Row("what-if: error of the p95 wait, median", f"{tail:.1%}", f"{cases} real runs",
            tail, "20 %", tail <= 0.2),
        Row("what-if: the bottleneck is right", f"{right:.0%}", f"{cases} real runs",
            right, "95 %", right >= 0.95,
            f"{figures.refused} recordings refused"),
    ]  # fmt: skip


def _compare(
    folder: Path, program: str, size: str, others: dict[str, str], figures: _Figures, number: int
) -> None:
    recorded = load_recording(_record(folder, program, size, number)).timeline
    again = _waits(folder, program, size, number + 100)
    for resource, durations in _waits_in(recorded).items():
        repeated = DurationStats.of(again[resource])
        figures.noise.append(_error(DurationStats.of(durations).mean, repeated.mean))
    try:
        forecaster = Forecaster(recorded)
    except Refused as refused:
        print(f"{program} {size}: refused: {refused}", file=sys.stderr)
        figures.refused += 1
        return
    for other, change in others.items():
        changes = parse_changes(recorded, change.split(", "))
        forecast = forecaster.foretell(changes)
        real = _waits(folder, program, other, number)
        waits = {each.name: each for each in forecast.resources}
        stats = {name: DurationStats.of(real[name]) for name in waits}
        for name, each in waits.items():
            mean = _error(each.foretold.mean, stats[name].mean)
            tail = _error(each.foretold.p95, stats[name].p95)
            figures.means.append(mean)
            figures.tails.append(tail)
            print(_line(program, other, each, stats[name], mean, tail), file=sys.stderr, flush=True)
        figures.ranks.append(_same_bottleneck(waits, stats))


def _waits(folder: Path, program: str, size: str, number: int) -> dict[str, list[int]]:
    return _waits_in(load_recording(_record(folder, program, size, number)).timeline)


def _waits_in(timeline: Timeline) -> dict[str, list[int]]:
    """Return resource with a capacity -> how long its enters took, in ns."""
    found: dict[str, list[int]] = {}
    for row, resource in enumerate(timeline.resource):
        known = timeline.resources[resource]
        if timeline.entered(row) and limit_of(known.kind, known.capacity) is not None:
            wait = timeline.enter_ended[row] - timeline.enter_started[row]
            found.setdefault(known.name, []).append(wait)
    return found


def _line(
    program: str, size: str, each: ResourceForecast, real: DurationStats, mean: float, tail: float
) -> str:
    def ms(value: int) -> str:
        return f"{value / 1e6:.2f}"

    return (
        f"| {program} {size} | `{each.name}` | {ms(each.measured.mean)} / {ms(each.measured.p95)}"
        f" | {ms(each.foretold.mean)} / {ms(each.foretold.p95)} | {ms(real.mean)} / {ms(real.p95)}"
        f" | {mean:.0%} / {tail:.0%} |"
    )


def _error(foretold: int, real: int) -> float:
    return abs(foretold - real) / max(real, _FLOOR)


def _same_bottleneck(foretold: dict[str, ResourceForecast], real: dict[str, DurationStats]) -> bool:
    """Return whether the resource that is foretold to be the worst really is, or as good as."""
    worst = max(foretold.values(), key=lambda each: each.foretold.total)
    most = max(each.total for each in real.values())
    return real[worst.name].total >= _LIKE * most


def _record(folder: Path, program: str, size: str, number: int) -> Path:
    file = folder / f"{program}-{size.replace(' ', '-')}-{number}.actx"
    subprocess.run(
        [sys.executable, "-m", "asyncctx_trace_tui", "run", "--headless", "-q", "-o", str(file),
         str(_PROGRAMS / f"{program}.py"), *size.split()],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return file


@contextmanager
def _postgres() -> Iterator[None]:
    """Let ``ASYNCCTX_PG_DSN`` name a server for as long as this lasts."""
    if os.environ.get("ASYNCCTX_PG_DSN"):
        yield
        return
    keeper = subprocess.Popen(
        [sys.executable, "-I", "-S", str(ROOT / "scenarios" / "_postgres_server.py"), *sys.path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert keeper.stdin is not None
    assert keeper.stdout is not None
    try:
        os.environ["ASYNCCTX_PG_DSN"] = json.loads(keeper.stdout.readline())["dsn"]
        yield
    finally:
        os.environ.pop("ASYNCCTX_PG_DSN", None)
        keeper.stdin.close()
        keeper.wait()
