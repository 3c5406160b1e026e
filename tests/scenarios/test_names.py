"""Bundled scenarios are found by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from asyncctx_trace_tui.run import bundled_scenarios


def trace(*words: str) -> subprocess.CompletedProcess[str]:
    """``asyncctx-trace WORDS``."""
    command = [sys.executable, "-m", "asyncctx_trace_tui", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


def test_every_script_has_its_place_in_the_order() -> None:
    """What begins with an underscore helps the others and is none itself."""
    names = [each.name for each in bundled_scenarios.all()]

    assert tuple(names) == bundled_scenarios.ORDER


def test_a_name_leads_to_its_script() -> None:
    """As it would be given to ``python``."""
    path = bundled_scenarios.find("exit_stack")

    assert path.name == "exit_stack.py"
    assert path.is_file()


@pytest.mark.parametrize("name", ["_postgres", "", "../lock", "lock.py"])
def test_only_names_are_names(name: str) -> None:
    """No helper, no path, no suffix."""
    with pytest.raises(bundled_scenarios.NoSuchScenario):
        bundled_scenarios.find(name)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("deadlok", "deadlock"), ("taskgroup", "task_group"), ("trio", "trio_nursery")],
)
def test_a_wrong_name_is_answered_with_the_nearest(wrong: str, right: str) -> None:
    """In one line, by every command that takes a name."""
    for words in (["run", wrong], ["scenarios", wrong]):
        done = trace(*words)

        assert done.returncode == 2
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1
        assert f"did you mean {right}" in done.stderr


def test_the_list_has_them_all() -> None:
    """One a line, with its title."""
    lines = trace("scenarios").stdout.splitlines()

    for each, line in zip(bundled_scenarios.all(), lines, strict=False):
        assert line.split() == [each.name, *each.title.split()]


def test_a_name_tells_its_story() -> None:
    """And where to read the script."""
    told = trace("scenarios", "leak").stdout

    assert told.startswith("Entered, and never left\n")
    assert told.endswith(f"{bundled_scenarios.find('leak')}\n")
