"""All ways to run a program: modules, archives, options, subprocesses, loops, other tools."""

from __future__ import annotations

import subprocess
import sys
import zipapp
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent

import pytest

from instrument.programs import both_ways

LOCKED = """
import asyncio
lock = asyncio.Lock()
async def locked():
    async with lock:
        return __name__
"""


def write(folder: Path, **files: str) -> None:
    """``a_in_b__c="…"`` is the file b/c/a.py, ``a="…"`` is a.py."""
    for name, text in files.items():
        module, _, package = name.partition("_in_")
        path = folder / package.replace("__", "/") / f"{module}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))


def test_pytest_with_its_own_rewriting_of_assertions(tmp_path: Path) -> None:
    """Every acquisition of a test module and of the module under test is recorded.

    So it is when the modules come from their cache. A failing assertion is explained as usual.
    """
    write(
        tmp_path,
        module=LOCKED,
        test_it="""
        import asyncio, module
        async def both():
            async with asyncio.Lock() as nothing:
                assert await module.locked() == "module"
                return nothing
        def test_passes():
            assert asyncio.run(both()) is None
        def test_fails():
            assert [asyncio.run(module.locked())] == ["another"]
        """,
    )
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py")

    assert both_ways(tmp_path, *words).acquisitions == 3
    assert both_ways(tmp_path, *words).acquisitions == 3


def test_no_cached_code_is_ours(tmp_path: Path) -> None:
    """The cache contains the code of an untraced run."""
    write(tmp_path, module=LOCKED, script="import asyncio, module; asyncio.run(module.locked())")

    assert both_ways(tmp_path, "script.py").acquisitions == 1
    for cached in tmp_path.rglob("*.pyc"):
        assert b"asyncctx" not in cached.read_bytes()
    assert list(tmp_path.rglob("*.pyc"))


@pytest.mark.skipif(find_spec("coverage") is None, reason="coverage is not installed")
def test_coverage(tmp_path: Path) -> None:
    """It measures the same lines and branches, and its program is traced."""
    write(tmp_path, module=LOCKED, script=LOCKED + "import module\nprint(asyncio.run(locked()))\n")
    script = (tmp_path / "script.py").read_text() + "print(asyncio.run(module.locked()))\n"
    (tmp_path / "script.py").write_text(script)

    run = both_ways(tmp_path, "-m", "coverage", "run", "--branch", "script.py")
    report = both_ways(tmp_path, "-m", "coverage", "report", "--show-missing")

    assert (run.acquisitions, report.acquisitions) == (2, 0)


@pytest.mark.parametrize(
    "words",
    [("-O",), ("-W", "error"), ("-X", "dev"), ("-X", "no_debug_ranges"), ("-I",), ("-u", "-B")],
)
def test_the_interpreters_options(words: tuple[str, ...], tmp_path: Path) -> None:
    """Only ``-I`` prevents tracing, because it ignores the environment."""
    write(tmp_path, script=LOCKED + "print(asyncio.run(locked()))")

    assert both_ways(tmp_path, *words, "script.py").acquisitions == (words != ("-I",))


def test_import_times_can_be_shown(tmp_path: Path) -> None:
    """``-X importtime`` lists the same modules of the program."""
    write(tmp_path, module=LOCKED, script="import asyncio, module; asyncio.run(module.locked())")
    (tmp_path / "script.py").write_text(
        "import sys; sys.stderr = open('/dev/null', 'w')\n" + (tmp_path / "script.py").read_text()
    )
    run = both_ways(tmp_path, "script.py", PYTHONPROFILEIMPORTTIME="")

    assert run.acquisitions == 1


def test_modules_packages_and_namespace_packages(tmp_path: Path) -> None:
    """``-m package``, and a namespace package that is spread over two folders."""
    write(
        tmp_path,
        a_in_one__space=LOCKED,
        b_in_two__space=LOCKED,
        __init___in_main="",
        __main___in_main="""
        import asyncio, sys
        sys.path += ["one", "two"]
        from space import a, b
        async def run():
            async with asyncio.Lock(): print(__name__, __spec__.name, sys.argv[1:])
            print(await a.locked(), await b.locked())
        asyncio.run(run())
        """,
    )

    assert both_ways(tmp_path, "-m", "main", "word").acquisitions == 3


def test_a_zipapp_and_a_folder_as_the_program(tmp_path: Path) -> None:
    """With a traceback into the archive, and the text of the items out of it."""
    app = tmp_path / "app"
    write(
        app,
        module=LOCKED,
        __main__="import asyncio, module\nprint(asyncio.run(module.locked()))\n1 / 0",
    )
    zipapp.create_archive(app, tmp_path / "app.pyz")

    assert both_ways(tmp_path, "app.pyz").texts == ["lock"]
    assert both_ways(tmp_path, "app").texts == ["lock"]


def test_a_command_and_a_program_from_a_compiled_file(tmp_path: Path) -> None:
    """``python -c``; a .pyc without its source."""
    import py_compile

    write(tmp_path, module=LOCKED)
    py_compile.compile(str(tmp_path / "module.py"), cfile=str(tmp_path / "compiled.pyc"))
    code = LOCKED + "import compiled; print(asyncio.run(locked()), asyncio.run(compiled.locked()))"

    assert both_ways(tmp_path, "-c", code).acquisitions == 2


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_workers_of_multiprocessing(method: str, tmp_path: Path) -> None:
    """Each worker is traced, including the code of the main module."""
    write(
        tmp_path,
        script=LOCKED
        + f"""
import multiprocessing, warnings
warnings.simplefilter("ignore", DeprecationWarning)
def work(): print(asyncio.run(locked()), flush=True)
if __name__ == "__main__":
    asyncio.run(locked())
    process = multiprocessing.get_context({method!r}).Process(target=work)
    process.start()
    process.join()
    print(process.exitcode)
""",
    )

    assert both_ways(tmp_path, "script.py").acquisitions == 2


def test_runpy_in_the_program(tmp_path: Path) -> None:
    """A script and a module that are run by another one."""
    write(
        tmp_path,
        other=LOCKED + "print(asyncio.run(locked()))",
        script="""
        import runpy
        print(sorted(runpy.run_path("other.py", run_name="x"))[-2:])
        runpy.run_module("other", run_name="y")
        """,
    )

    assert both_ways(tmp_path, "script.py").acquisitions == 2


def test_several_loops_in_several_threads(tmp_path: Path) -> None:
    """Each thread has a loop and tasks of its own."""
    write(
        tmp_path,
        script="""
        import asyncio, threading
        class M:
            async def __aenter__(self): await asyncio.sleep(0)
            async def __aexit__(self, *exc): await asyncio.sleep(0)
        async def work():
            async with M(), asyncio.Lock(): await asyncio.sleep(0)
        async def main():
            await asyncio.gather(*(work() for _ in range(20)))
        threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(5)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        """,
    )
    run = both_ways(tmp_path, "script.py")

    assert (run.acquisitions, run.ended) == (200, 200)


@pytest.mark.parametrize("library", ["uvloop", "trio", "anyio"])
def test_other_event_loops(library: str, tmp_path: Path) -> None:
    """With their own locks, limiters, groups of tasks and timeouts."""
    pytest.importorskip(library)
    write(
        tmp_path,
        uvloop_="""
        import asyncio, uvloop
        async def main():
            async with asyncio.Lock(), asyncio.timeout(1), asyncio.TaskGroup(): print("in")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner: runner.run(main())
        """,
        trio_="""
        import trio
        async def main():
            async with trio.Lock(), trio.CapacityLimiter(2):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(trio.sleep, 0)
            with trio.move_on_after(0.01) as scope:
                async with trio.Lock(): await trio.sleep(10)
            print(scope.cancelled_caught)
        trio.run(main)
        """,
        anyio_="""
        import anyio
        async def main():
            async with anyio.Lock(), anyio.Semaphore(1), anyio.create_task_group() as group:
                group.start_soon(anyio.sleep, 0)
            print("done")
        anyio.run(main)
        """,
    )
    run = both_ways(tmp_path, f"{library}_.py")

    assert run.acquisitions == {"uvloop": 3, "trio": 4, "anyio": 3}[library]


def test_what_is_traced_can_be_chosen(tmp_path: Path) -> None:
    """Not the installed packages, unless included; pyproject.toml and words add up."""
    write(
        tmp_path,
        script="""
        import asyncio, sys
        sys.path += ["site-packages"]
        import acme.pool, own, skipped
        for module in acme.pool, own, skipped: print(asyncio.run(module.locked()))
        """,
        own=LOCKED,
        skipped=LOCKED,
    )
    write(tmp_path / "site-packages", pool_in_acme=LOCKED)
    everything = both_ways(tmp_path, "script.py", options={"all": True, "exclude": ["asyncio"]})
    default = both_ways(tmp_path, "script.py")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.asyncctx-trace]\ninclude = ["acme"]\nexclude = ["skipped"]\n'
    )
    chosen = both_ways(tmp_path, "script.py")
    both = both_ways(tmp_path, "script.py", options={"include": ["skipped"], "exclude": ["own"]})

    assert default.acquisitions == 2
    assert everything.acquisitions == 3
    assert chosen.acquisitions == 2
    assert both.acquisitions == 2


def test_wrong_settings_are_said_in_one_line_and_the_program_runs(tmp_path: Path) -> None:
    """It runs untraced, and what is wrong is on stderr."""
    from asyncctx_trace import SettingsError
    from asyncctx_trace.instrument import settings

    (tmp_path / "pyproject.toml").write_text('[tool.asyncctx-trace]\ninclude = "acme"\n')

    with pytest.raises(SettingsError, match=r"include in .* must be a list") as wrong:
        settings.read(tmp_path)
    assert "\n" not in str(wrong.value)


def test_installed_and_uninstalled_by_the_program_itself(tmp_path: Path) -> None:
    """``install`` covers modules that are loaded before and after; ``uninstall`` restores them."""
    write(
        tmp_path,
        before=LOCKED,
        after=LOCKED,
        script="""
        import asyncio, contextlib, importlib._bootstrap_external as external
        import asyncctx_trace, before
        from asyncctx_trace.instrument import sinks
        from instrument.event_log import log_events

        async def stacked():
            async with contextlib.AsyncExitStack() as stack:
                await stack.enter_async_context(asyncio.Lock())
            lock = asyncio.Lock()
            await lock.acquire()
            lock.release()

        def codes():
            return [before.locked.__code__, external.SourceLoader.get_code.__code__,
                    contextlib.AsyncExitStack.__aexit__.__code__, asyncio.Lock.acquire.__code__,
                    stacked.__code__]

        plain = codes()
        asyncctx_trace.install()
        asyncctx_trace.install()
        import after

        async def later():
            async with asyncio.Lock(): pass

        def run():
            with log_events() as received:
                for each in before.locked, after.locked, later, stacked: asyncio.run(each())
            return len(received.started)

        print(run())
        asyncctx_trace.uninstall()
        asyncctx_trace.uninstall()
        print(run(), codes() == plain, all(a is b for a, b in zip(codes(), plain)))
        """,
    )
    tests = str(Path(__file__).parents[2])
    launch = (
        f"import runpy, sys; sys.path[:0] = [{str(tmp_path)!r}, {tests!r}]; "
        "runpy.run_path('script.py', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", launch],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("6\n0 True True\n", "")


@pytest.mark.skipif(
    not (find_spec("_interpreters") or find_spec("_xxsubinterpreters")),
    reason="interpreters cannot be created",
)
def test_an_interpreter_within_the_process_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It records nothing and sees its own environment; programs started later are recorded."""
    write(
        tmp_path,
        module=LOCKED + "asyncio.run(locked())",
        script="""
        import multiprocessing, sys
        try:
            import _interpreters as interpreters
            run = interpreters.exec
        except ImportError:
            import _xxsubinterpreters as interpreters
            run = interpreters.run_string
        if __name__ == "__main__":
            inside = interpreters.create()
            path = f"import os, sys; sys.path[:0] = [{sys.path[0]!r}];"  # 3.11 has it not
            run(inside, path + "import module; print(sorted(os.environ.items()), sys.path)")
            interpreters.destroy(inside)
        import module
        if __name__ == "__main__":
            process = multiprocessing.get_context("spawn").Process(target=module.locked)
            process.start()
            process.join()
        """,
    )

    assert both_ways(tmp_path, "script.py").acquisitions == 2
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    assert both_ways(tmp_path, "script.py").acquisitions == 2
