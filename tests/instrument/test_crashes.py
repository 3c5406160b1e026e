"""The interpreter survives us, whoever else listens to it; each program is a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from asyncctx_trace.native import PURE

PROGRAM = Path(__file__).with_name("everyway.py")
WAYS = ["alone", "threads", "settrace", "setprofile", "collector", "recursion"]
if sys.version_info >= (3, 12):
    WAYS.append("monitoring")


@pytest.fixture(params=["compiled", "pure"])
def pure(request: pytest.FixtureRequest) -> str:
    """What ASYNCCTX_TRACE_PURE is to be."""
    return "" if request.param == "compiled" else "1"


def run(folder: Path, *words: str, **variables: str) -> str:
    """What a traced program and its interpreter have to say."""
    command = [sys.executable, "-m", "asyncctx_trace_tui", "run", "-q", "-o", folder / "run.actx"]
    done = subprocess.run(
        [*map(str, command), *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
        cwd=folder,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("how", WAYS)
def test_a_program_comes_to_its_end(how: str, pure: str, tmp_path: Path) -> None:
    """Whoever listens, and whatever fails."""
    assert run(tmp_path, str(PROGRAM), how, **{PURE: pure}) == "came to its end\n"
