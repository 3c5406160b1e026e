"""Constants that stand in two places have one value."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import asyncctx_trace
import asyncctx_trace_tui
from asyncctx_trace.model import constants, conventions
from asyncctx_trace.model.durations import SECOND
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace_tui.cli.duration_option import Duration
from asyncctx_trace_tui.cli.export import command as export

PACKAGES = [Path(package.__file__ or "").parent for package in (asyncctx_trace, asyncctx_trace_tui)]


def test_outcomes_have_the_names_of_the_enum() -> None:
    """Spans name an outcome by its position in the tuple."""
    assert ("", *(outcome.name.lower() for outcome in Outcome)) == conventions.OUTCOMES
    assert [int(outcome) for outcome in Outcome] == list(range(1, len(conventions.OUTCOMES)))


def test_the_command_line_has_the_default_of_the_library() -> None:
    """A recording makes the same traces as the running program."""
    [option] = [p for p in export.params if p.name == "new_trace_after"]
    assert isinstance(option.type, Duration)

    default = option.type.convert(option.default, None, None)
    assert default == constants.NEW_TRACE_AFTER * SECOND


@pytest.mark.parametrize("name", constants.__all__)
def test_a_shared_value_is_written_once(name: str) -> None:
    """Wherever else it is needed, it is imported."""
    definition = re.compile(rf"^_?{name}\b[^=\n]*=", re.MULTILINE)
    modules = [path for package in PACKAGES for path in package.rglob("*.py")]

    defined = [path.name for path in modules if definition.search(path.read_text("utf-8"))]

    assert defined == ["constants.py"]


def test_the_file_name_of_hidden_code_is_written_once() -> None:
    """Code that compares it with another spelling would show our frames."""
    modules = [path for package in PACKAGES for path in package.rglob("*.py")]

    assert [
        path.name for path in modules if f'"{constants.HIDDEN_FILE}"' in path.read_text("utf-8")
    ] == ["constants.py"]


def test_what_is_not_defined_is_named_in_one_place() -> None:
    """As ``task 7`` or ``resource 7``, wherever it is shown."""
    modules = [path for package in PACKAGES for path in package.rglob("*.py")]
    fallback = re.compile(r'f"(?:task|resource) \{[^}]*\}"')

    assert [p.name for p in modules if fallback.search(p.read_text("utf-8"))] == ["names.py"]
