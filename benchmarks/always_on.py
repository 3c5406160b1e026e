"""What it costs a service to be recorded all the time, with triggers, and what stays flat."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from statistics import median

from benchmarks.harnesses import UNTRACED, Harness
from benchmarks.measure import Row, alternate, spread
from benchmarks.workloads import Measured, serving

__all__ = ["run"]

_ON = ("wait>2s", "full>5s", "deadlock", "leak", "enter-error", "error(OSError)", "lag>500ms")
_KEEP = 50_000_000
_SIZES = (("requests of 1 ms", 4_000), ("requests of 10 ms", 40_000))
"""Rows that a request makes, sorts and serialises."""
_SLICE = 0.5
"""Seconds under load in one go."""
_PER_ROUND = 10
"""Turns of each program in one round: about 16 seconds for each size."""
_RING, _TRIGGERS = "--keep 50MB", "--keep 50MB, triggers"


def run(rounds: int) -> list[Row]:
    """A service with five acquisitions in each request, with triggers of all kinds."""
    return [row for what, size in _SIZES for row in _compare(what, size, rounds)]


def _compare(what: str, size: int, rounds: int) -> list[Row]:
    python = sys.executable
    ours = (python, "-m", "asyncctx_trace_tui", "run", "-q", "-o", "{folder}/a.actx")
    ring = (*ours, "--keep", "50MB")
    triggers = [word for condition in _ON for word in ("--on", condition)]
    ways = [
        Harness(UNTRACED, (python,)),
        Harness(_RING, ring, "a.actx"),
        Harness(_TRIGGERS, (*ring, *triggers), "a.actx"),
    ]
    with ExitStack() as stack:
        turns = {way.name: stack.enter_context(serving(way, size, _SLICE)) for way in ways}
        for turn in turns.values():
            turn()  # to warm up
        began = time.perf_counter()
        found = alternate(turns, rounds * _PER_ROUND)
        minutes = (time.perf_counter() - began) / 60
    untraced = found[UNTRACED]
    note = f"{minutes:.0f} minutes"
    rows = []
    for name in (_RING, _TRIGGERS):
        per_second = _ratios(found[name], untraced, "per_second")
        cpu = _ratios(found[name], untraced, "cpu")
        rows.append(
            Row(
                f"{what}, throughput with {name}",
                spread(per_second, 100, "%"),
                "100 % untraced",
                median(per_second),
                "≥ 99 %",
                median(per_second) >= 0.99,
                f"{note}; CPU for each request {spread(cpu, 100, '%')}",
            )
        )
    triggers_alone = _ratios(found[_TRIGGERS], found[_RING], "cpu")
    rows.append(
        Row(
            f"{what}, CPU for each request with triggers",
            spread(triggers_alone, 100, "%"),
            f"100 % {_RING}",
            median(triggers_alone),
            "≤ 101 %",
            median(triggers_alone) <= 1.01,
        )
    )
    return [*rows, *_flat(what, found[_TRIGGERS])]


def _ratios(ours: list[Measured], theirs: list[Measured], what: str) -> list[float]:
    return [
        getattr(one, what) / getattr(other, what) for one, other in zip(ours, theirs, strict=True)
    ]


def _flat(what: str, found: list[Measured]) -> list[Row]:
    """Compare the second half of the time with the end of the first."""
    half = len(found) // 2
    memory = max(each.memory for each in found[:half]), max(each.memory for each in found[half:])
    disk = max(each.disk for each in found)
    return [
        Row(
            f"{what}, memory in the second half",
            f"{memory[1] / 1e6:.1f} MB",
            f"{memory[0] / 1e6:.1f} MB in the first",
            memory[1] / memory[0],
            "≤ 1.05",
            memory[1] <= 1.05 * memory[0],
        ),
        Row(
            f"{what}, disk",
            f"{disk / 1e6:.1f} MB",
            "50 MB for each of two processes",
            disk / (2 * _KEEP),
            "≤ 1.05",
            disk <= 1.05 * 2 * _KEEP,
        ),
    ]
