"""What the README promises is what CI runs and what is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_ci_runs_the_test_command_of_the_readme_word_for_word() -> None:
    """Otherwise CI would not have tried what the README says."""
    (command,) = re.findall(r"^ {4}(python3 -m venv .*pytest.*)$", README, re.MULTILINE)

    assert command in (ROOT / ".ci" / "run").read_text().splitlines()


def test_every_file_that_the_readme_names_is_there() -> None:
    """Pictures and pages."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
