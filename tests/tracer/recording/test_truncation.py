"""A recording is truncated while it is written: the program goes on, and the loss is known."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from asyncctx_trace import native

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="Windows does not truncate mapped files"),
    pytest.mark.skipif(
        bool(native.why_not("asyncctx_trace.recording")), reason="the guard is written in C"
    ),
]

WORK = """
    import asyncio, os, shutil, signal, sys

    async def work(rounds):
        lock = asyncio.Lock()
        for number in range(rounds):
            async with lock, asyncio.Semaphore(1):
                pass
            if not number % 500:
                asyncio.current_task().set_name(str(number))
                print("line", number, flush=True)

    async def main():
        await work(5000)
        {truncate}
        await asyncio.gather(*(work(5000) for _ in range(2)))

    asyncio.run(main())
    sys.exit(3)
"""

TRUNCATIONS = {
    "emptied": "open('x.actx', 'w').close()",
    "cut": "os.truncate('x.actx', 5000)",
    "within a page": "os.truncate('x.actx', os.stat('x.actx').st_size - 100_001)",
    "copied over": "shutil.copyfile('other', 'x.actx')",
    "copied over by a large one": "shutil.copyfile('large', 'x.actx')",
}


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """``python WORDS`` in ``folder``."""
    return subprocess.run(
        [sys.executable, *words], cwd=folder, text=True, capture_output=True, check=False
    )


@pytest.mark.parametrize("options", [[], ["--keep", "1MB"]], ids=["all", "ring"])
@pytest.mark.parametrize("truncate", TRUNCATIONS.values(), ids=TRUNCATIONS)
def test_the_program_and_its_launcher_survive(
    tmp_path: Path, truncate: str, options: list[str]
) -> None:
    """The exit code is the program's, one line at most says so, and no check passes."""
    (tmp_path / "other").write_bytes(bytes(10_000))
    (tmp_path / "large").write_bytes(bytes(10_000_000))
    (tmp_path / "app.py").write_text(dedent(WORK).format(truncate=truncate))
    words = ["run", "-q", *options, "-o", "x.actx", "--fail-on", "any", "app.py"]

    ended = python(tmp_path, "-m", "asyncctx_trace_tui", *words)

    assert ended.returncode == 3, ended.stderr
    assert ended.stdout == python(tmp_path, "app.py").stdout
    assert "check failed" in ended.stderr
    assert ended.stderr.count("the recording stops here") <= 1
    assert "Traceback" not in ended.stderr


OWN_FAULT = """
    import faulthandler, mmap, os, signal, sys
    from pathlib import Path
    from asyncctx_trace import record

    {before}
    with record("x.actx"):
        with open("own", "w+b") as file:
            file.truncate(mmap.PAGESIZE)
            own = mmap.mmap(file.fileno(), mmap.PAGESIZE)
            file.truncate(0)
        {fault}
"""

FAULTS = ["own[0] = 1", "os.kill(os.getpid(), signal.SIGBUS)"]


@pytest.mark.parametrize("fault", FAULTS, ids=["a store", "kill"])
@pytest.mark.parametrize("before", ["", "faulthandler.enable()"], ids=["plain", "faulthandler"])
def test_a_bus_error_of_the_program_is_its_own(tmp_path: Path, before: str, fault: str) -> None:
    """It ends as it would without us, with faulthandler's traceback if that is enabled."""
    (tmp_path / "app.py").write_text(dedent(OWN_FAULT).format(before=before, fault=fault))

    ended = python(tmp_path, "app.py")

    assert ended.returncode == -signal.SIGBUS
    assert ("Fatal Python error: Bus error" in ended.stderr) == bool(before)


def test_faulthandler_that_is_enabled_before_changes_nothing(tmp_path: Path) -> None:
    """It would print a traceback and end the program; it is not asked."""
    (tmp_path / "app.py").write_text(dedent(WORK).format(truncate=TRUNCATIONS["emptied"]))
    options = ["-X", "faulthandler", "-m", "asyncctx_trace_tui"]

    ended = python(tmp_path, *options, "run", "-q", "-o", "x.actx", "app.py")

    assert ended.returncode == 3, ended.stderr
    assert "Fatal Python error" not in ended.stderr


def test_python_does_not_see_the_handler(tmp_path: Path) -> None:
    """What the program asks for is as it was."""
    source = """
        import signal
        from asyncctx_trace import record
        before = signal.getsignal(signal.SIGBUS)
        with record("x.actx"):
            assert signal.getsignal(signal.SIGBUS) is before is signal.SIG_DFL
    """
    assert python(tmp_path, "-c", dedent(source)).returncode == 0
