"""`attach` without the app: it records, prints deadlocks, and leaves the program as it was."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from asyncctx_trace.recording.reading.reader import Recording
from attach.running_programs import running

if TYPE_CHECKING:
    from .conftest import Shell

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="attaching needs /proc")

HUNG = """
import asyncio

async def main():
    lock = asyncio.Lock()
    async with lock:
        print("begun", flush=True)
        async with lock:
            pass

asyncio.run(main())
"""


def test_what_hangs_is_recorded_and_the_program_is_left_alone(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is listed as attachable or listening before and after, and as recorded meanwhile."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with running(tmp_path, HUNG) as program:
        assert program.stdout is not None
        program.stdout.readline()
        pid = str(program.pid)
        refused = shell.trace("attach", pid)
        attached = shell.trace("attach", pid, "--headless", "--seconds", "1", "-o", "late.actx")
        again = shell.trace("detach", pid)
        listed = shell.trace("ps")
        assert program.poll() is None

    assert refused.code == 2
    assert "use --headless or --snapshot" in refused.err
    assert attached.code == 0
    assert "1 acquisitions and 1 waits were open before" in attached.err
    assert "deadlock: Task-1 waits for `lock` at app.py:8" in attached.err
    assert again.out == f"process {pid} was not recorded\n"
    assert any(line.split()[0] == pid for line in listed.out.splitlines()[1:])
    with Recording(shell.folder / "late.actx") as recording:
        list(recording.poll())
        assert not recording.alive
