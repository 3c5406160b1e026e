"""Run scenarios as real programs, with and without the tracer, several at a time."""

from __future__ import annotations

import ast
import fcntl
import os
import pickle
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.recording.reading.reader import read
from asyncctx_trace_tui.run import bundled_scenarios

__all__ = ["PYTHONS", "Run", "Runs", "declared_by"]

PYTHONS = [
    sys.executable,
    *filter(None, os.environ.get("ASYNCCTX_TEST_PYTHONS", "").split(os.pathsep)),
]
"""This interpreter, and others that the project is installed in, if somebody names them."""

AT_ONCE = 8
"""They sleep most of the time."""


@dataclass
class Run:
    """A scenario that has ended."""

    name: str
    traced: subprocess.CompletedProcess[str]
    plain: subprocess.CompletedProcess[str]
    recording: Path

    @cached_property
    def timeline(self) -> Timeline:
        """The timeline of its recording."""
        return Timeline(read(self.recording))

    def task(self, task: int) -> str:
        """Return the name of a task."""
        return self.timeline.tasks[task].name

    def resource(self, row: int) -> str:
        """Return the name of the resource of an acquisition."""
        return self.timeline.resources[self.timeline.resource[row]].name

    @cached_property
    def expects(self) -> dict[str, Any]:
        """What the scenario declares to show."""
        return declared_by(self.name)


class Runs:
    """Starts runs, and returns each one when it has ended.

    Those that share a ``folder``, in other processes, share the runs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)
        self._workers = ThreadPoolExecutor(AT_ONCE)
        self._begun: dict[tuple[str, str], tuple[Future[Any], Future[Any], Path]] = {}

    def begin(self, python: str, name: str) -> None:
        """Start a scenario both ways, unless it is already running."""
        if (python, name) in self._begun:
            return
        stem = f"{PYTHONS.index(python)}-{name}"
        recording = self._folder / f"{stem}.actx"
        run = ["-m", "asyncctx_trace_tui", "run", "--quiet", "-o", str(recording), name]
        self._begun[python, name] = (
            self._workers.submit(self._once, f"{stem}-traced", python, *run),
            self._workers.submit(
                self._once, f"{stem}-plain", python, str(bundled_scenarios.find(name))
            ),
            recording,
        )

    def of(self, python: str, name: str) -> Run:
        """Return the run after it has ended."""
        self.begin(python, name)
        traced, plain, recording = self._begun[python, name]
        return Run(name, traced.result(), plain.result(), recording)

    def close(self) -> None:
        """Wait for the runs in progress, and start no more."""
        self._workers.shutdown(cancel_futures=True)

    def _once(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run ``command``, or wait for the process that does and return its result."""
        kept = self._folder / f"{name}.pickle"
        with (self._folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                kept.write_bytes(pickle.dumps(self._run(*command)))
        ended: subprocess.CompletedProcess[str] = pickle.loads(kept.read_bytes())
        return ended

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self._folder,  # far from the checkout
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            timeout=120,
        )


def declared_by(name: str) -> dict[str, Any]:
    """Return the ``EXPECTS`` of a scenario, read without running it."""
    for statement in ast.parse(bundled_scenarios.find(name).read_bytes()).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="EXPECTS")], value=value):
                declared: dict[str, Any] = ast.literal_eval(value)
                return declared
    raise LookupError(f"scenarios/{name}.py declares no EXPECTS")
