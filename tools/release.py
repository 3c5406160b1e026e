"""Make a release: changelog, commit, tag, source distribution and wheels.

    python tools/release.py 1.2.0
    python tools/release.py 1.2.0 --python python3.12 --python python3.13

Run it in a clean checkout, with the Python of an environment that has the extra `dev`. The
version of the packages is the git tag. Nothing is pushed or uploaded; the output says how.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
_VERSION = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")


def main() -> None:
    """Run the steps in order; the first that fails ends the release with a message."""
    options = _options()
    _check(options.version)
    _run(sys.executable, "-m", "towncrier", "build", "--yes", "--version", options.version)
    _run("git", "commit", "--quiet", "--all", "--message", f"release: {options.version}")
    _run("git", "tag", "--annotate", f"v{options.version}", "--message", options.version)
    files = _build(options.python)
    wrong = [file.name for file in files if f"-{options.version}" not in file.name]
    if wrong:
        sys.exit(f"the files have another version than the tag: {', '.join(wrong)}")
    print("built:", *(f"  {file.relative_to(ROOT)}" for file in files), sep="\n")
    print(f"next: git push --follow-tags; twine upload {DIST.name}/*")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("version", help="the new version, such as 1.2.0 or 1.2.0rc1")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="EXECUTABLE",
        help="build a compiled wheel for this interpreter; may be repeated (default: none, only "
        "the wheel without the C implementation)",
    )
    return parser.parse_args()


def _check(version: str) -> None:
    if not _VERSION.fullmatch(version):
        sys.exit(f"{version!r} is not a version: use for example 1.2.0 or 1.2.0rc1")
    if _output("git", "status", "--porcelain", "--untracked-files=no"):
        sys.exit("the checkout has changes: commit or stash them first")
    if _output("git", "tag", "--list", f"v{version}"):
        sys.exit(f"the tag v{version} exists: choose the next version")
    if not any(file.suffixes[-1:] == [".md"] for file in _fragments()):
        sys.exit("changelog.d/ has no fragments: there is nothing to release")
    if DIST.exists() and any(DIST.iterdir()):
        sys.exit("dist/ has files of an earlier build: remove them first")


def _fragments() -> list[Path]:
    return [file for file in (ROOT / "changelog.d").glob("*.*.md") if file.name != "README.md"]


def _build(interpreters: list[str]) -> list[Path]:
    """Build the source distribution, the pure wheel, and a compiled one for each interpreter."""
    hatchling = [sys.executable, "-m", "hatchling", "build", "--directory", str(DIST)]
    _run(*hatchling, "--target", "sdist")
    _run(*hatchling, "--target", "wheel", environment={"ASYNCCTX_TRACE_PURE": "1"})
    for interpreter in interpreters:
        _run(interpreter, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(DIST), str(ROOT))
    return sorted(DIST.iterdir())


def _run(*command: str, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **(environment or {})})
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed with exit code {done.returncode}")


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
