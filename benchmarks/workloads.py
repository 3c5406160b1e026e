"""What tracing costs a real program, beside what other tools cost it."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import load
from benchmarks.measure import ROOT, Row, alternate

__all__ = ["run"]

_PROGRAMS = Path(__file__).parent / "programs"
_SECONDS = 3.0
_OURS = "asyncctx-trace run"
_SOMETHING = 10_000
"""Bytes, whatever the format, of seconds of locks taken and let go."""


@dataclass(frozen=True, slots=True)
class Harness:
    """A way to start a program."""

    words: tuple[str, ...]
    """What stands before the program, with ``{folder}`` for where its output goes."""
    output: str = ""
    """Pattern of the files it leaves."""
    environment: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of a program in a harness."""

    per_second: float
    cpu: float
    """Seconds of CPU of the traced process for each request."""


def run(rounds: int) -> list[Row]:
    """An HTTP service, and workers on a PostgreSQL pool, with short requests and with real ones."""
    service = _PROGRAMS / "http_service.py"
    rows = _compare("HTTP service, short requests", rounds, _Serving(service, 40))
    rows += _compare("HTTP service", rounds, _Serving(service, 600))
    sys.path.insert(0, str(ROOT / "scenarios"))
    try:
        rows += asyncio.run(_on_postgres(rounds))
    except ImportError as error:
        rows.append(Row("PostgreSQL pool", "", "", None, "≥ 97 %", None, f"not measured: {error}"))
    return rows


async def _on_postgres(rounds: int) -> list[Row]:
    from _postgres import postgres  # type: ignore[import-not-found]  # the scenarios' own

    rows: list[Row] = []
    async with postgres() as dsn:
        for what, size in (("PostgreSQL pool, short jobs", 50), ("PostgreSQL pool", 1000)):
            working = _Working(_PROGRAMS / "pool_service.py", size, dsn)
            rows += await asyncio.to_thread(_compare, what, rounds, working)
    return rows


def _harnesses() -> dict[str, Harness]:
    python = sys.executable
    found = {
        "untraced": Harness((python,)),
        _OURS: Harness(
            (python, "-m", "asyncctx_trace_tui", "run", "-q", "-o", "{folder}/a.actx"),
            "a.actx",
        ),
    }
    if importlib.util.find_spec("viztracer"):
        found["viztracer --log_async"] = Harness(
            (
                *(python, "-m", "viztracer", "--quiet", "--log_async"),
                # A ring of its newest entries; writing a million of them takes half a minute.
                *("--tracer_entries", "100000", "-o", "{folder}/viz.json", "--"),
            ),
            "viz.json",
        )
    if importlib.util.find_spec("ddtrace"):
        found["ddtrace lock profiler, 100 %"] = Harness(
            (python, "-m", "ddtrace.commands.ddtrace_run", python),
            "dd.*.pprof",
            {
                "DD_PROFILING_ENABLED": "true",
                "DD_PROFILING_LOCK_ENABLED": "true",
                "DD_PROFILING_CAPTURE_PCT": "100",
                "DD_PROFILING_OUTPUT_PPROF": "{folder}/dd",
                "DD_PROFILING_STACK_ENABLED": "false",
                "DD_PROFILING_MEMORY_ENABLED": "false",
                "DD_PROFILING_HEAP_ENABLED": "false",
                "DD_PROFILING_EXCEPTION_ENABLED": "false",
                "DD_TRACE_ENABLED": "false",
                "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
            },
        )
    return found


@dataclass(frozen=True, slots=True)
class _Serving:
    """The HTTP service, asked from here: whoever asks is not traced."""

    program: Path
    size: int

    def __call__(self, words: list[str], environment: dict[str, str], folder: str) -> Measured:
        with subprocess.Popen(
            [*words, str(self.program), str(self.size)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=folder,
            env=environment,
        ) as process:
            assert process.stdout is not None
            try:
                said = load(int(process.stdout.readline()), _SECONDS)
                process.wait(120)
            finally:
                process.kill()
        return _measured(said)


@dataclass(frozen=True, slots=True)
class _Working:
    """The workers on a pool: their load comes from the server, which is not traced."""

    program: Path
    size: int
    dsn: str

    def __call__(self, words: list[str], environment: dict[str, str], folder: str) -> Measured:
        done = subprocess.run(
            [*words, str(self.program), str(self.size), str(_SECONDS)],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=folder,
            env={**environment, "ASYNCCTX_PG_DSN": self.dsn},
            timeout=120,
        )
        return _measured(json.loads(done.stdout.splitlines()[-1]))


def _measured(said: dict[str, float]) -> Measured:
    return Measured(said["served"] / said["seconds"], said["cpu"] / said["served"])


def _compare(
    what: str,
    rounds: int,
    program: Callable[[list[str], dict[str, str], str], Measured],
) -> list[Row]:
    def once(harness: Harness) -> Measured:
        with tempfile.TemporaryDirectory() as folder:
            own = {
                name: value.format(folder=folder)
                for name, value in (harness.environment or {}).items()
            }
            words = [word.format(folder=folder) for word in harness.words]
            measured = program(words, {**os.environ, **own}, folder)
            _check(harness, Path(folder))
        return measured

    ways = {name: lambda each=each: once(each) for name, each in _harnesses().items()}
    found = alternate(ways, rounds)
    middles = {
        name: Measured(
            statistics.median(each.per_second for each in values),
            statistics.median(each.cpu for each in values),
        )
        for name, values in found.items()
    }
    base = middles.pop("untraced")
    best = max(each.per_second for each in middles.values())
    least = min(each.cpu for each in middles.values())
    rows: list[Row] = []
    for name, each in middles.items():
        share, more = each.per_second / base.per_second, each.cpu / base.cpu
        ours = name == _OURS
        rows += [
            Row(
                f"{what}: throughput, {name}",
                f"{each.per_second:.0f}/s",
                f"untraced {base.per_second:.0f}/s",
                share,
                "≥ 0.97, and best" if ours else "",
                (share >= 0.97 and each.per_second >= best) if ours else None,
            ),
            Row(
                f"{what}: CPU of a request, {name}",
                f"{each.cpu * 1e6:.0f} µs",
                f"untraced {base.cpu * 1e6:.0f} µs",
                more,
                "≤ 1.03, and least" if ours else "",
                (more <= 1.03 and each.cpu <= least) if ours else None,
            ),
        ]
    return rows


def _check(harness: Harness, folder: Path) -> None:
    """A tool that has seen nothing has cost nothing, and what it cost would say nothing."""
    if harness.output:
        size = sum(each.stat().st_size for each in folder.glob(harness.output))
        if size < _SOMETHING:
            raise RuntimeError(f"{harness.words} left {size} bytes: it has not traced the program")
