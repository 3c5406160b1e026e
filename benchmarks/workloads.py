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
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import ROOT, Row, alternate

__all__ = ["run"]

_PROGRAMS = Path(__file__).parent / "programs"


def run(rounds: int) -> list[Row]:
    """Throughput of an HTTP service, and of workers on a PostgreSQL pool, in each harness."""
    rows = _compare("HTTP service", _PROGRAMS / "http_service.py", rounds, {})
    sys.path.insert(0, str(ROOT / "scenarios"))
    try:
        rows += asyncio.run(_on_postgres(rounds))
    except ImportError as error:
        rows.append(Row("PostgreSQL pool", "", "", None, "≥ 97 %", None, f"not measured: {error}"))
    return rows


async def _on_postgres(rounds: int) -> list[Row]:
    from _postgres import postgres  # type: ignore[import-not-found]  # the scenarios' own

    async with postgres() as dsn:
        program = _PROGRAMS / "pool_service.py"
        return await asyncio.to_thread(
            _compare, "PostgreSQL pool", program, rounds, {"ASYNCCTX_PG_DSN": dsn}
        )


def _compare(what: str, program: Path, rounds: int, environment: dict[str, str]) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        python = sys.executable
        recording = f"{folder}/a.actx"
        ours = [python, "-m", "asyncctx_trace_tui", "run", "-q", "--overwrite", "-o", recording]
        ways = {"untraced": [python], "asyncctx-trace run": ours}
        if importlib.util.find_spec("viztracer"):
            ways["viztracer --log_async"] = [
                *(python, "-m", "viztracer", "--quiet", "--log_async"),
                *("-o", f"{folder}/viz.json", "--"),
            ]
        if importlib.util.find_spec("ddtrace"):
            ways["ddtrace lock profiler, 100 %"] = [
                python,
                "-m",
                "ddtrace.commands.ddtrace_run",
                python,
            ]
        ddtrace = {
            "DD_PROFILING_ENABLED": "true",
            "DD_PROFILING_LOCK_ENABLED": "true",
            "DD_PROFILING_CAPTURE_PCT": "100",
            "DD_PROFILING_STACK_ENABLED": "false",
            "DD_PROFILING_MEMORY_ENABLED": "false",
            "DD_TRACE_ENABLED": "false",
            "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
        }

        def throughput(words: list[str]) -> Callable[[], float]:
            def once() -> float:
                done = subprocess.run(
                    [*words, str(program)],
                    check=True,
                    capture_output=True,
                    text=True,
                    cwd=folder,
                    env={**os.environ, **environment, **ddtrace},
                )
                return float(json.loads(done.stdout.splitlines()[-1])["per_second"])

            return once

        found = alternate({name: throughput(words) for name, words in ways.items()}, rounds)
    base = statistics.median(found.pop("untraced"))
    shares = {name: statistics.median(values) / base for name, values in found.items()}
    mine = shares["asyncctx-trace run"]
    return [
        Row(
            f"{what}: throughput under {name}",
            f"{share:.1%}",
            f"untraced {base:.0f}/s",
            share,
            "≥ 97 %, and best" if share is mine else "",
            (share >= 0.97 and mine >= max(shares.values())) if share is mine else None,
        )
        for name, share in shares.items()
    ]
