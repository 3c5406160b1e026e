"""The ways to start a program: untraced, traced by us, and by what people would use instead."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["OURS", "UNTRACED", "Harness", "harnesses"]

UNTRACED = "untraced"
OURS = "asyncctx-trace run"
_SOMETHING = 10_000
"""Bytes, whatever the format, of seconds of locks taken and let go."""


@dataclass(frozen=True, slots=True)
class Harness:
    """One of them; ``{folder}`` stands for where its output goes."""

    name: str
    before: tuple[str, ...]
    """What stands before the program on the command line."""
    output: str = ""
    """Pattern of the files it leaves."""
    variables: Mapping[str, str] = field(default_factory=dict)

    def words(self, folder: str) -> list[str]:
        """Return what stands before the program, with its output in ``folder``."""
        return [word.format(folder=folder) for word in self.before]

    def environment(self, folder: str) -> dict[str, str]:
        """Return the variables to set, with the output in ``folder``."""
        return {name: value.format(folder=folder) for name, value in self.variables.items()}

    def check(self, folder: str) -> None:
        """A tool that has seen nothing has cost nothing, and what it cost would say nothing."""
        if self.output:
            size = sum(each.stat().st_size for each in Path(folder).glob(self.output))
            if size < _SOMETHING:
                raise RuntimeError(f"{self.name} left {size} bytes: it has not traced the program")


def harnesses() -> list[Harness]:
    """All that are installed here."""
    python = sys.executable
    found = [
        Harness(UNTRACED, (python,)),
        Harness(
            OURS,
            (python, "-m", "asyncctx_trace_tui", "run", "-q", "-o", "{folder}/a.actx"),
            "a.actx",
        ),
    ]
    if importlib.util.find_spec("viztracer"):
        words = (
            *(python, "-m", "viztracer", "--quiet", "--log_async"),
            # A ring of the newest; to write down a million of them at the end takes half a minute.
            *("--tracer_entries", "100000", "-o", "{folder}/viz.json", "--"),
        )
        found.append(Harness("viztracer --log_async", words, "viz.json"))
    if importlib.util.find_spec("ddtrace"):
        on = ("DD_PROFILING_ENABLED", "DD_PROFILING_LOCK_ENABLED")
        off = (
            "DD_PROFILING_STACK_ENABLED",
            "DD_PROFILING_MEMORY_ENABLED",
            "DD_PROFILING_HEAP_ENABLED",
            "DD_PROFILING_EXCEPTION_ENABLED",
            "DD_TRACE_ENABLED",
            "DD_INSTRUMENTATION_TELEMETRY_ENABLED",
        )
        variables = {
            **dict.fromkeys(on, "true"),
            **dict.fromkeys(off, "false"),
            "DD_PROFILING_CAPTURE_PCT": "100",
            "DD_PROFILING_OUTPUT_PPROF": "{folder}/dd",
        }
        ddtrace = (python, "-m", "ddtrace.commands.ddtrace_run", python)
        found.append(Harness("ddtrace lock profiler, 100 %", ddtrace, "dd.*.pprof", variables))
    return found
