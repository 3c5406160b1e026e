"""The hot path is compiled where a compiler is, and the Python serves where none is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from asyncctx_trace.native import PURE

CHECKOUT = Path(__file__).parents[1]
ASK = (
    "from asyncctx_trace.instrument import publish as lifecycle;"
    "from asyncctx_trace.instrument.rewriting import hooks as marks;"
    "from asyncctx_trace.recording import append as stamping;"
    "print(lifecycle.Acquisition.__module__, marks.Exit.__module__,"
    " stamping.RecordAppender.__module__)"
)


def modules(**variables: str) -> set[str]:
    """Where the classes of the hot path come from, in a fresh interpreter."""
    environment = {k: v for k, v in os.environ.items() if k != PURE}
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        capture_output=True,
        text=True,
        check=True,
        env={**environment, **variables},
    )
    return set(done.stdout.split())


def wheel(folder: Path, **variables: str) -> list[str]:
    """The files in a wheel of this checkout."""
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    environment = {**os.environ, **variables}
    subprocess.run(words, cwd=CHECKOUT, check=True, capture_output=True, env=environment)
    [built] = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return [built.name, *archive.namelist()]


def test_it_is_compiled_here() -> None:
    """Or all else would be measured, and tested, on the Python alone."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if not shutil.which(os.environ.get("CC", compiler)):
        pytest.skip("there is no compiler here")

    assert modules() == {
        "asyncctx_trace.instrument._native",
        "asyncctx_trace.recording._native",
    }


def test_it_can_be_declined() -> None:
    """By a word in the environment."""
    assert modules(**{PURE: "1"}) == {
        "asyncctx_trace.instrument.publish",
        "asyncctx_trace.instrument.rewriting.hooks",
        "asyncctx_trace.recording.append",
    }


def test_without_a_compiler_the_wheel_is_pure(tmp_path: Path) -> None:
    """And serves every interpreter."""
    name, *files = wheel(tmp_path, CC=str(tmp_path / "no-such-compiler"))

    assert name.endswith("-py3-none-any.whl")
    assert not [file for file in files if "_native." in file and not file.endswith(".pyi")]
