"""Importing the library costs next to nothing and loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {
    "aiofiles",
    "asyncio",
    "asyncpg",
    "click",
    "google.protobuf",
    "numpy",
    "opentelemetry.exporter",
    "opentelemetry.sdk",
    "requests",
    "rich",
    "textual",
    "trio",
    "wrapt",
}


def loaded_by(statement: str) -> set[str]:
    source = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_library_loads_no_screen_no_sdk_and_no_driver() -> None:
    """Not even asyncio, which a program that has no tasks need not pay for."""
    assert loaded_by("import asyncctx_trace") & HEAVY == set()


def test_the_command_line_loads_no_screen_before_it_is_asked() -> None:
    """--help must answer at once."""
    assert loaded_by("import asyncctx_trace_tui.cli") & HEAVY == set()
