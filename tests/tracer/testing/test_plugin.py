"""The pytest plugin, each time in a session of its own."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PROGRAM = """
import asyncio
import pytest

class Session:
    async def __aenter__(self): return self
    async def __aexit__(self, *exc): pass

async def leaks():
    await asyncio.create_task(Session().__aenter__())
    async with Session() as session:
        pass
    await asyncio.create_task(_forgets())

async def _forgets():
    from contextlib import AsyncExitStack
    stack = AsyncExitStack()
    await stack.enter_async_context(Session())
    stack.pop_all()

async def is_clean():
    lock = asyncio.Lock()
    async def worker():
        async with lock:
            await asyncio.sleep(0.001)
    await asyncio.gather(worker(), worker(), worker())

async def inverts():
    first, second = asyncio.Lock(), asyncio.Lock()
    async def both(outer, inner):
        async with outer:
            async with inner:
                await asyncio.sleep(0.001)
    await asyncio.gather(both(first, second), both(second, first))
"""


@pytest.fixture
def session(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with a program to test."""
    # Loading every plugin that is installed takes ten times as long as a session of ours.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(program=PROGRAM)
    return pytester


def run(session: pytest.Pytester, *words: str, **modules: str) -> pytest.RunResult:
    """Run pytest on ``modules`` in a process of its own."""
    session.makepyfile(**modules)
    return session.runpytest_subprocess("-p", "asyncctx_trace.testing.plugin", "-q", *words)


def kept_recordings(session: pytest.Pytester) -> list[str]:
    """Return the names of the recordings that are left."""
    return sorted(path.name for path in Path(session.path).rglob("*.actx"))


def test_the_plugin_does_nothing_by_default(session: pytest.Pytester) -> None:
    """No recording, no section, no import that would slow a session down."""
    result = run(
        session,
        test_it="""
            import sys
            def test_it():
                assert "asyncctx_trace.recording.writing.writer" not in sys.modules
                assert "asyncctx_trace.analysis" not in sys.modules
                assert "textual" not in sys.modules
        """,
    )

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*asyncctx-trace*")
    assert kept_recordings(session) == []


def test_pytest_finds_the_plugin() -> None:
    """By the name that ``-p no:asyncctx_trace`` disables."""
    (ours,) = entry_points(group="pytest11", name="asyncctx_trace")

    assert ours.value == "asyncctx_trace.testing.plugin"


def test_the_option_reports_the_findings_of_each_test(session: pytest.Pytester) -> None:
    """A finding fails no test unless it is forbidden."""
    result = run(
        session,
        "--asyncctx",
        test_it="""
            import asyncio, program
            def test_leaks(): asyncio.run(program.leaks())
            def test_is_clean(): asyncio.run(program.is_clean())
        """,
    )

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "*= asyncctx-trace =*",
            "leak (certain): *",
            "  in test_it.py::test_leaks",
            "1 finding in 1 of 2 traced tests",
        ]
    )
    assert kept_recordings(session) == []


def test_a_forbidden_finding_fails_its_test_and_keeps_the_recording(
    session: pytest.Pytester,
) -> None:
    """By a marker; the path is shown."""
    result = run(
        session,
        test_it="""
            import asyncio, program, pytest
            @pytest.mark.lifecycles(forbid="leak, deadlock")
            def test_leaks(): asyncio.run(program.leaks())
            @pytest.mark.lifecycles(forbid="any", allow="leak")
            def test_allowed(): asyncio.run(program.leaks())
            @pytest.mark.lifecycles(forbid="leak")
            def test_is_clean(): asyncio.run(program.is_clean())
        """,
    )

    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["leak (certain): *program.py:*", "recording: *test_leaks.actx"])
    assert kept_recordings(session) == ["test_it.py-test_leaks.actx"]


def test_an_ini_option_forbids_findings_in_all_tests(session: pytest.Pytester) -> None:
    """It turns tracing on without an option on the command line."""
    session.makeini("[pytest]\nasyncctx = true\nasyncctx_forbid = certain")
    result = run(
        session,
        test_it="""
            import asyncio, program
            def test_inverts(): asyncio.run(program.inverts())
            def test_is_clean(): asyncio.run(program.is_clean())
        """,
    )

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*lock-order-inversion (certain): *"])


def test_an_assertion_that_fails_says_what_was_found(session: pytest.Pytester) -> None:
    """Each assertion of the fixture, once passing and once failing."""
    result = run(
        session,
        test_it="""
            import asyncio, program, pytest
            def test_kept(lifecycles):
                asyncio.run(program.is_clean())
                lifecycles.assert_no_leaks()
                lifecycles.assert_no_deadlock_risk()
                lifecycles.assert_wait("*", p99="5s", max="5s")
                lifecycles.assert_hold("*", p50="5s")
                lifecycles.assert_cleanup_order([])
            def test_leaks(lifecycles):
                asyncio.run(program.leaks())
                with pytest.raises(AssertionError, match=r"never exited: `.*` at program.py:\\d+"):
                    lifecycles.assert_no_leaks()
            def test_order(lifecycles):
                from asyncctx_trace import traced
                a, b = (traced(program.Session(), name=name) for name in "ab")
                async def main():
                    async with a, b: pass
                asyncio.run(main())
                lifecycles.assert_cleanup_order(["b", "a"])
                with pytest.raises(AssertionError, match="cleaned up b → a, not a → b"):
                    lifecycles.assert_cleanup_order(["a", "b"])
            def test_risk(lifecycles):
                asyncio.run(program.inverts())
                with pytest.raises(AssertionError, match="lock-order-inversion"):
                    lifecycles.assert_no_deadlock_risk()
            def test_wait(lifecycles):
                asyncio.run(program.is_clean())
                with pytest.raises(AssertionError, match="wait max of .* over 1.00 µs"):
                    lifecycles.assert_wait("*", max="1us")
                with pytest.raises(AssertionError, match="no resource matches 'db pool'"):
                    lifecycles.assert_wait("db pool", p99="5ms")
                with pytest.raises(TypeError, match="p50, "):
                    lifecycles.assert_wait("*", p101="5ms")
                with pytest.raises(ValueError, match="5ms"):
                    lifecycles.assert_wait("*", p50="fast")
        """,
    )

    result.assert_outcomes(passed=5)


def test_what_a_fixture_holds_is_not_a_leak_of_the_test(session: pytest.Pytester) -> None:
    """Whether it is released after the test or after the session."""
    result = run(
        session,
        test_it="""
            import asyncio, program, pytest
            loop = asyncio.new_event_loop()
            @pytest.fixture(scope="module")
            def opened():
                session = program.Session()
                async def main():
                    async with session:
                        await stop.wait()
                stop = asyncio.Event()
                task = loop.create_task(main())
                loop.run_until_complete(asyncio.sleep(0))
                yield
                stop.set()
                loop.run_until_complete(task)
                loop.close()
            @pytest.mark.lifecycles(forbid="leak")
            def test_one(opened, lifecycles):
                lifecycles.assert_no_leaks()
            @pytest.mark.lifecycles(forbid="any")
            def test_two(opened, lifecycles):
                lifecycles.assert_no_leaks()
        """,
    )

    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("plugin", "settings", "test"),
    [
        ("pytest_asyncio.plugin", "asyncio_mode = auto", "async def test_it(lifecycles):"),
        ("anyio.pytest_plugin", "", "@pytest.mark.anyio\nasync def test_it(lifecycles):"),
        ("pytest_trio.plugin", "trio_mode = true", "async def test_it(lifecycles):"),
    ],
)
def test_the_plugin_works_with_those_that_run_async_tests(
    session: pytest.Pytester, plugin: str, settings: str, test: str
) -> None:
    """pytest-asyncio, anyio (on both runtimes) and pytest-trio."""
    pytest.importorskip(plugin)
    session.makeini(f"[pytest]\n{settings}")
    body = """
    async with Session():
        pass
    lifecycles.assert_no_leaks()
    lifecycles.assert_hold("*", max="5s")
    await Session().__aenter__()
    with pytest.raises(AssertionError, match="never exited"):
        lifecycles.assert_no_leaks()
"""
    result = run(
        session,
        "-p",
        plugin,
        test_it=f"import pytest\nfrom asyncctx_trace import traced\nimport program\n"
        f"def Session(): return traced(program.Session())\n{test}{body}",
    )

    result.assert_outcomes(passed=2 if plugin.startswith("anyio") else 1)


def test_findings_of_workers_of_xdist_are_reported(session: pytest.Pytester) -> None:
    """They are sent with the reports."""
    pytest.importorskip("xdist")
    result = run(
        session,
        "--asyncctx",
        "-p",
        "xdist.plugin",
        "-n",
        "2",
        test_it="""
            import asyncio, program
            def test_leaks(): asyncio.run(program.leaks())
            def test_leaks_again(): asyncio.run(program.leaks())
            def test_is_clean(): asyncio.run(program.is_clean())
        """,
    )

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        ["leak (certain): *", "  in test_it.py::test_leaks*", "1 finding in 2 of 3 traced tests"]
    )
    assert kept_recordings(session) == []
    assert not (Path(session.path) / ".pytest_cache" / "d").exists()


def test_an_active_recording_is_used(session: pytest.Pytester) -> None:
    """As under ``asyncctx-trace run -m pytest``: it is neither replaced nor removed."""
    result = run(
        session,
        test_it="""
            import asyncio, program, asyncctx_trace, pytest
            @pytest.fixture(scope="session", autouse=True)
            def everything(tmp_path_factory):
                yield
            def test_it(lifecycles):
                asyncio.run(program.is_clean())
                lifecycles.assert_wait("*", p99="5s")
                with pytest.raises(AssertionError):
                    lifecycles.assert_cleanup_order(["before"])
        """,
        conftest="""
            import asyncio, asyncctx_trace, program
            recording = asyncctx_trace.record("all.actx")
            def pytest_configure(config):
                recording.__enter__()
                async def before():
                    async with asyncctx_trace.traced(program.Session(), name="before"):
                        pass
                asyncio.run(before())
            def pytest_unconfigure(config):
                recording.__exit__(None, None, None)
        """,
    )

    result.assert_outcomes(passed=1)
    assert kept_recordings(session) == ["all.actx"]


def test_findings_are_reported_after_the_error_of_a_fixture(
    session: pytest.Pytester,
) -> None:
    """When the tear-down fails, they matter most."""
    result = run(
        session,
        "--asyncctx",
        test_it="""
            import asyncio, program, pytest
            @pytest.fixture
            def breaks():
                yield
                raise OSError("the pool is gone")
            @pytest.mark.lifecycles(forbid="leak")
            def test_it(breaks): asyncio.run(program.leaks())
        """,
    )

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*OSError: the pool is gone",
            "*asyncctx-trace*",
            "leak (certain): *",
            "*= asyncctx-trace =*",
            "leak (certain): *",
            "  in test_it.py::test_it",
            "1 finding in 1 traced test",
        ]
    )
    assert kept_recordings(session) == ["test_it.py-test_it.actx"]


def test_findings_that_a_passing_test_expects_are_not_reported(session: pytest.Pytester) -> None:
    """Deadlines, errors, queues and slow exits that tests are about."""
    result = run(
        session,
        "--asyncctx",
        "--asyncctx-forbid",
        "certain",
        test_it="""
            import asyncio, contextlib, pytest
            def test_times_out():
                async def main():
                    async with asyncio.timeout(0.01):
                        await asyncio.sleep(1)
                with pytest.raises(TimeoutError):
                    asyncio.run(main())
            def test_queues_up():
                limit = asyncio.Semaphore(2)
                async def job():
                    async with limit:
                        await asyncio.sleep(0.03)
                async def main():
                    await asyncio.gather(*(job() for _ in range(5)))
                asyncio.run(main())
            def test_raises():
                class Bad:
                    async def __aenter__(self): raise OSError("down")
                    async def __aexit__(self, *exc): pass
                async def main():
                    async with Bad(): pass
                with pytest.raises(OSError):
                    asyncio.run(main())
            def test_fails_to_clean_up():
                @contextlib.asynccontextmanager
                async def bad():
                    yield
                    await asyncio.sleep(0.12)
                    raise OSError("down")
                async def main():
                    async with bad(): pass
                with pytest.raises(OSError):
                    asyncio.run(main())
        """,
    )

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["0 findings in 4 traced tests"])


def test_thresholds_come_from_option_file_or_marker(session: pytest.Pytester) -> None:
    """A given threshold is reported; so is a kind that is forbidden by its name."""
    session.makeini("[pytest]\nasyncctx_threshold = slow-cleanup=10ms")
    result = run(
        session,
        test_it="""
            import asyncio, contextlib, pytest
            def slow():
                @contextlib.asynccontextmanager
                async def manager():
                    yield
                    await asyncio.sleep(0.05)
                async def main():
                    async with manager(): pass
                asyncio.run(main())
            @pytest.mark.lifecycles
            def test_reported(): slow()
            @pytest.mark.lifecycles(forbid="slow-cleanup")
            def test_forbidden(): slow()
            @pytest.mark.lifecycles(forbid="slow-cleanup", threshold="slow-cleanup=10s")
            def test_has_time(): slow()
            @pytest.mark.lifecycles(budget="manager:cleanup.max<10ms")
            def test_exceeds(): slow()
            @pytest.mark.lifecycles(budget="manger:cleanup.max<10s")
            def test_misspelt(): slow()
        """,
    )

    result.assert_outcomes(passed=5, errors=3)
    result.stdout.fnmatch_lines(
        [
            "slow-cleanup (certain): the exit of `*manager*",
            "budget manager:cleanup.max<10ms: *",
            "budget manger:cleanup.max<10s: no resource is named 'manger'*",
        ]
    )


def test_a_budget_for_a_resource_that_no_test_uses_fails_the_session(
    session: pytest.Pytester,
) -> None:
    """A misspelt name must not pass; a test without the resource does."""
    module = """
        import asyncio, program
        def test_one(): asyncio.run(program.is_clean())
        def test_two(): asyncio.run(program.leaks())
    """
    kept_ = run(session, "--asyncctx", "--asyncctx-budget", "lock:hold.max<9s", test_it=module)
    misspelt = run(session, "--asyncctx", "--asyncctx-budget", "lok:hold.max<9s", test_it=module)

    kept_.assert_outcomes(passed=2)
    assert kept_.ret == 0
    misspelt.assert_outcomes(passed=2)
    assert misspelt.ret == 1
    misspelt.stdout.fnmatch_lines(["budget lok:hold.max<9s: no traced test used *"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--asyncctx-forbid", "leek"], "unknown kind of finding 'leek': did you mean 'leak'?"),
        (["--asyncctx-forbid", ""], "no kind of finding given"),
        (["-o", "asyncctx_forbid=leek"], "unknown kind of finding 'leek': did you mean 'leak'?"),
        (["-o", "asyncctx_forbit=leak"], "unknown option 'asyncctx_forbit': did you mean"),
        (["--asyncctx-threshold", "slow=1s"], "unknown threshold 'slow': did you mean"),
        (["--asyncctx-budget", "fast"], "'fast' is not a budget: write it like"),
    ],
)
def test_a_misspelt_option_ends_the_session(
    session: pytest.Pytester, words: list[str], says: str
) -> None:
    """With a suggestion, before any test is run."""
    result = run(session, *words, test_it="def test_it(): pass")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{says.replace('[', '[[]').replace('?', '[?]')}*"])


@pytest.mark.parametrize(
    ("mark", "says"),
    [
        ('forbid="leek"', "unknown kind of finding 'leek': did you mean 'leak'?"),
        ('forbid=""', "no kind of finding given"),
        ('forbit="leak"', "has no argument 'forbit': did you mean 'forbid'?"),
        ('"leak"', "takes keyword arguments only, such as forbid='leak'"),
        ("forbid=1", "takes strings, not 1"),
        ('threshold="slow-cleanup=fast"', "invalid duration 'fast'"),
        ('budget="fast"', "'fast' is not a budget"),
    ],
)
def test_a_misspelt_marker_fails_its_test(session: pytest.Pytester, mark: str, says: str) -> None:
    """It would have passed in any case."""
    result = run(
        session,
        test_it=f"""
            import pytest
            @pytest.mark.lifecycles({mark})
            def test_it(): pass
            def test_other(): pass
        """,
    )

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"*{says.replace('?', '[?]')}*"])


def test_quiet_reports_nothing_but_fails_what_is_forbidden(session: pytest.Pytester) -> None:
    """For suites whose output is read for other reasons."""
    result = run(
        session,
        "--asyncctx",
        "--asyncctx-quiet",
        test_it="""
            import asyncio, program, pytest
            def test_leaks(): asyncio.run(program.leaks())
            @pytest.mark.lifecycles(forbid="leak")
            def test_forbids(): asyncio.run(program.leaks())
        """,
    )

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.no_fnmatch_line("*= asyncctx-trace =*")


@pytest.mark.parametrize("cache", [[], ["-p", "no:cacheprovider"]])
def test_no_folders_are_left_behind(
    session: pytest.Pytester, cache: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in the project nor among the temporary files."""
    temporary = Path(session.path) / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    result = run(
        session,
        "--asyncctx",
        *cache,
        test_it="""
            import asyncio, program
            def test_one(): asyncio.run(program.is_clean())
            def test_two(): asyncio.run(program.is_clean())
        """,
    )

    result.assert_outcomes(passed=2)
    assert list(temporary.rglob("asyncctx*")) == []
    assert not (Path(session.path) / ".pytest_cache" / "d").exists()


def test_a_requirement_is_not_met_by_an_incomplete_recording(session: pytest.Pytester) -> None:
    """Neither of a marker nor of an assertion; tests without requirements are not affected."""
    result = run(
        session,
        test_it="""
            import asyncio, program, pytest
            from time import monotonic_ns
            from asyncctx_trace.recording.writing.writer import TextWriter
            from asyncctx_trace.runtime.recording_session import recording
            def loses():
                notes = TextWriter(recording())
                notes.dropped(monotonic_ns(), 7, "no room")
                notes.close()
            @pytest.mark.lifecycles(forbid="leak")
            def test_gated(): loses()
            @pytest.mark.lifecycles
            def test_free(): loses()
            def test_asserts(lifecycles):
                loses()
                with pytest.raises(AssertionError, match="incomplete: 7 acquisitions .*: no room"):
                    lifecycles.assert_no_leaks()
        """,
    )

    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(
        ["the recording is incomplete: 7 acquisitions not recorded: no room"]
    )


def test_a_failure_to_evaluate_a_test_is_reported(session: pytest.Pytester) -> None:
    """It fails only tests with requirements."""
    result = run(
        session,
        test_it="""
            import pytest
            from asyncctx_trace.runtime.recording_session import recording
            def breaks():
                with open(recording(), "r+b") as file:
                    file.write(b"no recording any more")
            @pytest.mark.lifecycles
            def test_free(): breaks()
            @pytest.mark.lifecycles(forbid="leak")
            def test_gated(): breaks()
        """,
    )

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*cannot determine the findings: *"])


def test_a_test_that_cannot_be_recorded_is_run(session: pytest.Pytester) -> None:
    """This is reported, and fails tests with requirements or the fixture."""
    result = run(
        session,
        "--asyncctx",
        test_it="""
            import pytest
            def test_free(): pass
            @pytest.mark.lifecycles(forbid="leak")
            def test_gated(): pass
            def test_looks(lifecycles): pass
        """,
        conftest="""
            import asyncctx_trace.runtime.recording_session as session
            class record(session.record):
                def __enter__(self):
                    raise OSError(28, "No space left on device")
            session.record = record
        """,
    )

    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["not recorded: *No space left on device", "  in *test_free*"])


def test_fixtures_may_be_set_up_and_torn_down_in_other_tasks(
    session: pytest.Pytester,
) -> None:
    """As with pytest-asyncio; a fixture of a function that forgets something leaks."""
    pytest.importorskip("pytest_asyncio")
    session.makeini(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = session\n"
        "asyncio_default_test_loop_scope = session"
    )
    result = run(
        session,
        "--asyncctx",
        "--asyncctx-forbid",
        "certain",
        "-p",
        "pytest_asyncio.plugin",
        test_it="""
            import contextlib, pytest_asyncio, program
            @pytest_asyncio.fixture(scope="module")
            async def pool():
                async with program.Session() as session, contextlib.AsyncExitStack() as stack:
                    await stack.enter_async_context(program.Session())
                    yield session
            @pytest_asyncio.fixture
            async def connection(pool):
                async with program.Session() as session:
                    yield session
            @pytest_asyncio.fixture
            async def forgets():
                stack = contextlib.AsyncExitStack()
                await stack.enter_async_context(program.Session())
                stack.pop_all()
                yield
            async def test_one(connection): pass
            async def test_two(connection): pass
            async def test_three(forgets): pass
        """,
    )

    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(
        ["leak (certain): *test_it.py:*", "  in test_it.py::test_three", "1 finding in 1 of 3 *"]
    )
