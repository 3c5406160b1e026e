"""`asyncctx-trace attach`: one line of what is wrong, or the ring with its lines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from attach.running_programs import REMOTE, running

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
BLOCKED = """
import threading

lock = threading.Lock()

def block():
    with lock:
        print("begun", flush=True)
        lock.acquire()

block()
"""


@pytest.fixture(autouse=True)
def runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def begun(program: subprocess.Popen[str]) -> str:
    assert program.stdout is not None
    program.stdout.readline()
    return str(program.pid)


def test_the_ring_is_named_with_its_lines(shell: Shell, tmp_path: Path) -> None:
    """As text, and as JSON in a file that appears when it is complete."""
    with running(tmp_path, HUNG) as program:
        pid = begun(program)
        text = shell.trace("attach", pid, "--snapshot")
        data = shell.trace("attach", pid, "--snapshot", "--format", "json", "-o", "now.json")

    assert "DEADLOCK" in text.out
    assert "waits for lock `lock` at app.py:8 in main, held by Task-1 (since app.py:6)" in text.out
    assert text.code == data.code == 1
    found = json.loads((shell.folder / "now.json").read_text())
    [task] = found["tasks"]
    assert [ring["tasks"] for ring in found["deadlocks"]] == [[task["id"]]]
    assert task["holds"][0]["resource"] == task["wait"]["resource"] == found["resources"][0]["id"]


def test_what_cannot_be_attached_to_is_said_in_one_line(shell: Shell, tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        problems = {
            "there is no process 99999999": shell.trace("attach", "99999999", "--snapshot"),
            "is not a Python program": shell.trace("attach", str(other.pid), "--snapshot"),
        }
        other.kill()
    with running(tmp_path, HUNG) as program:
        pid = begun(program)
        if not REMOTE:
            (tmp_path / "asyncctx-trace" / f"{pid}.sock").unlink()
            problems["ASYNCCTX_TRACE_LISTEN=1"] = shell.trace("attach", pid, "--snapshot")
        else:
            os.kill(program.pid, signal.SIGSTOP)
            problems["is stopped: continue it first"] = shell.trace("attach", pid, "--snapshot")

    for problem, ended in problems.items():
        assert ended.code == 2
        assert ended.out == ""
        assert problem in ended.err
        assert ended.err.count("\n") == 1


@pytest.mark.skipif(not REMOTE, reason="new in CPython 3.14")
def test_a_blocked_main_thread_is_named_and_nothing_is_left_to_run(
    shell: Shell, tmp_path: Path
) -> None:
    """The script that the interpreter may still come to only removes itself."""
    with running(tmp_path, BLOCKED) as program:
        ended = shell.trace("attach", begun(program), "--snapshot", "--timeout", "0.3")
        [folder] = Path("/tmp").glob(f"asyncctx-trace-attach-{program.pid}-*")
        [script] = folder.iterdir()
        text = script.read_text()
        exec(text, {})

    assert ended.code == 2
    assert "main thread is blocked at app.py:9 in block" in ended.err
    assert "_answer" not in text
    assert not folder.exists()


@pytest.mark.skipif(not REMOTE, reason="new in CPython 3.14")
def test_a_program_that_forbids_remote_debugging_is_told_apart(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_DISABLE_REMOTE_DEBUG", "1")
    with running(tmp_path, HUNG) as program:
        ended = shell.trace("attach", begun(program), "--snapshot")

    assert ended.code == 2
    assert "does not allow remote debugging" in ended.err
