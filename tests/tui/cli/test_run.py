"""``asyncctx-trace run`` behaves like ``python`` and leaves a recording."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.recording.reading.reader import read

from .conftest import TIMEOUT, Ended, Shell

Compare = Callable[..., Ended]

WORK = """
    import asyncio
    from asyncctx_trace import traced

    lock = traced(asyncio.Lock(), name="db lock")

    async def worker():
        async with lock:
            await asyncio.sleep(0)

    async def main():
        await asyncio.gather(worker(), worker(), worker())

    if __name__ == "__main__":
        asyncio.run(main())
        print("done")
"""

WHERE_AM_I = """
    import json, os, sys
    main = sys.modules["__main__"]
    print(json.dumps({
        "argv": sys.argv, "path0": sys.path[0], "path": sys.path, "name": __name__,
        "file": __file__, "cwd": os.getcwd(), "environ": dict(os.environ),
        "flags": list(sys.flags), "executable": sys.executable, "orig_argv": sys.orig_argv,
        "globals": sorted(set(globals()) - {"main"}),
        "sitecustomize": "sitecustomize" in sys.modules,
        "isatty": [sys.stdin.isatty(), sys.stdout.isatty()],
    }, indent=1, sort_keys=True))
"""


def test_a_program_is_run_and_recorded(shell: Shell) -> None:
    """Three tasks at one lock, in another process, recorded to a file."""
    shell.write("app.py", WORK)

    ended = shell.trace("run", "--headless", "--quiet", "-o", "x.actx", "app.py")

    assert (ended.code, ended.out, ended.err) == (0, "done\n", "")
    timeline = Timeline(read(shell.folder / "x.actx"))
    locks = [a for a in timeline if timeline.resources[a.resource].name == "db lock"]
    assert len(locks) == 3
    assert all(acquisition.exit_ended is not None for acquisition in locks)


def test_the_environment_of_the_program_is_unchanged(shell: Shell, same_as_plain: Compare) -> None:
    """argv, sys.path, __main__, working directory and environment are equal."""
    shell.write("app.py", WHERE_AM_I)

    seen = json.loads(same_as_plain("app.py", "--flag", "-o", "mine.txt").out)

    assert seen["argv"] == ["app.py", "--flag", "-o", "mine.txt"]
    assert not (shell.folder / "mine.txt").exists()


def test_the_environment_of_a_module_is_unchanged(shell: Shell, same_as_plain: Compare) -> None:
    """``-m`` ends the options, as with python."""
    shell.write("package/__init__.py", "")
    shell.write("package/tool.py", WHERE_AM_I)

    seen = json.loads(same_as_plain("-m", "package.tool", "-q", "--headless").out)

    assert seen["argv"][1:] == ["-q", "--headless"]


ENDINGS = {
    "name": "source",
    "raises": "def f():\n    raise ValueError('no such row')\nf()",
    "exits with 3": "import sys\nsys.exit(3)",
    "exits with a word": "import sys\nsys.exit('enough')",
    "has a syntax error": "def f(:\n    pass",
    "has a wrong indent": "def f():\npass",
    "is not UTF-8": "x = '\udcff'",
    "prints a megabyte": "import sys\nfor _ in range(1024): sys.stdout.write('x' * 1024)",
    "reads stdin": "print(input().upper())",
    "aborts": "import os\nos._exit(9)",
    "is interrupted": "raise KeyboardInterrupt",
    "closes stdout": "import sys\nsys.stdout.close()",
    "warns": "import warnings\nwarnings.warn('old', DeprecationWarning)",
}


@pytest.mark.parametrize("source", ENDINGS.values(), ids=ENDINGS)
def test_the_program_ends_as_under_python(shell: Shell, source: str) -> None:
    """Exit code, output and traceback are equal, byte by byte."""
    (shell.folder / "app.py").write_bytes(source.encode("utf-8", "surrogateescape"))
    plain = shell.python("app.py", input="hello\n")
    traced = shell.trace("run", "--quiet", "app.py", input="hello\n")

    # A program that dies of a signal is 128 + n to a shell; Popen says -n of it.
    code = 128 - plain.code if plain.code < 0 else plain.code
    assert (traced.out, traced.err) == (plain.out, plain.err)
    assert traced.code == code
    assert len(shell.recordings) == 1


def test_event_loops_in_several_threads_are_recorded(shell: Shell, same_as_plain: Compare) -> None:
    """The tasks of each thread are distinguished, and nothing is lost."""
    shell.write(
        "app.py",
        """
        import asyncio, threading
        from asyncctx_trace import traced

        async def work():
            lock = traced(asyncio.Lock(), name="lock")
            for _ in range(100):
                async with lock:
                    await asyncio.sleep(0)

        threads = [threading.Thread(target=asyncio.run, args=(work(),)) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print("done")
        """,
    )
    same_as_plain("app.py")

    timeline = Timeline(read(shell.recordings[-1]))
    locks = [a for a in timeline if timeline.resources[a.resource].name == "lock"]
    assert len(locks) == 400
    assert len({acquisition.task for acquisition in locks}) == 4


def test_forked_processes_are_recorded(shell: Shell, same_as_plain: Compare) -> None:
    """Parent and child are in one recording."""
    shell.write(
        "app.py",
        """
        import asyncio, os
        from asyncctx_trace import traced

        async def work(name):
            async with traced(asyncio.Lock(), name=name):
                pass

        asyncio.run(work("before"))
        if not os.fork():
            asyncio.run(work("child"))
            os._exit(0)
        os.wait()
        asyncio.run(work("after"))
        """,
    )
    same_as_plain("app.py")

    timeline = Timeline(read(shell.recordings[-1]))
    assert sorted(
        timeline.resources[acquisition.resource].name
        for acquisition in timeline
        if timeline.resources[acquisition.resource].kind == "lock"
    ) == ["after", "before", "child"]


def test_multiprocessing_workers_are_recorded(shell: Shell, same_as_plain: Compare) -> None:
    """Spawned processes find the recording by themselves."""
    shell.write(
        "app.py",
        """
        import asyncio, multiprocessing
        from asyncctx_trace import traced

        async def work():
            async with traced(asyncio.Lock(), name="lock"):
                pass

        def worker():
            asyncio.run(work())

        if __name__ == "__main__":
            context = multiprocessing.get_context("spawn")
            workers = [context.Process(target=worker) for _ in range(2)]
            for process in workers: process.start()
            for process in workers: process.join()
        """,
    )
    same_as_plain("app.py")

    timeline = Timeline(read(shell.recordings[-1]))
    assert sum(timeline.resources[a.resource].name == "lock" for a in timeline) == 2


def test_a_folder_with_a_main_module_is_run(shell: Shell, same_as_plain: Compare) -> None:
    """As python does."""
    shell.write("folder/__main__.py", WORK)

    assert same_as_plain("folder").out == "done\n"


def test_a_folder_without_a_main_module_is_refused_by_python(
    shell: Shell, same_as_plain: Compare
) -> None:
    """Its error is passed on unchanged."""
    (shell.folder / "folder").mkdir()

    assert "can't find '__main__' module" in same_as_plain("folder").err


def test_interpreter_flags_are_passed_on(shell: Shell) -> None:
    """``python -X utf8 -O -m asyncctx_trace_tui run`` traces under the same flags."""
    shell.write("app.py", "import sys; print(sys.flags.optimize, sys.flags.dev_mode)")

    ended = shell.python("-O", "-X", "dev", "-m", "asyncctx_trace_tui", "run", "--quiet", "app.py")

    assert ended.out == "1 True\n"


def test_an_unknown_target_is_refused_in_one_line(shell: Shell) -> None:
    """Neither a file nor a scenario; similar names are suggested."""
    ended = shell.trace("run", "lokc")

    assert ended.code == 2
    assert ended.err.startswith("asyncctx-trace: ")
    assert "lock" in ended.err
    assert ended.err.count("\n") == 1
    assert shell.recordings == []


def test_recordings_are_overwritten_only_on_request(shell: Shell) -> None:
    """The program is not started."""
    shell.write("app.py", WORK)
    (shell.folder / "x.actx").write_text("precious")

    ended = shell.trace("run", "--quiet", "-o", "x.actx", "app.py")
    asked = shell.trace("run", "--quiet", "--overwrite", "-o", "x.actx", "app.py")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == ("asyncctx-trace: x.actx exists: choose another name, or remove it first\n")
    assert asked.code == 0
    assert read(shell.folder / "x.actx")


def test_an_unwritable_folder_is_refused_in_one_line(shell: Shell) -> None:
    """Here a file has the name of the folder."""
    shell.write("app.py", WORK)
    shell.write("file", "")

    ended = shell.trace("run", "--quiet", "-o", "file/x.actx", "app.py")

    assert ended.code == 2
    assert ended.err.startswith("asyncctx-trace: ")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [["run", "-q", "-o", "no/x.actx", "app.py"], ["export", "x", "--format", "text", "-o", "no/x"]],
)
def test_no_folder_is_created_for_an_output_file(shell: Shell, words: list[str]) -> None:
    """The program is not started: the folder may be a typing error."""
    shell.write("app.py", WORK)
    shell.trace("run", "-q", "-o", "x", "app.py")

    ended = shell.trace(*words)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.count("\n") == 1
    assert "the folder no does not exist; create it first" in ended.err
    assert not (shell.folder / "no").exists()


def test_a_console_script_is_run_and_recorded(shell: Shell) -> None:
    """`asyncctx-trace run pytest` traces the tests as `pytest` runs them."""
    shell.write("pytest.ini", "[pytest]\naddopts = -p no:asyncio -p no:cacheprovider")
    shell.write("work.py", WORK)
    shell.write(
        "test_work.py",
        """
        import asyncio, work

        def test_work():
            asyncio.run(work.main())
        """,
    )

    ended = shell.trace("run", "-o", "x.actx", "pytest", "-q")

    assert ended.code == 0
    assert "1 passed" in ended.out
    timeline = Timeline(read(shell.folder / "x.actx"))
    assert len([a for a in timeline if timeline.resources[a.resource].name == "db lock"]) == 3


def test_a_recording_is_not_run(shell: Shell) -> None:
    """It is left unchanged, and nothing is recorded."""
    shell.write("app.py", WORK)
    shell.trace("run", "-q", "-o", "x.actx", "app.py")
    before = (shell.folder / "x.actx").read_bytes()

    ended = shell.trace("run", "x.actx")

    assert ended.code == 2
    assert ended.err.endswith("to open it: asyncctx-trace replay x.actx\n")
    assert (shell.folder / "x.actx").read_bytes() == before
    assert shell.recordings == []


def test_the_report_is_printed_to_stderr_with_the_path_of_the_recording(shell: Shell) -> None:
    """stdout contains only the program's output."""
    shell.write("app.py", WORK)

    ended = shell.trace("run", "--headless", "app.py")

    assert ended.out == "done\n"
    assert "db lock" in ended.err
    assert f"recording: {shell.recordings[0]}" in ended.err


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_forwarded_to_the_program(shell: Shell, number: signal.Signals) -> None:
    """Its exit code is ours."""
    shell.write(
        "app.py",
        f"""
        import signal, sys
        signal.signal({int(number)}, lambda *_: sys.exit(7))
        print("ready", flush=True)
        while True: signal.pause()
        """,
    )
    with subprocess.Popen(
        [sys.executable, "-m", "asyncctx_trace_tui", "run", "--quiet", "app.py"],
        cwd=shell.folder,
        env=shell.environment,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        if number is signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does
        else:
            process.send_signal(number)

        assert process.wait() == 7


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_the_exit_code_of_a_killed_program_is_128_plus_the_signal(shell: Shell) -> None:
    """As in a shell."""
    shell.write("app.py", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")

    assert shell.trace("run", "--quiet", "app.py").code == 128 + signal.SIGKILL


def test_an_unknown_option_is_refused(shell: Shell) -> None:
    """It is not taken for the name of a script."""
    ended = shell.trace("run", "--hedless", "app.py")

    assert ended.code == 2
    assert "--headless" in ended.err


def test_help_lists_every_command_and_imports_none(shell: Shell) -> None:
    """Neither click nor Textual is imported."""
    shell.write(
        "probe.py",
        """
        import sys
        from asyncctx_trace_tui.cli import main
        try:
            main(["--help"])
        except SystemExit:
            pass
        print(sorted({"click", "textual", "rich", "asyncio", "numpy"} & set(sys.modules)))
        """,
    )

    *shown, loaded = shell.python("probe.py").out.splitlines()

    assert loaded == "[]"
    assert any("run" in line for line in shown)


def test_an_unknown_command_is_answered_with_a_similar_one(shell: Shell) -> None:
    """In one line."""
    assert shell.trace("rnu") == Ended(
        2, "", "asyncctx-trace: unknown command 'rnu': did you mean 'run'?\n"
    )
    assert shell.trace("zzz") == Ended(
        2, "", "asyncctx-trace: unknown command 'zzz': see asyncctx-trace --help\n"
    )


def test_help_describes_a_command(shell: Shell) -> None:
    """As `--help` after it does; without a command, all are listed."""
    assert shell.trace("help").out == shell.trace("--help").out
    assert shell.trace("help", "diff") == shell.trace("diff", "--help")
    assert shell.trace("help", "dif").code == 2


def test_version_prints_the_installed_version(shell: Shell) -> None:
    """With the kind of implementation."""
    from importlib.metadata import version

    output = shell.trace("--version").out
    assert shell.trace("-V").out == output

    known = re.escape(version("asyncctx-trace"))
    assert re.fullmatch(rf"asyncctx-trace {known} \((native code|pure Python: .+)\)\n", output)


DEADLOCK = """
    import asyncio, sys
    from asyncctx_trace import traced

    async def main():
        a = traced(asyncio.Lock(), name="a")
        b = traced(asyncio.Lock(), name="b")
        both = asyncio.Barrier(2)

        async def take(first, second):
            async with first:
                await both.wait()
                async with second:
                    pass

        tasks = [asyncio.create_task(take(a, b)), asyncio.create_task(take(b, a))]
        print("hanging", flush=True)
        # Somebody outside ends it, once the line is there.
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        for task in tasks: task.cancel()
        await asyncio.wait(tasks)

    asyncio.run(main())
"""


def test_a_deadlock_is_printed_while_the_program_hangs(shell: Shell) -> None:
    """The line is printed before the program is killed."""
    shell.write("app.py", DEADLOCK)
    with subprocess.Popen(
        [sys.executable, "-m", "asyncctx_trace_tui", "run", "--headless", "app.py"],
        cwd=shell.folder,
        env=shell.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        # Told or not, it does not hang for ever.
        watchdog = threading.Timer(TIMEOUT, process.kill)
        watchdog.start()
        assert process.stdout.readline() == "hanging\n"
        line = process.stderr.readline()
        process.stdin.write("enough\n")
        process.stdin.close()
        process.stderr.read()
        watchdog.cancel()

        assert line.startswith("asyncctx-trace: deadlock: ")
        assert process.wait() == 0


def test_a_failed_check_makes_the_run_fail(shell: Shell) -> None:
    """Unless the program itself fails: its exit code takes precedence."""
    shell.write("app.py", WORK)
    shell.write("bad.py", "raise SystemExit(3)")
    impossible = ["--budget", "db lock:hold.max<1ns"]

    assert shell.trace("run", "--headless", "--fail-on", "certain", "app.py").code == 0
    assert shell.trace("run", "--quiet", *impossible, "app.py").code == 1
    assert shell.trace("run", "--quiet", *impossible, "bad.py").code == 3


def test_failed_checks_are_printed_even_with_quiet(shell: Shell) -> None:
    """A run that passes prints nothing."""
    shell.write("app.py", WORK)

    failed = shell.trace("run", "--quiet", "--budget", "db lock:hold.max<1ns", "app.py")
    passed = shell.trace("run", "--quiet", "--budget", "db lock:hold.max<1min", "app.py")

    assert failed.err.startswith(
        "asyncctx-trace: check failed: budget db lock:hold.max<1ns: it is "
    )
    assert len(failed.err.splitlines()) == 1
    assert (passed.code, passed.err) == (0, "")


@pytest.mark.parametrize("code", [0, 4])
def test_a_failing_report_does_not_change_the_exit_code_of_the_program(
    shell: Shell, code: int
) -> None:
    """The error is printed in one line; checks fail."""
    shell.write(
        "app.py",
        f"""
        with open("x.actx", "r+b") as recording:
            recording.write(b"no recording any more")
        raise SystemExit({code})
        """,
    )

    plain = shell.trace("run", "--headless", "-o", "x.actx", "app.py")
    gated = shell.trace("run", "-q", "--overwrite", "-o", "x.actx", "--fail-on", "leak", "app.py")

    assert plain.code == code
    assert "asyncctx-trace: the report failed: " in plain.err
    assert "Traceback" not in plain.err
    assert gated.code == (code or 1)
    assert gated.err.startswith("asyncctx-trace: check failed: the report failed: ")
    assert len(gated.err.splitlines()) == 1


def test_options_end_at_the_target(shell: Shell) -> None:
    """Later options belong to the program, and all after ``--`` too."""
    shell.write("app.py", "import sys; print(sys.argv[1:])")

    assert shell.trace("run", "-q", "app.py", "--otlp", "-m", "x").out == "['--otlp', '-m', 'x']\n"
    assert shell.trace("run", "-q", "--", "app.py", "-q").out == "['-q']\n"
    assert shell.trace("run", "-q").code == 2
