"""Whoever listens to a traced program hears what he would hear of it untraced.

The same program runs as it is and traced, each time in a process of its own, with a tracer, a
profiler or a tool of ``sys.monitoring`` that subscribes to everything; their events are compared.
"""

from __future__ import annotations

import os
import subprocess
import sys
from difflib import unified_diff
from pathlib import Path

import pytest

from asyncctx_trace.child import environment
from asyncctx_trace.compiled import PURE
from asyncctx_trace.instrument.invisible import is_suspended
from asyncctx_trace.recording.segments import create

LISTENED = Path(__file__).with_name("listened.py")
LISTENERS = ["settrace", "setprofile"]
REWRITTEN = ["blocks", "pairs", "many", "by hand", "trio", "imports"]
"""Parts in which nothing but rewritten code acquires."""
WRAPPED = ["stack", "proxies"]
"""Parts in which something of ours stands around what is awaited."""


def events(listener: str, parts: list[str], **variables: str) -> dict[str, list[str]]:
    """What is heard of each part."""
    done = subprocess.run(
        [sys.executable, str(LISTENED), listener, *parts],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        cwd=LISTENED.parent,
        env={**os.environ, "PYTHONHASHSEED": "0", **variables},
    )
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, list[str]] = {}
    part = ""
    for line in done.stdout.splitlines():
        if line.startswith("= "):
            part = line[2:]
        else:
            found.setdefault(part, []).append(line)
    # The order in which trio looks at a set of tasks is a matter of their addresses.
    return {part: sorted(heard) if part == "trio" else heard for part, heard in found.items()}


def both_ways(
    listener: str, parts: list[str], folder: Path, pure: str
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The events untraced, and traced."""
    recording = folder / "run.actx"
    create(recording)
    launched = environment(recording, {"captured": False})
    ours = {k: launched[k] for k in launched.keys() - os.environ.keys() | {"PYTHONPATH"}}
    plain = events(listener, parts, **{PURE: pure})
    return plain, events(listener, parts, **{PURE: pure}, **ours)


def differences(plain: dict[str, list[str]], traced: dict[str, list[str]]) -> list[str]:
    """What was heard in one of them alone."""
    return [
        f"{part}: {line}"
        for part in plain
        for line in unified_diff(plain[part], traced[part], lineterm="", n=0)
        if line[:1] in "+-" and line[:3] not in ("+++", "---")
    ]


compiled_only = pytest.mark.skipif(not is_suspended(), reason="nothing is compiled here")


@compiled_only
@pytest.mark.parametrize("listener", LISTENERS)
def test_nothing_of_ours_is_heard(listener: str, tmp_path: Path) -> None:
    """By a tracer or a profiler, at the first acquisition in a place as at the last."""
    parts = [*REWRITTEN, *(WRAPPED if sys.version_info >= (3, 12) else WRAPPED[:1])]

    found = differences(*both_ways(listener, parts, tmp_path, ""))

    if sys.version_info >= (3, 15) and listener == "settrace":
        # It tells of the StopIteration of coroutines alone, and ours stands around them.
        found = [line for line in found if not line.endswith("StopIteration")]
    assert found == []
