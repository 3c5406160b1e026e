"""``asyncctx-trace recordings``: what runs have left behind, and how one gets rid of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asyncctx_trace.recording.retention import LEAST

from .conftest import Shell

QUICK = """
    import asyncio
    async def main():
        async with asyncio.Lock(): print("done")
    asyncio.run(main())
"""
DAY = 86_400


def aged(shell: Shell, *days: int) -> list[Path]:
    """Recordings of so many runs, last written to so many days ago."""
    shell.write("app.py", QUICK)
    for _ in days:
        assert shell.trace("run", "--quiet", "app.py").code == 0
    for path, age in zip(shell.recordings, days, strict=True):
        written = path.stat().st_mtime - age * DAY
        os.utime(path, (written, written))
    return shell.recordings


@contextmanager
def recording_of_a_program_that_runs(shell: Shell) -> Iterator[None]:
    """It waits for its input to end."""
    shell.write("waits.py", "import sys\nprint('ready', flush=True)\nsys.stdin.read()\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "asyncctx_trace_tui", "run", "--quiet", "waits.py"],
        cwd=shell.folder,
        env=shell.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    try:
        yield
    finally:
        process.communicate("")


def test_they_are_listed_the_newest_first(shell: Shell) -> None:
    """With their sizes, and where they are."""
    old, new = aged(shell, 3, 1)

    told = shell.trace("recordings")

    *listed, total = told.out.splitlines()
    assert [line.split()[-1] for line in listed] == [new.name, old.name]
    assert total.startswith(f"2 recordings in {new.parent}, ")


def test_without_any_there_is_nothing_to_tell(shell: Shell) -> None:
    """Nor a folder."""
    assert shell.trace("recordings").out.startswith("0 recordings in ")


def test_those_older_than_what_is_kept_are_deleted(shell: Shell) -> None:
    """By their names, and no others."""
    old, new = aged(shell, 8, 6)

    told = shell.trace("recordings", "--keep", "7d")

    assert f"deleted {old.name}\n" in told.out
    assert shell.recordings == [new]


def test_the_oldest_make_room_for_the_newest(shell: Shell) -> None:
    """Where it is their size that is bounded; the least bound there is has room for a few."""
    paths = aged(shell, 5, 4, 3, 2, 1)
    room = LEAST // paths[0].stat().st_size
    assert 0 < room < 5

    shell.trace("recordings", "--keep", "1KB")

    assert shell.recordings == paths[-room:]


def test_what_is_still_written_to_stays(shell: Shell) -> None:
    """However old it looks."""
    with recording_of_a_program_that_runs(shell):
        [path] = shell.recordings
        os.utime(path, (0, 0))

        shell.trace("recordings", "--keep", "1s")

        assert path.exists()
    os.utime(path, (0, 0))
    shell.trace("recordings", "--keep", "1s")
    assert not path.exists()


def test_an_amount_that_says_nothing_is_refused_before_anything_is_deleted(shell: Shell) -> None:
    """In one line."""
    [old] = aged(shell, 9)

    refused = shell.trace("recordings", "--keep", "some")

    assert refused.code == 2
    assert refused.err.count("\n") == 1
    assert old.exists()
