"""A debugger, a profiler or a coverage tool runs the program, and the program is traced."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import pytest

import asyncctx_trace
from asyncctx_trace.model.events import EnterStarted
from asyncctx_trace.recording.reading.reader import read
from asyncctx_trace.recording.writing.segments import create
from asyncctx_trace.runtime.launch import environment
from instrument.programs import both_ways

TRACER = Path(asyncctx_trace.__file__)
APP = """\
import asyncio

async def main():
    lock = asyncio.Lock()
    async with lock:
        print("inside")
    async with lock:
        print("again")

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the program ``app.py``, which acquires a lock twice."""
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def test_pdb(folder: Path) -> None:
    """Breakpoints, steps, listings, values and the stack are the same."""
    commands = ("b 6", "c", "p lock", "l", "ll", "n", "n", "n", "w", "p sys._getframe().f_lineno")
    words = [word for command in (*commands, "c", "q") for word in ("-c", command)]

    assert both_ways(folder, "-m", "pdb", *words, "app.py").acquisitions == 2


def test_pdb_that_runs_the_program_twice(folder: Path) -> None:
    """Pdb compiles it anew for each run."""
    words = ("-c", "c", "-c", "c", "-c", "q")

    assert both_ways(folder, "-m", "pdb", *words, "app.py").acquisitions == 4


def test_cprofile(folder: Path) -> None:
    """Its statistics are written to a file."""
    words = ("-m", "cProfile", "-o", "profile", "app.py")

    assert both_ways(folder, *words).acquisitions == 2


def test_profile_is_left_alone(folder: Path) -> None:
    """It writes the code object of the program to its file, so that one is not changed."""
    assert both_ways(folder, "-m", "profile", "-o", "profile", "app.py").acquisitions == 0


def test_trace(folder: Path) -> None:
    """It counts the same lines of the program."""
    others = [*map(str, TRACER.parents[:2]), sysconfig.get_path("stdlib"), sys.prefix]
    words = ("--count", "--summary", "-C", ".", f"--ignore-dir={os.pathsep.join(others)}")

    assert both_ways(folder, "-m", "trace", *words, "app.py").acquisitions == 2
    assert (folder / "app.cover").exists()


@pytest.mark.skipif(sys.version_info < (3, 15), reason="profiling.sampling is new in CPython 3.15")
def test_a_sampling_profiler(folder: Path) -> None:
    """It runs the program in a process of its own, and prints the number of samples."""
    words = ("-m", "profiling.sampling", "run", "--collapsed", "-o", "profile", "app.py")
    recording = folder / "run.actx"
    create(recording)
    subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment(recording, {"captured": False}),
        capture_output=True,
        timeout=240,
        check=True,
    )

    assert sum(isinstance(event, EnterStarted) for event in read(recording)) == 2


@pytest.mark.skipif(find_spec("coverage") is None, reason="coverage is not installed")
def test_a_command_of_the_environment(folder: Path) -> None:
    """``bin/coverage run app.py`` is a script that runs another one."""
    command = Path(sys.executable).with_name("coverage")

    assert both_ways(folder, str(command), "run", "app.py").acquisitions == 2


def test_an_unknown_launcher(folder: Path) -> None:
    """It compiles the program, inspects the code object, and executes it."""
    (folder / "launch").write_text(
        "import sys\n"
        "with open(sys.argv[1]) as file:\n"
        "    code = compile(file.read(), sys.argv[1], 'exec')\n"
        "print(code.co_names, code.co_consts)\n"
        "exec(code, {'__name__': '__main__'})\n"
    )

    assert both_ways(folder, "launch", "app.py").acquisitions == 2
