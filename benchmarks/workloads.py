"""What tracing costs a real program, beside what other tools cost it."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.harnesses import OURS, UNTRACED, Harness, harnesses
from benchmarks.load import Load
from benchmarks.measure import ROOT, Row, alternate, spread

__all__ = ["Measured", "run", "serving"]

_PROGRAMS = Path(__file__).parent / "programs"
_MEMORY = {"MALLOC_TRIM_THRESHOLD_": "134217728", "MALLOC_MMAP_THRESHOLD_": "67108864"}
"""asyncio reads into 256 KiB at a time; as the heap of a process happens to lie, glibc gives them
back to the kernel each time, or never: a third of the CPU of a short job, whoever traces it."""
_SLICE = 0.4
"""Seconds under load in one go. All programs are there at once, and take turns so quickly that
whatever else the machine does falls on all of them alike."""
_SLICES = 6
"""Turns in one round."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One program in one slice."""

    per_second: float
    cpu: float
    """Seconds of CPU of the traced process for each request."""
    memory: int = 0
    """Bytes that are resident."""
    disk: int = 0
    """Bytes of the files that it has left."""


Turn = Callable[[], Measured]


def run(rounds: int) -> list[Row]:
    """An HTTP service, and workers on a PostgreSQL pool, with short requests and with real ones."""
    rows = _compare("HTTP, short requests", rounds, lambda one: serving(one, 40))
    rows += _compare("HTTP, requests of 1 ms", rounds, lambda one: serving(one, 4000))
    sys.path.insert(0, str(ROOT / "scenarios"))
    try:
        rows += asyncio.run(_on_postgres(rounds))
    except ImportError as error:
        rows.append(Row("PostgreSQL pool", "", "", None, "≥ 0.97", None, f"not measured: {error}"))
    return rows


async def _on_postgres(rounds: int) -> list[Row]:
    from _postgres import postgres  # type: ignore[import-not-found]  # the scenarios' own

    rows: list[Row] = []
    async with postgres() as dsn:
        for what, size in (("pool, short jobs", 50), ("pool, jobs of 1 ms", 1000)):
            rows += await asyncio.to_thread(
                _compare, what, rounds, partial(_working, rows=size, dsn=dsn)
            )
    return rows


@contextmanager
def serving(harness: Harness, rows: int, seconds: float = _SLICE) -> Iterator[Turn]:
    """The HTTP service, asked from here: whoever asks is not traced."""
    with _started(harness, "http_service.py", rows) as tell, Load(int(tell(None))) as load:

        def turn() -> Measured:
            tell("what have you done so far?")
            began = time.perf_counter()
            load.last(seconds)
            took = time.perf_counter() - began
            return _measured(tell("and since?"), took)

        yield turn


@contextmanager
def _working(harness: Harness, rows: int, dsn: str) -> Iterator[Turn]:
    """The workers on a pool; the server is not traced."""
    with _started(harness, "pool_service.py", rows, ASYNCCTX_PG_DSN=dsn) as tell:
        tell(None)

        def turn() -> Measured:
            began = time.perf_counter()
            said = tell(str(_SLICE))
            return _measured(said, time.perf_counter() - began)

        yield turn


@contextmanager
def _started(
    harness: Harness, program: str, rows: int, **environment: str
) -> Iterator[Callable[[str | None], str]]:
    """A program that is told a line, and answers with one; it ends in peace."""
    with tempfile.TemporaryDirectory() as folder:
        with subprocess.Popen(
            [*harness.words(folder), str(_PROGRAMS / program), str(rows)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=folder,
            env={**os.environ, **_MEMORY, **harness.environment(folder), **environment},
        ) as process:
            told, says = process.stdin, process.stdout
            assert told is not None
            assert says is not None

            def tell(line: str | None) -> str:
                if line is not None:
                    print(line, file=told, flush=True)
                return says.readline()

            try:
                yield tell
            finally:
                told.close()  # the program ends, and what traces it writes down what it has
                process.wait(120)
        harness.check(folder)


def _measured(said: str, took: float) -> Measured:
    done = json.loads(said)
    return Measured(
        done["served"] / took,
        done["cpu"] / done["served"],
        done.get("memory", 0),
        done.get("disk", 0),
    )


def _compare(
    what: str, rounds: int, start: Callable[[Harness], AbstractContextManager[Turn]]
) -> list[Row]:
    with ExitStack() as stack:
        turns = {each.name: stack.enter_context(start(each)) for each in harnesses()}
        for turn in turns.values():
            turn()  # to warm up
        found = alternate(turns, rounds * _SLICES)
    untraced = found.pop(UNTRACED)
    shares = {
        name: [
            each.per_second / base.per_second for each, base in zip(values, untraced, strict=True)
        ]
        for name, values in found.items()
    }
    costs = {
        name: [each.cpu / base.cpu for each, base in zip(values, untraced, strict=True)]
        for name, values in found.items()
    }
    speed = spread([each.per_second for each in untraced], unit="/s", digits=0)
    spent = spread([each.cpu for each in untraced], 1e6, "µs", 0)
    return [
        *_rows(f"{what}: throughput", shares, f"untraced, {speed}", True),
        *_rows(f"{what}: CPU a request", costs, f"untraced, {spent}", False),
    ]


def _rows(what: str, found: dict[str, list[float]], against: str, more: bool) -> list[Row]:
    """``found`` are shares of untraced, turn by turn; whether ``more`` is better."""
    middles = {name: statistics.median(values) for name, values in found.items()}
    best = (max if more else min)(middles.values())
    mine = middles[OURS]
    met = mine >= best and mine >= 0.97 if more else mine <= best and mine <= 1.03
    return [
        Row(
            f"{what}, {name}",
            spread(values, 100, "%"),
            against,
            middles[name],
            ("≥ 97 %, and most" if more else "≤ 103 %, and least") if name == OURS else "",
            met if name == OURS else None,
        )
        for name, values in found.items()
    ]
