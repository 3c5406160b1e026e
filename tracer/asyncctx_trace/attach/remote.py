"""Run a script inside another process through ``sys.remote_exec``, and get its answer."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from asyncctx_trace.attach.interpreter import ask_for, stack_from_outside
from asyncctx_trace.attach.target import Target, has_ended
from asyncctx_trace.errors import AsyncctxTraceError

__all__ = ["run_in"]

_POLL = 0.002
"""Seconds between two looks for the answer."""
_NUDGE = 0.25
"""Seconds between two attempts to wake a main thread that sleeps in a system call."""
_BEGINNING = '__name__ = "asyncctx_trace_look"\n'
_ENDING = """

def _write_answer(path):
    import os
    import sys

    try:
        answer = {"answer": _answer()}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    json = sys.modules.get("json")  # what is not imported yet is not imported by us
    text = json.dumps(answer) if json else json_of(answer)
    with open(path + ".partial", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".partial", path)


try:
    _write_answer(_PATH)
except KeyboardInterrupt:  # of the program: pass it on
    import _thread

    _thread.interrupt_main()
except BaseException:  # nothing of ours may come out into the program
    pass
"""
_TOO_LATE = """
try:
    import shutil
    shutil.rmtree({folder!r}, ignore_errors=True)
except BaseException:
    pass
"""


def run_in(target: Target, text: str, timeout: float) -> dict[str, Any]:
    """Run the Python code ``text`` in the main thread of ``target``, and return its answer.

    ``text``, made by :func:`asyncctx_trace.attach.source.script`, defines ``_answer()``, which
    returns what JSON can represent. A main thread that sleeps in an event loop is woken up by
    SIGSTOP and SIGCONT: the system call ends as if interrupted.

    Raises AsyncctxTraceError, in one line, if that is not possible, or nothing was answered within
    ``timeout`` seconds; then the script that is left does nothing but remove itself.
    """
    if target.stopped:
        raise AsyncctxTraceError(
            f"process {target.pid} is stopped: continue it first (kill -CONT {target.pid})"
        )
    try:
        return _run(target, text, timeout)
    except (OSError, AsyncctxTraceError):
        if has_ended(target):  # while we were at it
            raise AsyncctxTraceError(f"process {target.pid} has ended") from None
        raise


def _run(target: Target, text: str, timeout: float) -> dict[str, Any]:
    folder, seen = _work_folder(target)
    answer = folder / "answer.json"
    script = folder / "script.py"
    left = False
    try:
        script.write_text(
            f"{_BEGINNING}_PATH = {str(seen / answer.name)!r}\n{text}{_ENDING}", encoding="utf-8"
        )
        for path in (folder, script):
            _give(path, target)
        ask_for(target, seen / script.name)
        left = True
        found = _wait(target, answer, timeout)
        left = found is None
        if found is None:
            _disarm(script, seen)
            raise AsyncctxTraceError(_blocked(target, timeout))
    finally:
        if not left or not Path(f"/proc/{target.pid}").exists():
            shutil.rmtree(folder, ignore_errors=True)
    if "error" in found:
        raise AsyncctxTraceError(f"process {target.pid} could not be read: {found['error']}")
    result: dict[str, Any] = found["answer"]
    return result


def _work_folder(target: Target) -> tuple[Path, Path]:
    """Create a folder for the script: its path for us, and its path for the process."""
    problem: OSError | None = None
    prefix = f"asyncctx-trace-attach-{target.pid}-"
    for place in ("tmp", "var/tmp", "dev/shm"):
        try:
            made = tempfile.mkdtemp(prefix=prefix, dir=target.files / place)
        except OSError as error:
            problem = problem or error
        else:
            return Path(made), Path("/", place, Path(made).name)
    raise AsyncctxTraceError(
        f"cannot write a script that process {target.pid} could read: {problem}"
    )


def _give(path: Path, target: Target) -> None:
    if os.geteuid() != target.uid:
        os.chown(path, target.uid, target.gid)


def _wait(target: Target, answer: Path, timeout: float) -> dict[str, Any] | None:
    started = time.monotonic()
    nudge = started + 5 * _POLL
    while (now := time.monotonic()) < started + timeout:
        try:
            found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        except FileNotFoundError:
            pass
        else:
            return found
        if now >= nudge:
            nudge = now + _NUDGE
            _wake(target)
        time.sleep(_POLL)
    return None


def _wake(target: Target) -> None:
    """Make a sleeping system call of ``target`` return, without any effect on the program."""
    try:
        os.kill(target.pid, signal.SIGSTOP)
    except ProcessLookupError:
        raise AsyncctxTraceError(f"process {target.pid} has ended") from None
    finally:
        with suppress(ProcessLookupError):
            os.kill(target.pid, signal.SIGCONT)


def _disarm(script: Path, seen: Path) -> None:
    """Leave a script that only removes itself: the process may still come to run it."""
    replacement = script.with_name("later.py")
    replacement.write_text(_TOO_LATE.format(folder=str(seen)), encoding="utf-8")
    shutil.copymode(script, replacement)
    with suppress(OSError):
        owner = script.stat()
        os.chown(replacement, owner.st_uid, owner.st_gid)
    replacement.replace(script)


def _blocked(target: Target, timeout: float) -> str:
    stack = stack_from_outside(target)
    where = f" at {stack}" if stack else ""
    return (
        f"process {target.pid} did not answer within {timeout:g} s: its main thread is blocked"
        f"{where} in C code or a system call, and runs no Python; a program that is started with "
        "ASYNCCTX_TRACE_LISTEN=1 answers all the same"
    )
