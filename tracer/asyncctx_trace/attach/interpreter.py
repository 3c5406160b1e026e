"""Ask the interpreter of another process to run a script: only one of its own version can."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from asyncctx_trace.attach.target import Target
from asyncctx_trace.errors import AsyncctxTraceError

__all__ = ["ask_for", "stack_from_outside"]

_ASK = """
import sys
try:
    sys.remote_exec(int(sys.argv[1]), sys.argv[2])
except BaseException as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""
_STACK = """
import sys
import _remote_debugging
pid = int(sys.argv[1])
found = _remote_debugging.RemoteUnwinder(pid, all_threads=True).get_stack_trace()
threads = [t for each in found for t in getattr(each, "threads", [each])]
main = next(t for t in threads if t.thread_id == pid)
for frame in main.frame_info[:50]:
    line = getattr(frame, "lineno", None)
    if line is None:
        line = frame.location.lineno if frame.location else 0
    print(frame.filename, line, frame.funcname, sep="\\t")
"""
_TIMEOUT = 30
"""Seconds that an interpreter may take to start."""


def ask_for(target: Target, script: Path) -> None:
    """Have the interpreter of ``target`` run ``script`` at the next safe point of its main thread.

    Raises AsyncctxTraceError, in one line, if that is not possible.
    """
    problem = ""
    if target.version == sys.version_info[:2] and hasattr(sys, "remote_exec"):
        try:
            sys.remote_exec(target.pid, str(script))
        except (OSError, RuntimeError) as error:
            problem = f"{type(error).__name__}: {error}"
    else:
        _, problem = _run(target, _ASK, str(script))
    if problem:
        raise AsyncctxTraceError(_explain(target, problem))


def stack_from_outside(target: Target) -> str:
    """Return where the main thread of ``target`` is, read from its memory; ``""`` if unknown.

    The program's own innermost line, such as ``app.py:12 in write``.
    """
    output, problem = _run(target, _STACK)
    if problem:
        return ""
    frames = [line.split("\t") for line in output.splitlines()]
    own = [frame for frame in frames if len(frame) == 3 and "/lib/python3" not in frame[0]]
    if not own:
        return ""
    file, line, function = own[0]
    return f"{Path(file).name}:{line} in {function}"


def _run(target: Target, code: str, *arguments: str) -> tuple[str, str]:
    """Run ``code`` in an interpreter of the version of ``target``: its output, and the problem."""
    command = [target.executable]
    pid = target.pid
    if target.version == sys.version_info[:2]:
        command = [sys.executable]
    elif not target.root.samefile("/") and shutil.which("nsenter") and not os.geteuid():
        # Its libraries are in its container alone.
        command = [
            "nsenter",
            f"--target={pid}",
            "--mount",
            "--pid",
            "--root",
            "--",
            _inside(target),
        ]
        pid = target.inner_pid
    command += ["-I", "-S", "-c", code, str(pid), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f"CannotRun: {error}"
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return "", lines[-1] if lines else f"CannotRun: exit code {done.returncode}"
    return done.stdout, ""


def _explain(target: Target, problem: str) -> str:
    """Return what an error of ``sys.remote_exec`` means, and what to do."""
    lower = problem.lower()
    if any(word in problem for word in ("CannotRun", "AttributeError", "GLIBC", "shared librar")):
        return (
            f"process {target.pid} runs {target.python}, and only an interpreter of that version "
            "can attach to it: call asyncctx-trace with that one, in the container of the program "
            "if it is in one"
        )
    if "ProcessLookupError" in problem or not Path(f"/proc/{target.pid}").exists():
        return f"process {target.pid} has ended"
    if "main thread" in lower:
        return f"process {target.pid} is about to end: its main thread is gone"
    if "not enabled" in lower or "disabled" in lower:
        return (
            f"process {target.pid} does not allow remote debugging: it was started with "
            "PYTHON_DISABLE_REMOTE_DEBUG or -X disable-remote-debug, or its Python was built "
            "without it; start it with ASYNCCTX_TRACE_LISTEN=1 instead"
        )
    if "PermissionError" in problem or "permi" in lower:
        scope = Path("/proc/sys/kernel/yama/ptrace_scope")
        limited = scope.exists() and scope.read_text().strip() != "0"
        why = "kernel.yama.ptrace_scope is not 0" if limited else "SYS_PTRACE is not granted"
        return (
            f"the memory of process {target.pid} may not be accessed ({why}): attach as root, "
            "or start the program with ASYNCCTX_TRACE_LISTEN=1"
        )
    return f"cannot attach to process {target.pid}: {problem}"


def _inside(target: Target) -> str:
    """Return the path of the interpreter of ``target`` as its own root folder has it."""
    name = str(Path(target.executable).readlink()).removesuffix(" (deleted)")
    root = str(target.root.readlink())
    return name if root == "/" else name.removeprefix(root)
