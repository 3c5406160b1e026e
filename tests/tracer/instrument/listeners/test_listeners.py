"""A debugger, profiler or monitoring tool gets the same events with and without the tracer.

The same program runs as it is and traced, each time in a process of its own, with a tracer, a
profiler or a tool of ``sys.monitoring`` that subscribes to everything; their events are compared.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from difflib import unified_diff
from pathlib import Path

import pytest

from asyncctx_trace.instrument.hidden_frames import is_suspended
from asyncctx_trace.native import PURE
from asyncctx_trace.recording.writing.segments import create
from asyncctx_trace.runtime.launch import environment

OBSERVED = Path(__file__).with_name("observed.py")
LISTENERS = ["settrace", "setprofile"]
REWRITTEN = [
    "blocks",
    "pairs",
    "protocol",
    "locks",
    "decorators",
    "many",
    "by hand",
    "trio",
    "imports",
]
"""Parts in which nothing but rewritten code acquires."""
WRAPPED = ["stack", "proxies"]
"""Parts in which something of ours stands around what is awaited."""


def events(listener: str, parts: list[str], **variables: str) -> dict[str, list[str]]:
    """Return the reported events of each part."""
    done = subprocess.run(
        [sys.executable, str(OBSERVED), listener, *parts],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        cwd=OBSERVED.parent,
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
    return {part: sorted(events) if part == "trio" else events for part, events in found.items()}


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


def differences(
    plain: dict[str, list[str]],
    traced: dict[str, list[str]],
    besides: Callable[[str], bool] = lambda line: False,
) -> list[str]:
    """Return what was reported in one of them only, without what ``besides`` excludes."""
    return [
        f"{part}: {line}"
        for part in plain
        for line in unified_diff(
            [line for line in plain[part] if not besides(line)],
            [line for line in traced[part] if not besides(line)],
            lineterm="",
            n=0,
        )
        if line[:1] in "+-" and line[:3] not in ("+++", "---")
    ]


compiled_only = pytest.mark.skipif(not is_suspended(), reason="nothing is compiled here")
hides_frames = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="CPython 3.11 shows every frame"
)


@compiled_only
@pytest.mark.parametrize("listener", LISTENERS)
def test_no_event_of_this_package_is_reported(listener: str, tmp_path: Path) -> None:
    """By a tracer or a profiler, at the first acquisition in a place as at the last."""
    parts = [*REWRITTEN, *(WRAPPED if sys.version_info >= (3, 12) else WRAPPED[:1])]

    found = differences(*both_ways(listener, parts, tmp_path, ""))

    if sys.version_info >= (3, 15) and listener == "settrace":
        # It tells of the StopIteration of coroutines alone, and ours stands around them.
        found = [line for line in found if not line.endswith("StopIteration")]
    assert found == []


@hides_frames
@pytest.mark.parametrize("listener", LISTENERS)
def test_without_native_code_only_wrapped_managers_are_reported(
    listener: str, tmp_path: Path
) -> None:
    """Rewritten code is reported as it is; a manager of ``traced`` has a coroutine around it."""
    plain, traced = both_ways(listener, [*REWRITTEN, *WRAPPED], tmp_path, "1")

    def is_in_wrapper(line: str) -> bool:
        return "await_enter None" in line or "await_exit None" in line

    assert differences(plain, traced, is_in_wrapper) == []
    assert {part for part in traced if any(map(is_in_wrapper, traced[part]))} == set(WRAPPED)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="later ones hide frames")
def test_cpython_3_11_shows_every_function_of_ours_that_is_not_compiled(tmp_path: Path) -> None:
    """It has no way to hide the call of a Python function."""
    found = differences(*both_ways("settrace", ["blocks"], tmp_path, "1"))

    assert any("hooks.py begin" in line for line in found)


@hides_frames
@pytest.mark.parametrize("pure", ["", "1"], ids=["compiled", "pure"])
def test_a_tool_that_subscribes_to_everything(pure: str, tmp_path: Path) -> None:
    """It gets events of the instructions that we add to the program, and of no other code of ours.

    Those call something, and handle and raise again what an enter or an exit raises. Where ours
    stands around an awaitable, its end is reported as that of another iterator.
    """
    parts = REWRITTEN if pure or not is_suspended() else [*REWRITTEN, *WRAPPED]
    plain, traced = both_ways("monitoring", parts, tmp_path, pure)

    def is_of_added_instruction(line: str) -> bool:
        event = line.split()[0]
        return event in ("CALL", "C_RETURN", "C_RAISE", "EXCEPTION_HANDLED", "RERAISE") or (
            event in ("RAISE", "STOP_ITERATION") and line.endswith("StopIteration")
        )

    assert differences(plain, traced, is_of_added_instruction) == []


AT_THE_LIMIT = """
import asyncio, sys
class M:
    async def __aenter__(self): return self
    async def __aexit__(self, *exc): return None
async def deep(n):
    async with M():
        return await deep(n + 1)
async def shallow():
    async with M():
        found = 1
    return found
sys.setrecursionlimit(300)
try:
    asyncio.run(deep(0))
except RecursionError:
    pass
found = 2
print(asyncio.run(shallow()))
"""


@compiled_only
@pytest.mark.parametrize("core", ["ctrace", *(["sysmon"] if sys.version_info >= (3, 12) else [])])
def test_coverage_goes_on_after_a_recursion_error(core: str, tmp_path: Path) -> None:
    """At the recursion limit, a call of our code would add a file that coverage asks about."""
    (tmp_path / "app.py").write_text(AT_THE_LIMIT)
    recording = tmp_path / "run.actx"
    create(recording)
    launched = environment(recording, {"captured": False})
    run = [sys.executable, "-m", "coverage", "run", "app.py"]
    command = [sys.executable, "-m", "coverage", "report", "--include=app.py", "--format=total"]

    def covered(variables: dict[str, str]) -> str:
        subprocess.run(run, cwd=tmp_path, env=variables, check=True, capture_output=True)
        done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout

    assert covered({**launched, "COVERAGE_CORE": core}) == covered(
        {**os.environ, "COVERAGE_CORE": core}
    )
