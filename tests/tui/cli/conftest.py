"""Run the command line in a process and a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

TIMEOUT = 240.0
"""Seconds after which a process counts as hanging."""


@dataclass(frozen=True)
class Ended:
    """Exit code and output of a process that has ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Shell:
    """A folder with scripts, and two ways to run them."""

    folder: Path

    def write(self, name: str, source: str) -> Path:
        """Write a script to the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(source))
        return path

    @property
    def recordings(self) -> list[Path]:
        """The recordings that runs without ``-o`` left in the state folder, oldest first."""
        return sorted((self.folder / "state").rglob("*.actx"))

    @property
    def environment(self) -> dict[str, str]:
        """This environment with an empty state folder, and without what hides stale caches."""
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        return {**kept, "XDG_STATE_HOME": str(self.folder / "state"), "COLUMNS": "100"}

    def python(self, *words: str, input: str = "") -> Ended:
        """Run ``python WORDS``."""
        return self._run([sys.executable, *words], input)

    def trace(self, *words: str, input: str = "") -> Ended:
        """Run ``asyncctx-trace WORDS``."""
        return self._run([sys.executable, "-m", "asyncctx_trace_tui", *words], input)

    def _run(self, words: list[str], input: str) -> Ended:
        done = subprocess.run(
            words,
            input=input,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environment,
            timeout=TIMEOUT,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Return a shell in a new folder."""
    return Shell(tmp_path)


@pytest.fixture
def same_as_plain(shell: Shell) -> Callable[..., Ended]:
    """Run a script with and without the tracer, and fail if the results differ."""

    def compare(*words: str, input: str = "") -> Ended:
        plain = shell.python(*words, input=input)
        traced = shell.trace("run", "--quiet", *words, input=input)
        assert traced == plain
        return traced

    return compare
