"""What a recording lost is counted in it, and makes nothing certain."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from asyncctx_trace.model.events import EnterStarted
from asyncctx_trace.recording.reading.reader import read

from .conftest import Shell

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX limits")

SMALL_DISK = """
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
"""
"""From here on no file of the program grows beyond that; Python ignores the signal for it."""

MANY_AT_ONCE = """
    import asyncio, os, sys

    async def worker(lock, rounds):
        for _ in range(rounds):
            async with asyncio.Semaphore(1), lock, asyncio.timeout(60):
                await asyncio.sleep(0)

    async def main():
        await asyncio.gather(*(worker(asyncio.Lock(), 100) for _ in range(30)))

    asyncio.run(main())
"""
"""9,000 acquisitions in which nothing goes wrong, up to 90 at once."""


def report(shell: Shell, *options: str) -> dict[str, Any]:
    """Return the report on x.actx."""
    printed = shell.trace("report", "x.actx", "--format", "json", *options)
    result: dict[str, Any] = json.loads(printed.out)
    return result


def recorded(shell: Shell) -> int:
    """Return the number of acquisitions in the recording."""
    return sum(isinstance(event, EnterStarted) for event in read(shell.folder / "x.actx"))


@pytest.mark.parametrize("pure", ["", "1"], ids=["native", "pure"])
@pytest.mark.parametrize(
    "end", ["print('done')", "os.kill(os.getpid(), 9)"], ids=["ends", "killed"]
)
def test_acquisitions_lost_to_a_full_disk_are_counted_and_prove_nothing(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, pure: str, end: str
) -> None:
    """Those that were open when the disk was full may have ended since."""
    monkeypatch.setenv("ASYNCCTX_TRACE_PURE", pure)
    shell.write("app.py", SMALL_DISK + MANY_AT_ONCE + f"    {end}\n")

    ended = shell.trace("run", "-q", "-o", "x.actx", "app.py")

    assert ended.err.count("the recording stops here") == 1
    result = report(shell)
    assert 1000 < recorded(shell) < 9000
    assert recorded(shell) + result["dropped"]["acquisitions"] == 9000
    assert result["findings"] == []
    assert result["interrupted"]["by"] == "stopped"


def test_findings_proven_before_the_disk_was_full_are_reported(shell: Shell) -> None:
    """Two tasks hang from the start; others continue until the disk is full."""
    shell.write(
        "app.py",
        SMALL_DISK
        + """
    import asyncio

    async def hold_and_ask(first, second):
        async with first:
            await asyncio.sleep(0)
            async with second:
                pass

    async def work():
        for _ in range(10_000):
            async with asyncio.Lock():
                await asyncio.sleep(0)

    async def main():
        a, b = asyncio.Lock(), asyncio.Lock()
        tasks = [asyncio.create_task(hold_and_ask(*pair)) for pair in ((a, b), (b, a))]
        await work()
        for task in tasks: task.cancel()

    asyncio.run(main())
""",
    )
    shell.trace("run", "-q", "-o", "x.actx", "app.py")

    kinds = {(each["kind"], each["certainty"]) for each in report(shell)["findings"]}
    assert ("deadlock", "certain") in kinds
    assert not kinds & {("leak", "certain"), ("still-waiting", "certain")}


PATCHED = """
    import builtins, fcntl, io, mmap, os, sys, threading, time

    def forbidden(*args, **options):
        raise RuntimeError("a blocking call on the event loop")

    def patch():
        for module, names in {
            os: ["open", "close", "write", "read", "fstat", "lseek", "posix_fallocate"],
            fcntl: ["flock", "lockf"],
            mmap: ["mmap"],
            threading: ["Lock", "RLock"],
            time: ["sleep"],
            builtins: ["open"],
        }.items():
            for name in names:
                if hasattr(module, name):
                    setattr(module, name, forbidden)
        for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter_ns"):
            frozen = (lambda: 0) if name.endswith("ns") else (lambda: 0.0)
            real = getattr(time, name)
            setattr(time, name, frozen)
            # As freezegun does, in all modules.
            for module in list(sys.modules.values()):
                for key, value in list(vars(module).items()) if hasattr(module, "__dict__") else []:
                    if value is real and name != "monotonic":
                        setattr(module, key, frozen)
"""


@pytest.mark.parametrize("pure", ["", "1"], ids=["native", "pure"])
def test_programs_that_patch_what_recording_uses_are_recorded(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, pure: str
) -> None:
    """blockbuster forbids blocking calls, freezegun stops clocks, pyfakefs hides files."""
    monkeypatch.setenv("ASYNCCTX_TRACE_PURE", pure)
    inside_the_loop = MANY_AT_ONCE.replace("await asyncio.gather", "patch(); await asyncio.gather")
    shell.write("app.py", PATCHED + inside_the_loop)

    ended = shell.trace("run", "-q", "-o", "x.actx", "app.py")

    result = report(shell)
    assert (ended.code, recorded(shell), result["dropped"]["acquisitions"]) == (0, 9000, 0)
    assert result["recording"]["length_ns"] > 0
    assert all(
        event.at for event in read(shell.folder / "x.actx") if isinstance(event, EnterStarted)
    )


NOTHING_WRONG = """
    import asyncio

    async def main():
        async with asyncio.Lock():
            pass

    asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("[tool.asyncctx-trace", "is not valid TOML"),
        ("[tool.asyncctx-trace]\ninclude = 5", "must be a list of names"),
    ],
    ids=["no TOML", "no list"],
)
def test_no_check_passes_where_settings_kept_the_program_from_being_recorded(
    shell: Shell, settings: str, reason: str
) -> None:
    """The program runs, and the recording itself says why there is nothing in it."""
    shell.write("app.py", NOTHING_WRONG)
    (shell.folder / "pyproject.toml").write_text(settings)

    ended = shell.trace("run", "-q", "-o", "x.actx", "--fail-on", "any", "app.py")
    later = shell.trace("report", "x.actx", "--fail-on", "any")

    for said in (ended, later):
        assert said.code == 1
        assert "check failed: the evidence is incomplete: the recording stopped" in said.err
        assert reason in said.err


@pytest.mark.parametrize("options", [["-I"], ["-E"]])
def test_no_check_passes_where_the_program_never_joined_the_recording(
    shell: Shell, options: list[str]
) -> None:
    """An interpreter that ignores its environment starts the program without us."""
    shell.write("app.py", NOTHING_WRONG)

    run = ["-m", "asyncctx_trace_tui", "run", "-q", "-o", "x.actx", "--fail-on", "any", "app.py"]
    ended = shell.python(*options, *run)

    assert ended.code == 1
    assert "was not recorded" in ended.err


def test_no_check_passes_where_there_is_no_room_for_the_program(shell: Shell) -> None:
    """The launcher begins the recording, and the program finds the disk full."""
    shell.write("app.py", NOTHING_WRONG)
    # The launcher takes one segment before the program takes its own.
    small = "import resource as r, sys; from asyncctx_trace_tui.cli import main; "
    small += "r.setrlimit(r.RLIMIT_FSIZE, (200_000, 200_000)); main()"

    run = ["run", "-q", "-o", "x.actx", "--fail-on", "any", "app.py"]
    ended = shell.python("-c", small, *run)

    assert ended.code == 1
    assert "check failed: the evidence is incomplete" in ended.err


def test_no_check_passes_where_the_recorder_was_disabled(shell: Shell) -> None:
    """The recorder raised an exception, and counts what it no longer records."""
    shell.write(
        "app.py",
        """
        import asyncio, logging
        from asyncctx_trace.recording.writing.writer import Recorder

        def fail(*arguments):
            raise RuntimeError("broken")

        async def main():
            Recorder.resource_defined = fail
            async with asyncio.Lock():
                pass

        logging.disable()
        asyncio.run(main())
        """,
    )
    ended = shell.trace("run", "-q", "-o", "x.actx", "--fail-on", "any", "app.py")

    assert ended.code == 1
    assert "the recording stopped: RuntimeError: broken" in ended.err


@pytest.mark.parametrize(
    "does",
    [
        "os.unlink('x.actx')",
        "os.rename('x.actx', 'y.actx')",
        "os.unlink('x.actx'); os.mkdir('x.actx')",
    ],
    ids=["deleted", "moved", "replaced"],
)
@pytest.mark.parametrize("option", ["-q", "--headless"])
def test_the_exit_code_is_the_programs_whatever_happened_to_its_recording(
    shell: Shell, option: str, does: str
) -> None:
    """Checks could not pass, but the program's failure comes first."""
    shell.write("app.py", f"import os, sys\n{does}\nsys.exit(3)")

    ended = shell.trace("run", option, "-o", "x.actx", "--fail-on", "any", "app.py")

    assert ended.code == 3
    assert "Traceback" not in ended.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_the_exit_code_is_the_programs_where_stderr_takes_nothing(shell: Shell) -> None:
    """The report cannot be printed."""
    shell.write("app.py", "import sys; sys.exit(0)")

    run = [sys.executable, "-m", "asyncctx_trace_tui", "run", "--headless", "app.py"]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(run, cwd=shell.folder, env=shell.environment, stderr=full)

    assert ended.returncode == 0
