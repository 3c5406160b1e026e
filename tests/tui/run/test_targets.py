"""Targets of ``asyncctx-trace run`` as arguments of ``python``."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

from asyncctx_trace.recording.writing.segments import create
from asyncctx_trace_tui.run import bundled_scenarios
from asyncctx_trace_tui.run.targets import InvalidTarget, python_arguments


@pytest.fixture(autouse=True)
def _in_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("words", [["app.py", "-x"], ["folder"], ["-m", "package.tool", "a b"]])
def test_files_and_modules_are_passed_on(words: list[str], tmp_path: Path) -> None:
    """With their arguments, as ``python`` accepts them."""
    (tmp_path / "app.py").touch()
    (tmp_path / "folder").mkdir()

    assert python_arguments(words) == words


def test_a_scenario_is_replaced_by_its_path() -> None:
    """The arguments stay."""
    assert python_arguments(["lock", "5"]) == [str(bundled_scenarios.find("lock")), "5"]


def test_a_file_takes_precedence_over_a_scenario_and_a_command(tmp_path: Path) -> None:
    """As with ``python``."""
    for name in ("lock", "pytest"):
        (tmp_path / name).touch()

        assert python_arguments([name]) == [name]


def test_a_console_script_is_run_as_its_module() -> None:
    """``pytest`` is the same program as ``python -m pytest``."""
    assert python_arguments(["pytest", "-q", "tests"]) == ["-m", "pytest", "-q", "tests"]


def test_a_console_script_without_a_module_of_its_name_is_run_as_a_file() -> None:
    """``python -m package`` may be another program of the same package."""
    script, *arguments = python_arguments(["py.test", "-q"])

    assert Path(script).name == "py.test"
    assert Path(script).parent == Path(sys.executable).parent
    assert arguments == ["-q"]


@pytest.mark.parametrize("script", entry_points(group="console_scripts"), ids=lambda s: s.name)
def test_every_console_script_can_be_run(script: EntryPoint) -> None:
    """Of this environment, whichever packages are installed."""
    first, second, *_ = python_arguments([script.name, "argument"])

    if first == "-m":
        assert second.casefold() == script.name.replace("-", "_").casefold()
    else:
        assert (Path(first).name, second) == (script.name, "argument")
        assert Path(first).is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-m"], "-m needs the name of a module"),
        (["missing.py"], "missing.py: no such file"),
        (["folder/tool"], "folder/tool: no such file"),
        (["ap.py"], "ap.py: no such file; did you mean app.py?"),
        (["lokc"], "did you mean lock or leak or deadlock?"),
        (["no-such-command"], "'no-such-command' is neither a file, an installed command nor"),
        (["sh"], "sh is not a Python program: only Python programs can be traced"),
        (["other"], "other belongs to another Python: install asyncctx-trace there"),
        (["run"], "run is a recording, not a program; to open it: asyncctx-trace replay run"),
    ],
)
def test_other_targets_are_refused(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what is wrong and what to do."""
    (tmp_path / "app.py").touch()
    create(tmp_path / "run")
    for name, first_line in (("sh", b"\x7fELF"), ("other", b"#!/usr/bin/env python\n")):
        command = tmp_path / "bin" / name
        command.parent.mkdir(exist_ok=True)
        command.write_bytes(first_line)
        command.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    with pytest.raises(InvalidTarget) as raised:
        python_arguments(words)

    assert message in str(raised.value)
