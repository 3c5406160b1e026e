"""The Python programs of this user, and what can be done with each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from asyncctx_trace.attach.target import REMOTE_EXEC, Target, own_processes
from asyncctx_trace.recording.format import MAGIC

__all__ = ["Program", "list_programs"]


@dataclass(frozen=True, slots=True)
class Program:
    """A Python process of this user."""

    target: Target
    recording: Path | None
    """The recording to which it writes."""

    @property
    def state(self) -> str:
        """``recorded``, ``listening``, ``attachable``, or ``closed`` for one that is none."""
        if self.recording is not None:
            return "recorded"
        if self.target.door is not None:
            return "listening"
        version = self.target.version
        return "attachable" if version is not None and version >= REMOTE_EXEC else "closed"


def list_programs() -> Iterator[Program]:
    """Yield the Python processes of this user, in order of their numbers."""
    for target in own_processes():
        yield Program(target, _recording_of(target.pid))


def _recording_of(pid: int) -> Path | None:
    """Return the recording that a process has mapped for writing: readers have none."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text(errors="replace").splitlines()
    except OSError:
        return None
    mapped = [line.split(maxsplit=5) for line in lines if "/" in line]
    shared = dict.fromkeys(parts[5] for parts in mapped if parts[1].startswith("rw-s"))
    for name in shared:
        try:
            with Path(name).open("rb") as file:
                if file.read(len(MAGIC)) == MAGIC:
                    return Path(name)
        except OSError:
            continue
    return None
