"""The pytest plugin: traces tests and reports what was found."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import ExitStack, suppress
from pathlib import Path
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

import pytest

from asyncctx_trace.testing.plugin_options import (
    MARKER,
    Settings,
    add_options,
    session_settings,
    settings_of_test,
)

if TYPE_CHECKING:
    from asyncctx_trace.testing.evaluation import Evaluation
    from asyncctx_trace.testing.lifecycles import Lifecycles

__all__: list[str] = []

_NAME = "asyncctx-trace"
_RUN = pytest.StashKey["_Run"]()
_NOT_RECORDED = pytest.StashKey[str]()
_SUMMARY = "asyncctx_findings"
"""Attribute of a report; carries the evaluation from a worker of xdist to the terminal."""
_TESTS = 3
"""Names of tests that are listed with a finding."""


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{MARKER}(forbid='leak, …', allow='…', threshold='slow-cleanup=50ms', "
        "budget='db pool:wait.max<50ms', trace=True): trace this test; which findings fail it, "
        "which are not reported, and what takes too long.",
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
        self.mark = mark
        self.failed = False
        self.evaluation: Evaluation | None = None


class _Plugin:
    """The hooks of one session."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.all: bool = config.getoption("--asyncctx") or config.getini("asyncctx")
        self.keep: bool = config.getoption("--asyncctx-keep")
        self.quiet: bool = config.getoption("--asyncctx-quiet")
        self.settings: Settings = session_settings(config)
        self.wider_fixtures: list[tuple[int, int]] = []
        """Start and end of the set-up of each fixture of a wider scope than ``function``."""
        self.summary = _Summary(self.settings)
        self._folder: Path | None = None
        self._installed = False

    def install(self) -> None:
        """Trace every ``async with`` from now on until the end of the session."""
        if not self._installed:
            self._installed = True
            from asyncctx_trace.instrument.rewriting.import_hook import install, uninstall

            install(spans=self.config.getoption("--asyncctx-spans"))
            self.config.add_cleanup(uninstall)

    # -- one test ---------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        mark = item.get_closest_marker(MARKER)
        wanted = self.all or mark is not None or "lifecycles" in getattr(item, "fixturenames", ())
        if not wanted or (mark is not None and not mark.kwargs.get("trace", True)):
            return (yield)
        self.install()
        with ExitStack() as stack:
            from asyncctx_trace.errors import AsyncctxTraceError

            try:
                path, since = _recording(self._path(item), stack)
            except (OSError, AsyncctxTraceError) as error:
                item.stash[_NOT_RECORDED] = f"not recorded: {error}"
                return (yield)
            from asyncctx_trace.testing.lifecycles import Lifecycles

            run = _Run(Lifecycles(path, since), since is None, mark)
            item.stash[_RUN] = run
            result = yield
        if run.own and not (run.failed or self.keep):
            run.lifecycles.path.unlink(missing_ok=True)
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        try:
            settings = settings_of_test(self.settings, item.get_closest_marker(MARKER))
            why = item.stash.get(_NOT_RECORDED, "") if settings.strict else ""
        except ValueError as error:
            why = str(error)
        if why:
            pytest.fail(why, pytrace=False)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any]
    ) -> Generator[None, object, object]:
        started = monotonic_ns()
        try:
            return (yield)
        finally:
            if self._installed and fixturedef.scope != "function":
                self.wider_fixtures.append((started, monotonic_ns()))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        run = item.stash.get(_RUN, None)
        if run is not None:
            run.lifecycles.called_at = monotonic_ns()
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        run = item.stash.get(_RUN, None)
        try:
            result = yield
        except (KeyboardInterrupt, SystemExit, pytest.exit.Exception):
            raise
        except BaseException:  # that of a fixture is reported first
            if run is not None:
                run.failed = True
                self._evaluate(run)
            raise
        if run is not None and (failures := self._evaluate(run)):
            pytest.fail("\n".join(failures), pytrace=False)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        run = item.stash.get(_RUN, None)
        if run is None:
            if report.when == "teardown" and (why := item.stash.get(_NOT_RECORDED, "")):
                setattr(report, _SUMMARY, {"lines": [["", why]], "budgets": []})
            return report
        if report.failed:
            run.failed = True
            if run.own:
                report.sections.append((_NAME, f"recording: {run.lifecycles.path}"))
        if report.when == "teardown":
            evaluated = run.evaluation
            if evaluated is not None and report.failed and evaluated.lines:
                report.sections.append((_NAME, "\n".join(line for _, line in evaluated.lines)))
            setattr(
                report,
                _SUMMARY,
                {
                    "lines": [list(each) for each in evaluated.lines] if evaluated else [],
                    "budgets": evaluated.budgets if evaluated else [],
                },
            )
        return report

    def _evaluate(self, run: _Run) -> list[str]:
        """Evaluate a test that has ended; return why it fails."""
        from asyncctx_trace.testing.evaluation import Evaluation, evaluate

        try:
            settings = settings_of_test(self.settings, run.mark)
        except ValueError:  # its set-up has failed for this reason
            return []
        try:
            run.evaluation = evaluate(
                run.lifecycles, settings, failed=run.failed, wider_fixtures=self.wider_fixtures
            )
        except Exception as error:  # a defect of ours fails only a test with requirements
            line = f"cannot determine the findings: {type(error).__name__}: {error}"
            run.evaluation = Evaluation([("", line)], [line] if settings.strict else [])
        return run.evaluation.failures

    def _path(self, item: pytest.Item) -> Path:
        """Return the path for the recording of ``item``, the same in each run."""
        name = re.sub(r"[^\w.-]+", "-", item.nodeid)[-120:].strip("-.")
        if self._folder is None or not self._folder.is_dir():
            cache = getattr(self.config, "cache", None)
            if cache is not None:
                self._folder = Path(cache.mkdir(_NAME))
            else:
                import tempfile

                self._folder = Path(tempfile.mkdtemp(prefix=f"{_NAME}-"))
        return self._folder / f"{name}.actx"

    # -- the session ------------------------------------------------------------------------

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        evaluated = getattr(report, _SUMMARY, None)
        if evaluated is not None:
            self.summary.add(report.nodeid, evaluated)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.summary.unused_budgets() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        self._tidy()

    def _tidy(self) -> None:
        """Remove the folder if it is empty; workers of xdist leave that to the controller."""
        worker = hasattr(self.config, "workerinput")
        cache = getattr(self.config, "cache", None)
        folder = self._folder
        if folder is None and cache is not None and self.summary.traced:
            folder = Path(cache.mkdir(_NAME))  # the workers' folder
        if folder is None or (worker and cache is not None):
            return
        with suppress(OSError):  # there are recordings in it
            folder.rmdir()
            if cache is not None:
                folder.parent.rmdir()

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        lines = self.summary.lines(verbose=self.config.getoption("verbose") > 0)
        unused_budgets = self.summary.unused_budgets()
        if self.quiet or not (self.summary.found or (self.all and self.summary.traced)):
            lines = []
        if not (lines or unused_budgets):
            return
        terminalreporter.section(_NAME)
        for line in lines:
            terminalreporter.write_line(line)
        for budget in unused_budgets:
            terminalreporter.write_line(
                f"budget {budget}: no traced test used a resource with this name", red=True
            )


class _Summary:
    """What was found in all tests, once for each cause."""

    def __init__(self, settings: Settings) -> None:
        self.traced = 0
        self.found: dict[str, tuple[str, list[str]]] = {}
        """Key -> the sentence of the first test with it, and the names of all tests with it."""
        self._tests: set[str] = set()
        self._unmatched = {budget.text for budget in settings.budgets}

    def add(self, test: str, evaluated: dict[str, Any]) -> None:
        """Add the evaluation of one test."""
        self.traced += 1
        self._unmatched -= set(evaluated["budgets"])
        for key, line in evaluated["lines"]:
            tests = self.found.setdefault(key or line, (line, []))[1]
            if test not in tests[-1:]:
                tests.append(test)
            self._tests.add(test)

    def unused_budgets(self) -> list[str]:
        """Return the budgets of the session for which no traced test used a resource."""
        return sorted(self._unmatched) if self.traced else []

    def lines(self, *, verbose: bool) -> list[str]:
        """Return the lines at the end of the session; ``verbose`` lists every test."""
        from asyncctx_trace.model.text import count

        lines = []
        for line, tests in self.found.values():
            lines.append(line)
            shown = tests if verbose else tests[:_TESTS]
            more = f" and {len(tests) - len(shown)} more" if len(tests) > len(shown) else ""
            lines.append(f"  in {', '.join(shown)}{more}")
        of = f"{len(self._tests)} of " if self.found and len(self._tests) != self.traced else ""
        total = count(self.traced, "traced test")
        return [*lines, f"{count(len(self.found), 'finding')} in {of}{total}"]


@pytest.fixture
def lifecycles(request: pytest.FixtureRequest) -> Lifecycles:
    """Acquisitions since this test began, and assertions about them."""
    if why := request.node.stash.get(_NOT_RECORDED, ""):
        pytest.fail(why, pytrace=False)
    run: _Run = request.node.stash[_RUN]
    return run.lifecycles


def _recording(path: Path, stack: ExitStack) -> tuple[Path, int | None]:
    """Start a recording for this test, or use the current one from now on.

    Returns its path, and for the current one the time from which on it is read.
    """
    from asyncctx_trace.errors import AlreadyRecording
    from asyncctx_trace.runtime.recording_session import record, recording

    try:
        return stack.enter_context(record(path, overwrite=True)), None
    except AlreadyRecording:
        ongoing = recording()
        assert ongoing is not None
        return ongoing, monotonic_ns()
