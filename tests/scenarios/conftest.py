"""Fixtures shared by the tests of the scenarios."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from asyncctx_trace_tui.run import bundled_scenarios

from .runs import PYTHONS, Run, Runs


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize tests that use ``run`` with every scenario and interpreter."""
    if "run" in metafunc.fixturenames:
        cases = [
            pytest.param((python, name), id=name if python is PYTHONS[0] else f"{name} {python}")
            for python in PYTHONS
            for name in bundled_scenarios.ORDER
        ]
        metafunc.parametrize("run", cases, indirect=True)


@pytest.fixture(scope="session")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runs]:
    """Start all runs that the selected tests need at once, in one of xdist's workers."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    runs = Runs(folder / "scenarios")
    for item in request.session.items:
        callspec = getattr(item, "callspec", None)
        if callspec is not None and "run" in callspec.params:
            runs.begin(*callspec.params["run"])
    yield runs
    runs.close()


@pytest.fixture
def run(request: pytest.FixtureRequest, runs: Runs) -> Run:
    """Return one scenario, run with and without the tracer."""
    run = runs.of(*request.param)
    told = run.plain.stdout + run.plain.stderr
    if told.startswith("skipped:") or "there is no PostgreSQL to be found" in told:
        pytest.skip(told.strip())
    return run
