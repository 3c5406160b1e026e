"""Run a program with and without the tracer, and compare what it does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncctx_trace.model.events import EnterStarted, ExitEnded, SiteDefined
from asyncctx_trace.recording.reading.reader import read
from asyncctx_trace.recording.writing.segments import create
from asyncctx_trace.runtime.launch import environment


@dataclass
class Traced:
    """What a traced program left behind."""

    acquisitions: int
    ended: int
    texts: list[str]
    """The source of each acquisition's item, in order."""


def both_ways(
    folder: Path, *words: str, options: dict[str, Any] | None = None, **variables: str
) -> Traced:
    """Run ``python words`` in ``folder`` without and with us; assert that they are the same."""
    # Where it is set it would hide a rewritten .pyc that is left behind.
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    clean.update(variables)
    plain = _run(folder, words, clean)
    recording = folder / "run.actx"
    create(recording, overwrite=True)
    settings = {"captured": False, **(options or {})}
    launched = environment(recording, settings)
    ours = {k: launched[k] for k in launched.keys() - os.environ.keys() | {"PYTHONPATH"}}
    traced = _run(folder, words, {**clean, **ours})
    again = _run(folder, words, clean)

    assert traced == plain
    assert again == plain
    return _read(recording)


def _run(folder: Path, words: Sequence[str], variables: dict[str, str]) -> tuple[str, str, int]:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return _without_chance(done.stdout), _without_chance(done.stderr), done.returncode


def _without_chance(text: str) -> str:
    """Addresses and durations differ from run to run."""
    return re.sub(r"0x[0-9a-f]+|\d+\.\d+s", "?", text)


def _read(recording: Path) -> Traced:
    events = read(recording)
    texts = {event.site: event.text for event in events if isinstance(event, SiteDefined)}
    started = [event for event in events if isinstance(event, EnterStarted)]
    return Traced(
        len(started),
        sum(isinstance(event, ExitEnded) for event in events),
        [texts.get(event.site, "") for event in started],
    )
