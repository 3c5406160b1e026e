"""Bundled scenarios are found by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from asyncctx_trace_tui.run import bundled_scenarios


def trace(*words: str) -> subprocess.CompletedProcess[str]:
    """Run ``asyncctx-trace WORDS``."""
    command = [sys.executable, "-m", "asyncctx_trace_tui", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


def test_every_script_is_in_the_order() -> None:
    """Scripts whose name starts with an underscore are helpers."""
    names = [each.name for each in bundled_scenarios.all()]

    assert tuple(names) == bundled_scenarios.ORDER


def test_a_name_is_resolved_to_its_script() -> None:
    """As a path that ``python`` accepts."""
    path = bundled_scenarios.find("exit_stack")

    assert path.name == "exit_stack.py"
    assert path.is_file()


@pytest.mark.parametrize("name", ["_postgres", "", "../lock", "lock.py"])
def test_paths_and_helpers_are_not_names(name: str) -> None:
    """No helper, path or suffix."""
    with pytest.raises(bundled_scenarios.NoSuchScenario):
        bundled_scenarios.find(name)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("deadlok", "deadlock"), ("taskgroup", "task_group"), ("trio", "trio_nursery")],
)
def test_an_unknown_name_is_answered_with_similar_ones(wrong: str, right: str) -> None:
    """In one line, by each command that takes a name."""
    for words in (["run", wrong], ["scenarios", wrong]):
        done = trace(*words)

        assert done.returncode == 2
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1
        assert f"did you mean {right}" in done.stderr


def test_all_scenarios_are_listed() -> None:
    """One per line, with its title."""
    lines = trace("scenarios").stdout.splitlines()

    for each, line in zip(bundled_scenarios.all(), lines, strict=False):
        assert line.split() == [each.name, *each.title.split()]


def test_a_scenario_is_described_by_name() -> None:
    """With the path of the script."""
    described = trace("scenarios", "leak").stdout

    assert described.startswith("Entered, and never exited\n")
    assert described.endswith(f"{bundled_scenarios.find('leak')}\n")
