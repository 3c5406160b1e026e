"""The terminal closes, or a signal arrives: the program ends, then the app, always."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from asyncctx_trace_tui.run.termination import Termination

from .conftest import TIMEOUT, Shell

fcntl = pytest.importorskip("fcntl", reason="POSIX terminals")
termios = pytest.importorskip("termios", reason="POSIX terminals")

BUSY = """
    import asyncio, os, signal, sys
    from pathlib import Path

    for name in sys.argv[1:]:
        signal.signal(getattr(signal, name), signal.SIG_IGN)

    async def main():
        lock = asyncio.Lock()
        async with lock:
            Path("pid").write_text(str(os.getpid()))
        while True:
            async with lock:
                await asyncio.sleep(0.001)
            print("x" * 200)

    asyncio.run(main())
"""
"""A program that runs for ever, deaf to the signals that it is given."""


@dataclass
class Terminal:
    """A terminal of its own in which the app runs."""

    process: subprocess.Popen[bytes]
    end: int
    """What a terminal emulator holds."""
    folder: Path
    shown: bytearray = field(default_factory=bytearray)

    def read_until_it_shows(self, text: bytes) -> None:
        """Read the output of the app until it contains ``text``."""
        deadline = time.monotonic() + TIMEOUT
        while text not in self.shown:
            assert time.monotonic() < deadline, bytes(self.shown)
            assert select.select([self.end], [], [], TIMEOUT)[0], bytes(self.shown)
            self.shown += os.read(self.end, 1 << 16)

    def read_all(self) -> None:
        """Read the output of the app until it ends."""
        with suppress(OSError):
            while os.read(self.end, 1 << 16):
                pass

    def close(self) -> None:
        """Close the window."""
        os.close(self.end)
        self.end = -1

    def program_is_gone(self) -> bool:
        """Whether no process of the program is left."""
        try:
            os.kill(int((self.folder / "pid").read_text()), 0)
        except ProcessLookupError:
            return True
        return False


@contextmanager
def app(
    shell: Shell, *ignored: str, hup: Callable[[], object] = lambda: None
) -> Iterator[Terminal]:
    """``asyncctx-trace run app.py`` in a terminal; whatever is left at the end is killed."""
    shell.write("app.py", BUSY)
    end, tty = os.openpty()
    fcntl.ioctl(tty, termios.TIOCSWINSZ, b"\x28\0\x78\0\0\0\0\0")

    def lead() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        hup()

    process = subprocess.Popen(
        [sys.executable, "-m", "asyncctx_trace_tui", "run", "-o", "x.actx", "app.py", *ignored],
        stdin=tty,
        stdout=tty,
        stderr=tty,
        cwd=shell.folder,
        env={**shell.environment, "TERM": "xterm-256color"},
        preexec_fn=lead,
    )
    os.close(tty)
    terminal = Terminal(process, end, shell.folder)
    try:
        yield terminal
    finally:
        if terminal.end >= 0:
            terminal.close()
        process.kill()
        process.wait()
        with suppress(OSError, ValueError):
            os.kill(int((shell.folder / "pid").read_text()), signal.SIGKILL)


def ignore_hangup() -> None:
    """As ``nohup`` does."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


@pytest.mark.parametrize("ignored", [(), ("SIGINT", "SIGTERM")], ids=["willing", "stubborn"])
@pytest.mark.parametrize("hup", [lambda: None, ignore_hangup], ids=["terminal", "nohup"])
def test_a_closed_terminal_ends_the_program_and_the_app(
    shell: Shell, ignored: tuple[str, ...], hup: Callable[[], object]
) -> None:
    """With SIGHUP and without it, while the app draws to a window that is not there."""
    with app(shell, *ignored, hup=hup) as terminal:
        terminal.read_until_it_shows(b" acquisitions")
        terminal.close()

        terminal.process.wait(TIMEOUT)
        assert terminal.program_is_gone()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_them_though_nobody_reads_the_terminal(
    shell: Shell, number: signal.Signals
) -> None:
    """The window is frozen, so the app blocks in a write."""
    with app(shell) as terminal:
        terminal.read_until_it_shows(b" acquisitions")
        # Now the terminal fills up; each SIGWINCH makes the app draw everything.
        for _ in range(50):
            terminal.process.send_signal(signal.SIGWINCH)
            with suppress(subprocess.TimeoutExpired):
                terminal.process.wait(0.02)
        terminal.process.send_signal(number)

        terminal.process.wait(TIMEOUT)
        assert terminal.program_is_gone()


def test_a_signal_while_the_app_starts_ends_the_program_too(shell: Shell) -> None:
    """There is no app yet that could handle it."""
    with app(shell) as terminal:
        while not (shell.folder / "pid").exists():
            assert terminal.process.poll() is None
        terminal.process.send_signal(signal.SIGTERM)
        terminal.read_all()

        terminal.process.wait(TIMEOUT)
        assert terminal.program_is_gone()


def test_an_app_that_does_not_end_is_ended() -> None:
    """After the program, with the program's exit code."""
    ended: list[object] = []
    forced = []

    class Program:
        def stop(self) -> int:
            ended.append("program")
            return -signal.SIGINT

    with Termination(has_program=True, grace=0.2, force=lambda code: forced.append(code)) as it:
        it.program_started(Program())
        it.app_started(lambda: ended.append("app"))
        signal.raise_signal(signal.SIGTERM)
        while not forced:
            signal.sigtimedwait([], 0.05)

    assert ended[:2] == ["program", "app"]
    assert forced == [130]


def test_signals_are_as_before_when_all_has_ended() -> None:
    """Later signals of the terminal are for the shell."""
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)
    with Termination(has_program=False):
        pass

    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)) == before
