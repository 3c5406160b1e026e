"""The scenarios are scripts that a learner can read from top to bottom."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from asyncctx_trace_tui.run import bundled_scenarios
from asyncctx_trace_tui.run.bundled_scenarios import Scenario

from .runs import declared_by


@pytest.fixture(params=bundled_scenarios.all(), ids=lambda each: each.name)
def script(request: pytest.FixtureRequest) -> Scenario:
    """Return each scenario."""
    script: Scenario = request.param
    return script


def test_a_script_is_short_and_tells_a_story(script: Scenario) -> None:
    """A title of one line, a story of a few, a script of two screens before what is for us."""
    source = script.path.read_text(encoding="utf-8").partition("# What the tracer finds")[0]
    lines = source.splitlines()

    assert 40 <= len(lines) <= 150
    assert 10 <= len(script.title) <= 80
    assert 3 <= len(script.story.splitlines()) <= 12


def test_a_script_uses_only_the_public_api(script: Scenario) -> None:
    """Only ``traced``."""
    imported = [
        (node.module, name.name)
        for node in ast.walk(ast.parse(script.path.read_bytes()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("asyncctx")
        for name in node.names
    ]

    assert imported in ([], [("asyncctx_trace", "traced")])


def test_a_script_declares_what_it_shows(script: Scenario) -> None:
    """As a literal, so that it can be read without running the script."""
    declared = declared_by(script.name)

    assert {"findings", "cleanup", "contention"} <= declared.keys()
    assert declared["findings"] or declared["cleanup"] or declared["contention"]


@pytest.mark.parametrize(
    ("name", "library", "code"),
    [("files", "aiofiles", 1), ("pool", "asyncpg", 1), ("trio_nursery", "trio", 0)],
)
def test_a_missing_library_is_reported_in_one_line(
    name: str, library: str, code: int, tmp_path: Path
) -> None:
    """With how to install it; scenarios of another runtime are skipped."""
    (tmp_path / f"{library}.py").write_text(f"raise ImportError('no {library}')")
    done = subprocess.run(
        [sys.executable, bundled_scenarios.find(name)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
    )

    [line] = (done.stdout + done.stderr).splitlines()
    assert f"{name} needs {library}: pip install" in line
    assert done.returncode == code
