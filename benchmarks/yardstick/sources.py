"""Fetches a suite's sources and makes the environment that it runs in."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

from benchmarks.yardstick.suites import CPYTHON, Suite

__all__ = ["interpreter", "prepare"]

_PROJECT = Path(__file__).resolve().parents[2]
_REQUIREMENTS = Path(__file__).parent / "requirements"


def prepare(suite: Suite, folder: Path) -> Path:
    """The folder of the suite's sources; fetched and set up if it is not there yet.

    The project under test here is installed anew each time. Raises CalledProcessError.
    """
    python = interpreter(suite, folder)
    sources = folder / suite.name / "sources"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder / suite.name / "venv"], check=True)
    if not sources.exists():
        if suite.pin:
            _unpack(suite, python, sources)
        else:
            _copy_interpreters_own(sources)
    _pip(python, "install", "--no-deps", "--force-reinstall", str(_PROJECT))
    _pip(python, "install", str(_PROJECT))
    return sources


def interpreter(suite: Suite, folder: Path) -> Path:
    """The python of the suite's environment."""
    return folder / suite.name / "venv" / "bin" / "python"


def _pip(python: Path, *words: str) -> None:
    subprocess.run([python, "-m", "pip", "-q", "--disable-pip-version-check", *words], check=True)


def _unpack(suite: Suite, python: Path, sources: Path) -> None:
    _pip(python, "install", "-r", str(_REQUIREMENTS / f"{suite.name}.txt"))
    archives = sources.with_name("sdist")
    project = suite.pin.partition("==")[0]
    _pip(python, "download", "--no-deps", "--no-binary", project, "-d", str(archives), suite.pin)
    (archive,) = archives.glob("*.tar.gz")
    unpacked = sources.with_name("unpacked")
    with tarfile.open(archive) as file:
        file.extractall(unpacked, filter="data")
    (top,) = unpacked.iterdir()
    top.rename(sources)
    if suite.shadow:
        shutil.rmtree(sources / suite.shadow)


def _copy_interpreters_own(sources: Path) -> None:
    """Out of the standard library, so that they count as the program's own code."""
    tests = Path(sysconfig.get_path("stdlib"), "test")
    sources.mkdir(parents=True)
    for name in CPYTHON:
        # A package's tests run programs that lie beside them.
        for path in (*tests.glob(f"test_{name}.py"), *tests.glob(f"test_{name}/[!_]*.py")):
            shutil.copy(path, sources)
