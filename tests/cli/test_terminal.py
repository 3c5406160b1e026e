"""The app in a terminal that is closed, or that takes no output any more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import Shell

pty = pytest.importorskip("pty", reason="needs pseudo-terminals")
fcntl = pytest.importorskip("fcntl", reason="needs pseudo-terminals")
termios = pytest.importorskip("termios", reason="needs pseudo-terminals")

TIMEOUT = 60.0
"""Seconds after which a process counts as hanging."""

SERVICE = """
    import asyncio, os
    from pathlib import Path

    async def main():
        lock = asyncio.Lock()
        Path("pid").write_text(str(os.getpid()))
        while True:
            async with lock:
                await asyncio.sleep(0.01)

    asyncio.run(main())
"""


@contextmanager
def app_in_a_terminal(shell: Shell) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run the app in a terminal that nobody reads from; yield it, and the terminal."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (30, 100))

    def take_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [sys.executable, "-m", "asyncctx_trace_tui", "run", "-o", "x.actx", "app.py"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=shell.folder,
        env={**shell.environment, "TERM": "xterm-256color"},
        start_new_session=True,
        preexec_fn=take_terminal,
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()


def wait_for(path: Path) -> str:
    """Return the text of a file as soon as there is one."""
    until = time.monotonic() + TIMEOUT
    while not path.exists() or not path.read_text():
        assert time.monotonic() < until, f"{path} was not written"
        time.sleep(0.05)
    return path.read_text()


def wait_until_full(terminal: int) -> None:
    """Wait until the terminal takes no more of the frames that nobody reads."""
    until, before, waiting = time.monotonic() + TIMEOUT, -1, 0
    while not waiting or waiting != before:
        assert time.monotonic() < until, "the app draws nothing"
        time.sleep(0.3)  # several frames
        before = waiting
        answer = fcntl.ioctl(terminal, termios.FIONREAD, bytes(4))
        waiting = int.from_bytes(answer, sys.byteorder)


@pytest.mark.parametrize("how", ["closed", "SIGTERM"])
def test_the_program_ends_with_its_terminal(shell: Shell, how: str) -> None:
    """Although the app waits for the terminal to take the next frame."""
    shell.write("app.py", SERVICE)
    with app_in_a_terminal(shell) as (process, terminal):
        program = int(wait_for(shell.folder / "pid"))
        wait_until_full(terminal)
        if how == "closed":
            os.close(terminal)
        else:
            process.send_signal(signal.SIGTERM)
        process.wait(TIMEOUT)

        with pytest.raises(ProcessLookupError):
            os.kill(program, 0)
        if how != "closed":
            os.close(terminal)
