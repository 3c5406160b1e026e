"""The pytest plugin: records the tests that ask for it."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable
from contextlib import ExitStack
from pathlib import Path
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from asyncctx_trace.analysis.findings import Finding
    from asyncctx_trace.testing.lifecycles import Lifecycles

__all__: list[str] = []

_NAME = "asyncctx-trace"
_MARK = "lifecycles"
_RUN = pytest.StashKey["_Run"]()
_SUMMARY = "asyncctx_findings"
"""Attribute of a report that carries lines from a worker of xdist to the terminal."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup(_NAME)
    group.addoption(
        "--asyncctx",
        action="store_true",
        help="Trace every `async with` of the tests and tell what is found, test by test.",
    )
    group.addoption(
        "--asyncctx-keep",
        action="store_true",
        help="Keep the recordings of tests that pass as well.",
    )
    parser.addini("asyncctx", "Trace all tests, as --asyncctx does.", type="bool", default=False)
    parser.addini(
        "asyncctx_forbid",
        "Findings that fail a traced test: kinds such as `leak`, `certain`, or `any`.",
        type="args",
        default=[],
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{_MARK}(forbid='leak, …', allow='…', trace=True): trace this test; findings that fail "
        "it, and findings that are not told.",
    )
    plugin = _Plugin(config)
    config.pluginmanager.register(plugin, f"{_NAME}-session")
    if plugin.all:
        plugin.install()


class _Run:
    """One traced test."""

    def __init__(self, lifecycles: Lifecycles, own: bool, mark: pytest.Mark | None) -> None:
        self.lifecycles = lifecycles
        self.own = own
        """Whether the recording is this test's alone."""
        self.forbid = _kinds(mark, "forbid")
        self.allow = _kinds(mark, "allow")
        self.failed = False
        self.lines: list[str] = []


class _Plugin:
    """What happens around each test."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.all: bool = config.getoption("--asyncctx") or config.getini("asyncctx")
        self.keep: bool = config.getoption("--asyncctx-keep")
        self.traced = 0
        self.told: list[tuple[str, list[str]]] = []
        self._installed = False

    def install(self) -> None:
        """Trace what carries no word of ours either, from now to the end of the session."""
        if not self._installed:
            self._installed = True
            from asyncctx_trace.instrument.installing import install, uninstall

            install()
            self.config.add_cleanup(uninstall)

    # -- one test ---------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        mark = item.get_closest_marker(_MARK)
        wanted = self.all or mark is not None or "lifecycles" in getattr(item, "fixturenames", ())
        if not wanted or (mark is not None and not mark.kwargs.get("trace", True)):
            return (yield)
        self.install()
        with ExitStack() as stack:
            path, since = _recording(self._path(item), stack)
            from asyncctx_trace.testing.lifecycles import Lifecycles

            run = _Run(Lifecycles(path, since), since is None, mark)
            item.stash[_RUN] = run
            result = yield
        if run.own and not (run.failed or self.keep):
            run.lifecycles.path.unlink(missing_ok=True)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        run = item.stash.get(_RUN, None)
        if run is not None:
            run.lifecycles.called_at = monotonic_ns()
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        result = yield
        run = item.stash.get(_RUN, None)
        if run is not None:
            self._judge(run)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        run = item.stash.get(_RUN, None)
        if run is not None:
            if report.failed:
                run.failed = True
                if run.own:
                    report.sections.append((_NAME, f"recording: {run.lifecycles.path}"))
            if report.when == "teardown":
                setattr(report, _SUMMARY, run.lines)
        return report

    def _judge(self, run: _Run) -> None:
        findings = run.lifecycles.findings(over=True)
        told = [finding for finding in findings if finding.kind not in run.allow]
        run.lines = [_line(finding) for finding in told]
        forbidden = run.forbid | set(self.config.getini("asyncctx_forbid"))
        broken = [
            _line(finding)
            for finding in told
            if forbidden & ({"any", finding.kind, finding.certainty} - {"possible"})
        ]
        if broken:
            pytest.fail("\n".join(broken), pytrace=False)

    def _path(self, item: pytest.Item) -> Path:
        """Where the recording of ``item`` goes; it takes the place of an earlier run's."""
        name = re.sub(r"[^\w.-]+", "-", item.nodeid)[-120:].strip("-.")
        cache = getattr(self.config, "cache", None)
        if cache is not None:
            return Path(cache.mkdir(_NAME)) / f"{name}.actx"
        import tempfile

        return Path(tempfile.mkdtemp(prefix=f"{_NAME}-")) / f"{name}.actx"

    # -- the session ------------------------------------------------------------------------

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        lines = getattr(report, _SUMMARY, None)
        if lines is not None:
            self.traced += 1
            if lines:
                self.told.append((report.nodeid, lines))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self.traced or not (self.told or self.all):
            return
        terminalreporter.section(_NAME)
        for test, lines in self.told:
            terminalreporter.write_line(test)
            for line in lines:
                terminalreporter.write_line(f"  {line}")
        found = sum(len(lines) for _, lines in self.told)
        terminalreporter.write_line(f"{found} findings in {self.traced} traced tests")


@pytest.fixture
def lifecycles(request: pytest.FixtureRequest) -> Lifecycles:
    """Record this test and return its acquisitions (:class:`Lifecycles`)."""
    run: _Run = request.node.stash[_RUN]
    return run.lifecycles


def _recording(path: Path, stack: ExitStack) -> tuple[Path, int | None]:
    """A recording of this test's own; where one goes on already, that one from now on."""
    from asyncctx_trace.errors import AlreadyRecording
    from asyncctx_trace.session import record, recording

    try:
        return stack.enter_context(record(path, overwrite=True)), None
    except AlreadyRecording:
        ongoing = recording()
        assert ongoing is not None
        return ongoing, monotonic_ns()


def _kinds(mark: pytest.Mark | None, what: str) -> set[str]:
    given: str | Iterable[str] = () if mark is None else mark.kwargs.get(what, ())
    names = re.split(r"[,\s]+", given) if isinstance(given, str) else given
    return {name for name in names if name}


def _line(finding: Finding) -> str:
    from asyncctx_trace.analysis.words import plain

    return f"{finding.kind} ({finding.certainty}): {plain(finding.summary)}"
