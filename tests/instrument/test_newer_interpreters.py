"""The marks fit the code of CPythons that are not installed here, on those that Pyodide brings.

``npm install --no-save --prefix DIR pyodide@314`` puts CPython 3.14 for Node.js into a folder; the
environment's ASYNCCTX_TEST_PYODIDE names such folders, separated as in PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from instrument.random_programs import program
from instrument.test_equivalence import programs

HERE = Path(__file__).parent
FOLDERS = [Path(p) for p in os.environ.get("ASYNCCTX_TEST_PYODIDE", "").split(os.pathsep) if p]


def some_programs() -> list[str]:
    """The sources of random programs."""
    found: list[str] = []

    @settings(
        max_examples=150,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(programs)
    def collect(statements: Any) -> None:
        found.append(program(statements))

    collect()
    return found


@pytest.mark.skipif(not FOLDERS, reason="ASYNCCTX_TEST_PYODIDE names no other CPython")
@pytest.mark.parametrize("folder", FOLDERS or [Path()], ids=lambda folder: folder.name)
def test_programs_run_the_same_there(folder: Path, tmp_path: Path) -> None:
    """Those scripts that need no process of their own, and random programs."""
    node = shutil.which("node")
    assert node, "Pyodide runs on Node.js: install that, or unset ASYNCCTX_TEST_PYODIDE"
    told = tmp_path / "programs.json"
    told.write_text(json.dumps(some_programs()))
    pyodide = folder.resolve() / "node_modules" / "pyodide"
    words = [node, HERE / "wasm.mjs", pyodide, HERE.parents[1], HERE / "inside_wasm.py", told]

    done = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=240)

    assert done.stdout.startswith("ok"), done.stdout + done.stderr
