"""Small recordings, written by a real recorder."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from asyncctx_trace.recording.writing.segments import create
from asyncctx_trace.recording.writing.writer import Recorder

__all__ = ["LOCK", "define_names", "recorder", "script"]

LOCK = 7
"""The resource that :func:`define_names` defines."""


def recorder(path: Path) -> Recorder:
    """Return a recorder on a new file."""
    create(path)
    return Recorder(path)


def define_names(recorder: Recorder) -> None:
    """Define everything to which an event may refer: manager 1, site 1, task 1, resource LOCK."""
    recorder.manager_defined(1, "asyncio.locks.Lock")
    recorder.site_defined(1, "app.py", 12, "worker", "db_lock")
    recorder.resource_defined(LOCK, "lock", "db lock", 1)
    recorder.task_defined(5, 1, "worker-1", "asyncio", 0, "MainThread")


def script(source: str, *arguments: object, **options: object) -> subprocess.Popen[bytes]:
    """Start a Python process that runs ``source`` with this package on its path."""
    command = [sys.executable, "-c", textwrap.dedent(source), *map(str, arguments)]
    return subprocess.Popen(command, **options)  # type: ignore[call-overload,no-any-return]  # any options
