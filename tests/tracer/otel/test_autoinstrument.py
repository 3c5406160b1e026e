"""`opentelemetry-instrument`, as people use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from asyncctx_trace.instrument import sinks
from asyncctx_trace.otel.autoinstrument import AsyncctxTraceInstrumentor

PROGRAM = """\
import asyncio

async def main():
    async with asyncio.Lock():
        pass

asyncio.run(main())
"""


def instrumented(tmp_path: Path, **environment: str) -> list[str]:
    """Return the names of the spans of a program that does not mention asyncctx-trace."""
    exporters = ["--traces_exporter", "console"]
    exporters += ["--metrics_exporter", "none", "--logs_exporter", "none"]
    if "OTEL_CONFIG_FILE" in environment:
        exporters = []
    (tmp_path / "app.py").write_text(PROGRAM)
    ended = subprocess.run(
        [
            str(Path(sysconfig.get_path("scripts"), "opentelemetry-instrument")),
            *exporters,
            sys.executable,
            "app.py",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, **environment},
        check=False,
    )
    said = ended.stderr.splitlines()
    ours = [line for line in said if not line.startswith("OTEL_CONFIG_FILE is set; ignoring")]
    assert (ended.returncode, ours) == (0, [])
    names, text, decoder = [], ended.stdout.strip(), json.JSONDecoder()
    while text:
        span, end = decoder.raw_decode(text)
        names.append(span["name"])
        text = text[end:].strip()
    return names


def test_opentelemetry_instrument_traces_a_program(tmp_path: Path) -> None:
    """The entry point is found, and the spans go to the configured exporter."""
    enter, body, exit_, lifecycle = instrumented(tmp_path)

    assert [enter, body, exit_] == ["enter", "body", "exit"]
    assert lifecycle.startswith("async with asyncio.Lock")


def test_it_can_be_disabled(tmp_path: Path) -> None:
    """By its name, like other instrumentations."""
    assert instrumented(tmp_path, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="asyncctx_trace") == []


CONFIGURATION = """\
file_format: "1.0"
tracer_provider:
  processors:
    - simple:
        exporter:
          console: {}
instrumentation/development:
  python:
    asyncctx_trace:
      %s
"""


@pytest.mark.parametrize(
    ("option", "names"),
    [
        ("max_trace_spans: 100", ["enter", "body", "exit", "async with"]),
        ("exclude: [app]", []),
        ("exclude: [app]\n      enabled: true", []),
    ],
)
def test_declarative_configuration_selects_what_is_traced(
    tmp_path: Path, option: str, names: list[str]
) -> None:
    """OTEL_CONFIG_FILE has the last word, although opentelemetry-instrument instruments, too."""
    config = tmp_path / "otel.yaml"
    config.write_text(CONFIGURATION % option)

    found = instrumented(tmp_path, OTEL_CONFIG_FILE=str(config))

    assert [name.partition(" asyncio.Lock")[0] for name in found] == names


def test_uninstrument_restores_everything() -> None:
    """Code, provider and sinks; it can be instrumented again."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    before = dict(vars(provider)), list(sys.meta_path), list(sys.path_hooks)
    source = compile(PROGRAM.replace("asyncio.run(main())", ""), __file__, "exec")
    for _ in range(2):
        AsyncctxTraceInstrumentor().instrument(tracer_provider=provider)
        assert AsyncctxTraceInstrumentor().is_instrumented_by_opentelemetry
        AsyncctxTraceInstrumentor().uninstrument()
        AsyncctxTraceInstrumentor().uninstrument()
        assert not AsyncctxTraceInstrumentor().is_instrumented_by_opentelemetry

    program: dict[str, object] = {}
    exec(source, program)
    assert (dict(vars(provider)), list(sys.meta_path), list(sys.path_hooks)) == before
    assert sinks.active.sink is None
    assert sinks.active.provider_discovery is None
    assert exporter.get_finished_spans() == ()
