"""`run` and `pytest --asyncctx` leave the program's own telemetry alone unless asked for spans."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from textwrap import dedent

import pytest

TELEMETRY = """\
    import asyncio, json
    from opentelemetry import metrics, propagate, trace
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider, reader = InMemorySpanExporter(), TracerProvider(), InMemoryMetricReader()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    meters = MeterProvider([reader])
    sent = []

    async def work(manager):
        async with manager:
            headers = {}
            propagate.inject(headers)
            sent.append(bool(headers))
            with trace.get_tracer("app").start_as_current_span("job"):
                pass

    def show():
        provider.force_flush()
        spans = exporter.get_finished_spans()
        names = {span.context.span_id: span.name for span in spans}
        data = reader.get_metrics_data()
        print(json.dumps({
            "sent": sent,
            "spans": sorted(
                (span.name, names.get(span.parent.span_id) if span.parent else None,
                 [event.name for event in span.events])
                for span in spans
            ),
            "metrics": sorted(
                (metric.name, len(metric.data.data_points))
                for resource in (data.resource_metrics if data else ())
                for scope in resource.scope_metrics for metric in scope.metrics
            ),
        }))
"""
GLOBAL = "trace.set_tracer_provider(provider)\nmetrics.set_meter_provider(meters)\n"

OWN_PROVIDER = f"""
{dedent(TELEMETRY)}
{GLOBAL}
asyncio.run(work(asyncio.Lock()))
show()
"""

TRACED = f"""
{dedent(TELEMETRY)}
{GLOBAL}
from asyncctx_trace import traced

class Manager:
    async def __aenter__(self): return self
    async def __aexit__(self, *exc): pass

async def main():
    lock = traced(asyncio.Lock(), name="lock")
    async with asyncio.timeout(5):
        await work(lock)
    await lock.acquire()
    lock.release()
    # The exception leaves a manager that is traced, one that is not, and one that is traced.
    try:
        async with traced(Manager(), name="outer"), Manager(), traced(Manager(), name="inner"):
            raise ValueError("no")
    except ValueError:
        pass

asyncio.run(main())
show()
"""

CONFIGURED = f"""
{dedent(TELEMETRY)}
import asyncctx_trace
from asyncctx_trace import traced
asyncctx_trace.configure(tracer_provider=provider, meter_provider=meters)

async def main():
    await work(asyncio.Lock())
    await work(traced(asyncio.Lock(), name="lock"))

asyncio.run(main())
show()
"""

INSTALLED = f"""
{dedent(TELEMETRY)}
{GLOBAL}
import asyncctx_trace
asyncctx_trace.install()
asyncio.run(work(asyncio.Lock()))
show()
"""

WORKERS = f"""
{dedent(TELEMETRY)}
import multiprocessing

def worker():
    {GLOBAL.replace(chr(10), "; ")}
    asyncio.run(work(asyncio.Lock()))
    show()

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=worker)
    process.start()
    process.join()
"""


def show(folder: Path, source: str, *command: str, **variables: str) -> dict[str, object]:
    """Run ``source`` under ``COMMAND``, by default plain ``python``, and parse its output."""
    (folder / "app.py").write_text(source)
    words = ["-m", "asyncctx_trace_tui", *command] if command else []
    ended = subprocess.run(
        [sys.executable, *words, "app.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "XDG_STATE_HOME": str(folder / "state"), **variables},
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    shown: dict[str, object] = json.loads(ended.stdout)
    return shown


RUN = ("run", "--quiet")


@pytest.mark.parametrize(
    "source",
    [OWN_PROVIDER, TRACED, CONFIGURED, INSTALLED, WORKERS],
    ids=["own provider", "traced()", "configure()", "install()", "worker processes"],
)
@pytest.mark.parametrize("pure", ["", "1"], ids=["compiled", "pure"])
def test_run_leaves_telemetry_alone(tmp_path: Path, source: str, pure: str) -> None:
    """Spans, parents, events, headers and metrics are those of the program without `run`."""
    expected = show(tmp_path, source, ASYNCCTX_TRACE_PURE=pure)

    assert show(tmp_path, source, *RUN, ASYNCCTX_TRACE_PURE=pure) == expected


def test_what_the_program_traces_itself_becomes_spans(tmp_path: Path) -> None:
    """Both by `async with` and by a call; what lies between them does not."""
    shown = show(tmp_path, TRACED, *RUN)

    assert [span[0] for span in shown["spans"] if span[0].startswith("async with")] == [  # type: ignore[attr-defined]  # parsed JSON
        "async with inner",
        "async with lock",
        "async with lock",
        "async with outer",
    ]


@pytest.mark.parametrize("source", [OWN_PROVIDER, WORKERS], ids=["program", "worker processes"])
def test_spans_are_added_on_request(tmp_path: Path, source: str) -> None:
    """`--spans` on the command line, or `spans = true` in the project's settings."""
    alone = show(tmp_path, source)
    by_option = show(tmp_path, source, "run", "--quiet", "--spans")
    (tmp_path / "pyproject.toml").write_text("[tool.asyncctx-trace]\nspans = true\n")
    by_setting = show(tmp_path, source, *RUN)

    assert alone["sent"] == [False]
    assert alone["metrics"] == []
    for shown in (by_option, by_setting):
        assert shown["sent"] == [True]
        assert ["job", "body", []] in shown["spans"]  # type: ignore[operator]  # parsed JSON
        assert len(shown["spans"]) == 5  # type: ignore[arg-type]  # parsed JSON
        assert ["asyncctx.wait.duration", 1] in shown["metrics"]  # type: ignore[operator]  # parsed JSON


def test_opentelemetry_instrument_under_run_asks_for_spans(tmp_path: Path) -> None:
    """Its own launcher has asked for them, so `run` does not take them away."""
    lock = "async def main():\n    async with asyncio.Lock():\n        pass\n"
    (tmp_path / "app.py").write_text(f"import asyncio\n{lock}asyncio.run(main())\n")
    instrument = str(Path(sysconfig.get_path("scripts"), "opentelemetry-instrument"))
    words = [instrument, "--traces_exporter", "console", "--metrics_exporter", "none"]

    def spans(*command: str) -> int:
        ended = subprocess.run(
            [sys.executable, *command, *words, sys.executable, "app.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
            env={
                **os.environ,
                "OTEL_LOGS_EXPORTER": "none",
                "XDG_STATE_HOME": str(tmp_path / "state"),
            },
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.count('"parent_id"')

    assert spans() == spans("-m", "asyncctx_trace_tui", *RUN) == 4


SUITE = f"""
{dedent(TELEMETRY)}
trace.set_tracer_provider(provider)

def test_it():
    asyncio.run(work(asyncio.Lock()))
    provider.force_flush()
    assert sent == [False]
    assert [(span.name, span.parent) for span in exporter.get_finished_spans()] == [("job", None)]
"""


@pytest.mark.parametrize(
    ("words", "setting"),
    [([], False), (["--asyncctx-spans"], False), ([], True)],
    ids=["alone", "with the option", "with the setting"],
)
def test_the_pytest_plugin_leaves_telemetry_alone(
    tmp_path: Path, words: list[str], setting: bool
) -> None:
    """A test that counts its spans passes as it does without the plugin, unless asked for spans."""
    (tmp_path / "test_it.py").write_text(SUITE)
    if setting:
        (tmp_path / "pyproject.toml").write_text("[tool.asyncctx-trace]\nspans = true\n")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--asyncctx", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert ended.returncode == (1 if words or setting else 0), ended.stdout
