"""The wheel contains the scenarios."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.recording.reading.reader import read

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of packages with the contents of the wheel built from this checkout."""
    pytest.importorskip("hatchling", reason="building a wheel needs hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=CHECKOUT, check=True, capture_output=True, timeout=120)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_a_scenario_runs_by_name_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    """The installed copy is traced, with the helper beside it."""
    command = [sys.executable, "-m", "asyncctx_trace_tui", "run", "--quiet", "-o", "x.actx", "pool"]
    dead = "postgresql://127.0.0.1:1/nothing"  # told before anything takes long
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed), "ASYNCCTX_PG_DSN": dead},
        capture_output=True,
        text=True,
        timeout=240,
    )

    assert done.returncode == 1
    assert "ASYNCCTX_PG_DSN names a PostgreSQL that cannot be reached" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["x.actx"]
    resources = Timeline(read(tmp_path / "x.actx")).resources.values()
    assert "postgres" in [resource.name for resource in resources]  # without a word in the script


def test_installed_scenarios_are_those_of_the_checkout(installed: Path, tmp_path: Path) -> None:
    """All scripts, and nothing else."""
    listed = subprocess.run(
        [sys.executable, "-m", "asyncctx_trace_tui", "scenarios"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    bundled = installed / "asyncctx_trace_tui" / "scenarios"

    assert str(bundled) in listed.stdout
    # The test above has run one of them: the interpreter may have left its cache.
    assert sorted(path.name for path in bundled.iterdir() if path.name != "__pycache__") == sorted(
        path.name for path in CHECKOUT.joinpath("scenarios").glob("*.py")
    )
