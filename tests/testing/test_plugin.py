"""The pytest plugin in sessions of its own."""

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
    """Run pytest over ``modules`` in a process of its own."""
    session.makepyfile(**modules)
    return session.runpytest_subprocess("-p", "asyncctx_trace.testing.plugin", "-q", *words)


def kept(session: pytest.Pytester) -> list[str]:
    """Names of the recordings that are left."""
    return sorted(path.name for path in Path(session.path).rglob("*.actx"))


def test_it_does_nothing_until_it_is_asked(session: pytest.Pytester) -> None:
    """No recording, no section, no import of what would slow a session down."""
    result = run(
        session,
        test_it="""
            import sys
            def test_it():
                assert "asyncctx_trace.recording.writer" not in sys.modules
                assert "asyncctx_trace.analysis" not in sys.modules
                assert "textual" not in sys.modules
        """,
    )

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*asyncctx-trace*")
    assert kept(session) == []


def test_pytest_finds_it() -> None:
    """It is registered under the name that `-p no:asyncctx_trace` turns off."""
    (ours,) = entry_points(group="pytest11", name="asyncctx_trace")

    assert ours.value == "asyncctx_trace.testing.plugin"


def test_asked_it_tells_of_each_test_what_it_found(session: pytest.Pytester) -> None:
    """A finding is told, and fails nobody who has not forbidden it."""
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
            "test_it.py::test_leaks",
            "  leak (certain): *",
            "1 findings in 2*",
        ]
    )
    assert kept(session) == []


def test_what_is_forbidden_fails_and_its_recording_is_kept(session: pytest.Pytester) -> None:
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
    assert kept(session) == ["test_it.py-test_leaks.actx"]


def test_an_ini_option_forbids_for_all(session: pytest.Pytester) -> None:
    """And turns tracing on without a word on the command line."""
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


def test_claims_hold_or_say_what_was_found_instead(session: pytest.Pytester) -> None:
    """Each of the fixture's claims, once kept and once broken."""
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
                with pytest.raises(AssertionError, match="nobody asked for 'db pool'"):
                    lifecycles.assert_wait("db pool", p99="5ms")
                with pytest.raises(TypeError, match="p50, "):
                    lifecycles.assert_wait("*", p101="5ms")
                with pytest.raises(ValueError, match="5ms"):
                    lifecycles.assert_wait("*", p50="fast")
        """,
    )

    result.assert_outcomes(passed=5)


def test_what_a_fixture_holds_is_no_leak_of_the_test(session: pytest.Pytester) -> None:
    """Whether it leaves with the test or with the session."""
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
def test_it_works_with_the_plugins_that_run_async_tests(
    session: pytest.Pytester, plugin: str, settings: str, test: str
) -> None:
    """asyncio's, anyio's (on both runtimes) and trio's."""
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


def test_workers_of_xdist_tell_what_they_found(session: pytest.Pytester) -> None:
    """The findings travel with the reports."""
    pytest.importorskip("xdist")
    result = run(
        session,
        "--asyncctx",
        "-p",
        "xdist.plugin",
        "-n",
        "1",
        test_it="""
            import asyncio, program
            def test_leaks(): asyncio.run(program.leaks())
        """,
    )

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["test_it.py::test_leaks", "  leak (certain): *"])


def test_a_recording_that_goes_on_already_is_used(session: pytest.Pytester) -> None:
    """As under `asyncctx-trace run -m pytest`: it is neither replaced nor removed."""
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
    assert kept(session) == ["all.actx"]
