"""A program records itself, by a word in its code or by one in its environment."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from asyncctx_trace import AlreadyRecording, RecordingExists, record, traced
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.recording.reader import read


async def use(lock: asyncio.Lock) -> None:
    async with lock:
        await asyncio.sleep(0)


def names(path: Path) -> list[str]:
    timeline = Timeline(read(path))
    return [timeline.resources[acquisition.resource].name for acquisition in timeline]


def test_a_block_records_what_happens_in_it_and_nothing_else(tmp_path: Path) -> None:
    """``with record(path):`` around a part of the program."""
    path = tmp_path / "a.actx"
    asyncio.run(use(traced(asyncio.Lock(), name="before")))
    with record(path):
        asyncio.run(use(traced(asyncio.Lock(), name="inside")))
    asyncio.run(use(traced(asyncio.Lock(), name="after")))

    assert names(path) == ["inside"]


def test_an_async_block_does_the_same(tmp_path: Path) -> None:
    """``async with record(path):`` where the code is async already."""
    path = tmp_path / "a.actx"

    async def main() -> None:
        lock = traced(asyncio.Lock(), name="inside")
        async with record(path):
            await asyncio.gather(use(lock), use(lock))

    asyncio.run(main())

    assert names(path) == ["inside", "inside"]


def test_a_second_recording_at_the_same_time_is_refused(tmp_path: Path) -> None:
    """Its facts would be torn between two files."""
    with (
        record(tmp_path / "a.actx"),
        pytest.raises(AlreadyRecording, match=r"a\.actx: end that recording first"),
        record(tmp_path / "b.actx"),
    ):
        pass

    assert not (tmp_path / "b.actx").exists()


def test_one_after_the_other_is_fine(tmp_path: Path) -> None:
    """Objects traced before the second recording are known to it."""
    lock = traced(asyncio.Lock(), name="lock")
    for name in ("a.actx", "b.actx"):
        with record(tmp_path / name):
            asyncio.run(use(lock))

    assert names(tmp_path / "a.actx") == names(tmp_path / "b.actx") == ["lock"]


def test_an_existing_file_is_kept_unless_asked(tmp_path: Path) -> None:
    """And the block does not even begin."""
    path = tmp_path / "a.actx"
    path.write_text("precious")
    with pytest.raises(RecordingExists), record(path):
        raise AssertionError("the block has begun")
    with record(path, overwrite=True):
        pass

    assert len(read(path)) > 0


PROGRAM = """
    import asyncio, multiprocessing, os, sys
    from asyncctx_trace import traced

    async def work(name):
        async with traced(asyncio.Lock(), name=name):
            pass

    def worker():
        asyncio.run(work("worker"))

    if __name__ == "__main__":
        asyncio.run(work("main"))
        os.chdir("/")
        process = multiprocessing.get_context("spawn").Process(target=worker)
        process.start()
        process.join()
"""


def run_with(tmp_path: Path, value: str) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "app.py"
    script.write_text(dedent(PROGRAM))
    return subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={"ASYNCCTX_TRACE_RECORD": value},
        capture_output=True,
        text=True,
        check=True,
    )


def test_the_environment_does_it_from_outside(tmp_path: Path) -> None:
    """The workers that the program starts add to the same recording, wherever they stand."""
    done = run_with(tmp_path, "a.actx")

    assert (done.stdout, done.stderr) == ("", "")
    assert names(tmp_path / "a.actx") == ["main", "worker"]


def test_what_is_wrong_with_it_is_said_and_the_program_runs_on(tmp_path: Path) -> None:
    """One line; the file that was there stays as it was."""
    (tmp_path / "a.actx").write_text("precious")
    done = run_with(tmp_path, "a.actx")

    first, *_ = done.stderr.splitlines()
    assert first.startswith("asyncctx-trace: not recording: ")
    assert "a.actx exists" in first
    assert (tmp_path / "a.actx").read_text() == "precious"


def test_without_either_nothing_is_recorded(tmp_path: Path) -> None:
    """An empty name is no name."""
    run_with(tmp_path, "")

    assert list(tmp_path.glob("*.actx")) == []
