"""Run a program with the tracer, and return what it acquired from its libraries' pools."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from asyncctx_trace.model.events import (
    Collected,
    EnterEnded,
    EnterStarted,
    ExitEnded,
    ExitStarted,
    Outcome,
    ResourceDefined,
    SiteDefined,
    TaskDefined,
)
from asyncctx_trace.recording.reading.reader import read
from asyncctx_trace.recording.writing.segments import create
from asyncctx_trace.runtime.launch import environment

__all__ = ["Recorded", "Taken", "recorded"]


@dataclass
class Taken:
    """One acquisition, as texts to compare."""

    kind: str
    resource: str
    capacity: int | None
    at: str
    """The comment on the line of the program at which it was asked for."""
    parent: str = ""
    """The kind of the acquisition around it."""
    enter: str = "waiting"
    """How the enter ended."""
    left: bool = False
    """Whether it was given back."""
    asked: int = 0
    ended: int = sys.maxsize
    """When it was asked for, and given back, in ns."""
    left_at: str = ""
    """The comment on the line that gave it back."""
    task: str = ""
    """Who asked for it."""
    caller: str = ""
    """The comment on the line that called the function."""
    collected: bool = False
    """Whether it was garbage collected while it was out."""


@dataclass
class Recorded:
    """What a program printed, and everything that it acquired, in order."""

    stdout: str
    taken: list[Taken]

    def of(self, kind: str) -> list[Taken]:
        """The acquisitions of resources of this kind."""
        return [each for each in self.taken if each.kind == kind]

    @property
    def holders(self) -> dict[str, int]:
        """Resource -> how many held it at most at once, of the limited kinds."""
        found: dict[str, int] = {}
        for name in {each.resource for each in self.of("pool")}:
            mine = [t for t in self.of("pool") if t.resource == name and t.enter == "ok"]
            found[name] = max(sum(o.asked <= t.asked < o.ended for o in mine) for t in mine)
        return found


def recorded(folder: Path, source: str, *, status: int = 0, **variables: str) -> Recorded:
    """Run ``source``, recorded; it must end with ``status``."""
    program = folder / "program.py"
    program.write_text(dedent(source))
    recording = folder / "run.actx"
    create(recording, overwrite=True)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(program)],
        cwd=folder,
        env={**os.environ, **environment(recording, {"captured": False}), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return Recorded(done.stdout, _taken(recording, program.read_text().splitlines()))


def _taken(recording: Path, lines: list[str]) -> list[Taken]:
    sites: dict[int, str] = {}
    callers: dict[int, int | None] = {}
    tasks: dict[int, str] = {}
    resources: dict[int, ResourceDefined] = {}
    taken: dict[int, Taken] = {}
    for event in read(recording):
        match event:
            case SiteDefined():
                line = lines[event.line - 1] if event.file.endswith("program.py") else event.file
                callers[event.site] = event.caller
                sites[event.site] = line.partition("#")[2].strip() or line.strip()
            case TaskDefined():
                tasks[event.task] = event.name
            case Collected():
                taken[event.acquisition].collected = True
            case ResourceDefined():
                resources[event.resource] = event
            case EnterStarted():
                its = resources[event.resource]
                around = taken.get(event.parent or 0)
                taken[event.acquisition] = Taken(
                    its.kind,
                    its.name,
                    its.capacity,
                    sites.get(event.site, ""),
                    "" if around is None else around.kind,
                    asked=event.at,
                    task=tasks[event.task],
                    caller=sites.get(callers.get(event.site) or 0, ""),
                )
            case EnterEnded():
                taken[event.acquisition].enter = event.outcome.name.lower()
                if event.outcome is not Outcome.OK:
                    taken[event.acquisition].ended = event.at
            case ExitStarted():
                taken[event.acquisition].left_at = sites.get(event.site or 0, "")
            case ExitEnded():
                taken[event.acquisition].left = True
                taken[event.acquisition].ended = event.at
    return list(taken.values())
