"""What is known of a process from ``/proc``, before it is touched."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from asyncctx_trace.attach.runtime_folder import folders_of
from asyncctx_trace.errors import AsyncctxTraceError

__all__ = ["REMOTE_EXEC", "Target", "find_target", "has_ended", "own_processes"]

REMOTE_EXEC = (3, 14)
"""The first version of Python that runs scripts for other processes."""
_PYTHON = re.compile(r"(?:lib)?python(3)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Target:
    """A Python process."""

    pid: int
    inner_pid: int
    """Its number in its own namespace, as it sees it itself."""
    uid: int
    gid: int
    version: tuple[int, int] | None
    """Of its Python; ``None`` if that cannot be told."""
    command: tuple[str, ...]
    stopped: bool
    """Whether it was stopped, by SIGSTOP or a debugger."""
    door: Path | None
    """The socket on which it listens."""

    @property
    def root(self) -> Path:
        """Its root folder, which in a container is another one than ours."""
        return Path(f"/proc/{self.pid}/root")

    @property
    def files(self) -> Path:
        """The root folder of the files that it sees: ours, if it sees the same as we do.

        A path below that of its own ends with the process.
        """
        try:
            ours = (
                Path("/proc/self/ns/mnt").readlink() == Path(f"/proc/{self.pid}/ns/mnt").readlink()
            )
            return Path("/") if ours and self.root.samefile("/") else self.root
        except OSError:
            return self.root

    @property
    def executable(self) -> str:
        """Its interpreter, which can be started even if the file has been replaced."""
        return f"/proc/{self.pid}/exe"

    @property
    def python(self) -> str:
        """Such as ``Python 3.12``."""
        return "Python" if self.version is None else "Python {}.{}".format(*self.version)


def find_target(pid: int) -> Target:
    """Return what is known of process ``pid``.

    Raises AsyncctxTraceError if there is no such process, it is another user's, or not a Python.
    """
    if sys.platform != "linux":
        raise AsyncctxTraceError("attaching to a running program works on Linux only")
    if pid == os.getpid():
        raise AsyncctxTraceError(f"process {pid} is asyncctx-trace itself: give another process")
    folder = Path(f"/proc/{pid}")
    try:
        owner = folder.stat().st_uid
        status = _status(folder)
    except OSError:
        raise AsyncctxTraceError(
            f"there is no process {pid}: list programs with `asyncctx-trace ps`"
        ) from None
    if status.get("State", "").startswith("Z"):
        raise AsyncctxTraceError(f"process {pid} has ended already")
    owner = int(status["Uid"].split()[1])
    if os.geteuid() not in (0, owner):
        raise AsyncctxTraceError(
            f"process {pid} belongs to another user (uid {owner}): attach as that user, or as root"
        )
    found = _target(folder, status)
    if found is None:
        name = status.get("Name", "?")
        raise AsyncctxTraceError(f"process {pid} ({name}) is not a Python program")
    return found


def has_ended(target: Target) -> bool:
    """Return whether the process is gone, or a zombie."""
    try:
        return _status(Path(f"/proc/{target.pid}")).get("State", "Z").startswith(("Z", "X"))
    except OSError:
        return True


def own_processes() -> list[Target]:
    """Return the Python processes of this user, in order of their numbers, without this one."""
    targets = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            if folder.stat().st_uid != os.geteuid():
                continue
            target = _target(folder, _status(folder))
        except (OSError, KeyError, ValueError):  # it has ended meanwhile
            continue
        if target is not None:
            targets.append(target)
    return sorted(targets, key=lambda target: target.pid)


def _status(folder: Path) -> dict[str, str]:
    lines = (folder / "status").read_text(errors="replace").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _target(folder: Path, status: dict[str, str]) -> Target | None:
    pid = int(folder.name)
    version = _version(folder)
    command = tuple(
        word.decode(errors="replace") for word in (folder / "cmdline").read_bytes().split(b"\0")
    )[:-1]
    if version is None:
        try:
            executable = (folder / "exe").readlink().name
        except OSError:
            executable = Path(command[0]).name if command else ""
        if "python" not in executable.lower():
            return None
    inner = int(status.get("NSpid", str(pid)).split()[-1])
    uid, gid = int(status["Uid"].split()[1]), int(status["Gid"].split()[1])
    root = folder / "root"
    sockets = [place / f"{inner}.sock" for place in folders_of(uid, root)]
    return Target(
        pid=pid,
        inner_pid=inner,
        uid=uid,
        gid=gid,
        version=version,
        command=command,
        stopped=status.get("State", "").startswith(("T", "t")),
        door=next((path for path in sockets if _is_socket(path, uid)), None),
    )


def _version(folder: Path) -> tuple[int, int] | None:
    """Return the version of the interpreter, from the names of what is mapped."""
    try:
        names = [(folder / "exe").readlink().name]
        maps = (folder / "maps").read_text(errors="replace")
    except OSError:
        return None
    files = dict.fromkeys(line.split(maxsplit=5)[5] for line in maps.splitlines() if "/" in line)
    names += [Path(file).name for file in files if "libpython" in file]
    names += [part for file in files if "/lib-dynload/" in file for part in file.split("/")]
    for name in names:
        found = _PYTHON.match(name)
        if found:
            return int(found[1]), int(found[2])
    return None


def _is_socket(path: Path, uid: int) -> bool:
    try:
        return path.is_socket() and path.stat().st_uid == uid
    except OSError:
        return False
