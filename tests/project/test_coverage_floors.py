"""Every package has a floor for its coverage, which ``tools/coverage_floors.py`` measures."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "coverage_floors.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """The tool, which is in no package."""
    spec = spec_from_file_location("coverage_floors", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_package_has_a_floor(tool: ModuleType) -> None:
    """And every floor a package."""
    assert set(tool.floors()) == tool.packages()


def test_a_package_contains_its_subpackages_and_branches_count(tool: ModuleType) -> None:
    """Modules at the top are a package of their own."""
    full = {"num_statements": 6, "covered_lines": 6, "num_branches": 2, "covered_branches": 2}
    half = {**full, "covered_lines": 3, "covered_branches": 1}
    none = {**full, "covered_lines": 0, "covered_branches": 0}

    reached = tool.shares(
        {
            "tracer/asyncctx_trace/otel/sink.py": full,
            "tracer/asyncctx_trace/otel/strategies/eager.py": none,
            "tracer/asyncctx_trace/errors.py": half,
            "tui/asyncctx_trace_tui/cli/__init__.py": full,
        }
    )

    assert reached == {
        "asyncctx_trace.otel": 50.0,
        "asyncctx_trace": 50.0,
        "asyncctx_trace_tui.cli": 100.0,
    }


def test_a_package_below_its_floor_is_an_error(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So is one without a floor. Tests that fail are for the run without measurement."""
    counts = {"num_statements": 8, "covered_lines": 7, "num_branches": 2, "covered_branches": 1}
    report = {"asyncctx_trace/errors.py": counts}
    monkeypatch.setattr(tool, "_measure", lambda arguments: 0)
    monkeypatch.setattr(tool, "_report", lambda: report)

    for floors, code in ({"asyncctx_trace": 80}, 0), ({"asyncctx_trace": 81}, 1), ({}, 1):
        monkeypatch.setattr(tool, "floors", lambda floors=floors: floors)
        assert tool.main([]) == code
        assert ("BELOW" in capsys.readouterr().out) == bool(code)
    for code_of_pytest, code in (1, 0), (2, 2), (5, 5):
        monkeypatch.setattr(tool, "floors", lambda: {"asyncctx_trace": 80})
        monkeypatch.setattr(tool, "_measure", lambda arguments, code=code_of_pytest: code)
        assert tool.main([]) == code
