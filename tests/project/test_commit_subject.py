"""The commit hook accepts subjects that follow the rule and says what is wrong with others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HOOK = Path(__file__).parents[2] / "tools" / "commit_subject.py"


def checked(tmp_path: Path, subject: str) -> str:
    message = tmp_path / "message"
    message.write_text(f"{subject}\n\nThe reason.\n")
    done = subprocess.run([sys.executable, HOOK, message], capture_output=True, text=True)
    assert bool(done.returncode) == bool(done.stderr)
    return done.stderr.strip()


@pytest.mark.parametrize(
    "subject",
    ["recording: keep definitions when a segment is recycled", "Merge branch 'main' into docs"],
)
def test_a_good_subject_is_accepted(tmp_path: Path, subject: str) -> None:
    assert checked(tmp_path, subject) == ""


@pytest.mark.parametrize(
    ("subject", "problem"),
    [
        ("Definitions are kept", "begin the subject with an area"),
        ("recording: keep definitions.", "leave out the full stop"),
        (f"recording: keep {'x' * 60}", "the subject has 76 characters"),
    ],
)
def test_another_subject_is_refused(tmp_path: Path, subject: str, problem: str) -> None:
    assert checked(tmp_path, subject).startswith(problem)
