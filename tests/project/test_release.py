"""One command makes a release whose version is the git tag."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository of one commit with the files of this one."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and a checkout")
    folder = tmp_path / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    (folder / "changelog.d" / "+test.fixed.md").write_text("A fault is corrected.\n")
    git(folder, "init", "--quiet")
    git(folder, "config", "user.name", "Tests")
    git(folder, "config", "user.email", "tests@localhost")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "start")
    return folder


def git(folder: Path, *words: str) -> str:
    command = ["git", *words]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def release(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "tools/release.py", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_a_release_has_a_changelog_a_tag_and_packages(checkout: Path) -> None:
    done = release(checkout, "1.2.0")

    assert done.returncode == 0, done.stderr
    assert git(checkout, "describe") == "v1.2.0"
    assert git(checkout, "status", "--porcelain") == ""
    changelog = (checkout / "CHANGELOG.md").read_text("utf-8")
    assert "## 1.2.0" in changelog
    assert "- A fault is corrected." in changelog
    assert list((checkout / "changelog.d").glob("+*")) == []
    assert [file.name for file in sorted((checkout / "dist").iterdir())] == [
        "asyncctx_trace-1.2.0-py3-none-any.whl",
        "asyncctx_trace-1.2.0.tar.gz",
    ]


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("1.2", "'1.2' is not a version: use for example 1.2.0 or 1.2.0rc1"),
        ("1.1.0", "the tag v1.1.0 exists: choose the next version"),
    ],
)
def test_a_wrong_version_is_refused_before_anything_changes(
    checkout: Path, version: str, message: str
) -> None:
    git(checkout, "tag", "v1.1.0")

    done = release(checkout, version)

    assert done.returncode == 1
    assert done.stderr.strip() == message
    assert git(checkout, "status", "--porcelain") == ""


def test_uncommitted_changes_are_refused(checkout: Path) -> None:
    (checkout / "README.md").write_text("changed")

    done = release(checkout, "1.2.0")

    assert done.returncode == 1
    assert done.stderr.strip() == "the checkout has changes: commit or stash them first"
