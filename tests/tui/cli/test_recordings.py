"""``asyncctx-trace recordings`` lists recordings and deletes old ones."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asyncctx_trace.recording.writing.retention import MIN_SIZE

from .conftest import Shell

QUICK = """
    import asyncio
    async def main():
        async with asyncio.Lock(): print("done")
    asyncio.run(main())
"""
DAY = 86_400


def aged(shell: Shell, *days: int) -> list[Path]:
    """Write recordings that were last written to so many days ago."""
    shell.write("app.py", QUICK)
    for _ in days:
        assert shell.trace("run", "--quiet", "app.py").code == 0
    for path, age in zip(shell.recordings, days, strict=True):
        written = path.stat().st_mtime - age * DAY
        os.utime(path, (written, written))
    return shell.recordings


@contextmanager
def recording_of_a_running_program(shell: Shell) -> Iterator[None]:
    """The program waits for the end of its input."""
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


def test_recordings_are_listed_newest_first(shell: Shell) -> None:
    """With their sizes and their folder."""
    old, new = aged(shell, 3, 1)

    ended = shell.trace("recordings")

    *listed, total = ended.out.splitlines()
    assert [line.split()[-1] for line in listed] == [new.name, old.name]
    assert total.startswith(f"2 recordings in {new.parent}, ")


def test_an_empty_list_says_so(shell: Shell) -> None:
    """No folder is created."""
    assert shell.trace("recordings").out.startswith("0 recordings in ")


def test_recordings_older_than_keep_are_deleted(shell: Shell) -> None:
    """They are named, and no others are deleted."""
    old, new = aged(shell, 8, 6)

    ended = shell.trace("recordings", "--keep", "7d")

    assert f"deleted {old.name}\n" in ended.out
    assert shell.recordings == [new]


def test_the_oldest_recordings_are_deleted_to_fit_the_size(shell: Shell) -> None:
    """The smallest size there is has room for a few."""
    paths = aged(shell, 5, 4, 3, 2, 1)
    room = MIN_SIZE // paths[0].stat().st_size
    assert 0 < room < 5

    shell.trace("recordings", "--keep", "1KB")

    assert shell.recordings == paths[-room:]


def test_a_recording_still_being_written_is_kept(shell: Shell) -> None:
    """Whatever its age."""
    with recording_of_a_running_program(shell):
        [path] = shell.recordings
        os.utime(path, (0, 0))

        shell.trace("recordings", "--keep", "1s")

        assert path.exists()
    os.utime(path, (0, 0))
    shell.trace("recordings", "--keep", "1s")
    assert not path.exists()


def test_an_invalid_amount_is_refused_before_anything_is_deleted(shell: Shell) -> None:
    """In one line."""
    [old] = aged(shell, 9)

    refused = shell.trace("recordings", "--keep", "some")

    assert refused.code == 2
    assert refused.err.count("\n") == 1
    assert old.exists()
