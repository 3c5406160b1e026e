"""Changelog fragments are named and written so that a release can collect them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KINDS = {"added", "changed", "deprecated", "removed", "fixed", "security"}
FRAGMENTS = [
    file
    for file in sorted((ROOT / "changelog.d").iterdir())
    if file.name not in ("README.md", "template.md.jinja")
]


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda file: file.name)
def test_a_fragment_has_a_kind_and_whole_sentences(fragment: Path) -> None:
    named = re.fullmatch(r"(?:\d+|\+[a-z0-9-]+)\.([a-z]+)\.md", fragment.name)
    text = fragment.read_text("utf-8").strip()

    assert named, "call it +WORDS.KIND.md or NUMBER.KIND.md"
    assert named[1] in KINDS
    assert text.endswith((".", ")")), "end it with a full stop"
    assert not text.startswith(("-", "*", "#")), "leave out bullets and headings"


def test_a_release_collects_every_fragment() -> None:
    """A fragment that the tool does not recognise would be left out silently."""
    draft = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "next"]
    done = subprocess.run(draft, cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.count("\n- ") == len(FRAGMENTS)


def test_no_change_is_written_to_the_changelog_by_hand() -> None:
    """Only a release writes there, so that branches do not conflict."""
    assert "unreleased" not in (ROOT / "CHANGELOG.md").read_text("utf-8").lower()
