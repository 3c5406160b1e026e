"""What the documentation states about the code is true."""

from __future__ import annotations

import ast
import doctest
import re
import struct
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import asyncctx_trace
from asyncctx_trace.instrument.patches.patch_table import all_patches
from asyncctx_trace.instrument.scope import Scope
from asyncctx_trace.model import conventions
from asyncctx_trace.model.event_schema import EVENTS, EventSchema, RecordKind, Unit
from asyncctx_trace.model.outcomes import EnterFlag, ExitFlag
from asyncctx_trace.recording import format as layout
from asyncctx_trace.recording.text_entries import TEXT_LIMIT, iter_entries
from asyncctx_trace.recording.validation import ENTRY_FIELDS, OPTIONAL_ENTRY_FIELDS
from asyncctx_trace.recording.writing.segments import create
from asyncctx_trace.recording.writing.writer import Recorder

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FORMAT = (DOCS / "format.md").read_text("utf-8")
PROSE = " ".join(FORMAT.split())
TYPES = {"8s": "8s", "u8": "B", "u16": "H", "u32": "I", "u64": "Q"}


def tables(text: str) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield each table with the heading above it, as rows of cells without the header."""
    heading = ""
    rows: list[list[str]] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            heading = line.strip("# ")
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows:
            yield heading, rows[2:]
            rows = []


def fields(spec: str) -> list[tuple[int, str]]:
    """Return the offset and type of each field of a struct, without padding."""
    found, offset = [], 0
    for count, code in re.findall(r"(\d*)([a-zA-Z])", spec):
        if code == "x":
            offset += int(count or 1)
        elif code == "s":
            found.append((offset, f"{count}s"))
            offset += int(count)
        else:
            for _ in range(int(count or 1)):
                found.append((offset, code))
                offset += struct.calcsize(f"<{code}")
    return found


@pytest.mark.parametrize(
    ("heading", "header"), [("Header", layout.HEADER), ("Segments", layout.SEGMENT_HEADER)]
)
def test_the_format_page_lists_every_field_of_a_header(heading: str, header: struct.Struct) -> None:
    [rows] = [rows for found, rows in tables(FORMAT) if found == heading]

    assert [(int(offset), TYPES[kind]) for offset, kind, _, _ in rows] == fields(header.format)


@pytest.mark.parametrize("schema", EVENTS, ids=lambda schema: schema.kind.name)
def test_the_format_page_has_the_table_of_every_event(schema: EventSchema) -> None:
    """Word for word; if this fails, copy the rows from the schema to the page."""
    [rows] = [rows for found, rows in tables(FORMAT) if found == schema.kind.name]

    assert rows == [
        [str(f.offset), f.type, f.name, f.unit, f.set_by, f.meaning or str(int(schema.kind))]
        for f in schema.record
    ]


def test_the_format_page_explains_every_unit() -> None:
    [rows] = [rows for found, rows in tables(FORMAT) if found == "Units"]

    assert [unit for unit, _ in rows] == list(typing.get_args(Unit))


def test_the_format_page_lists_sizes_versions_and_kinds() -> None:
    [kinds] = [rows for found, rows in tables(FORMAT) if found == "Records"]
    [versions] = [rows for found, rows in tables(FORMAT) if found == "Versions"]

    assert [int(number) for number, _ in kinds] == list(RecordKind)
    assert [int(number) for number, _ in versions] == list(range(1, layout.VERSION + 1))
    assert f"describes version {layout.VERSION}." in PROSE
    assert f"bytes of a record: {layout.RECORD}" in PROSE
    assert f"bytes of a segment: {layout.SEGMENT:,}" in PROSE
    assert f"{layout.HEADER_SIZE:,} bytes" in PROSE
    assert f"after {TEXT_LIMIT:,} characters" in PROSE


def test_the_format_page_lists_every_flag_with_its_bit() -> None:
    for kind, flags in (("ENTER_STARTED", EnterFlag), ("EXIT_ENDED", ExitFlag)):
        [rows] = [rows for found, rows in tables(FORMAT) if found == kind]
        [meaning] = [row[5] for row in rows if row[2] == "flags"]
        listed = dict(re.findall(r"(\d+) `([^`]+)`", meaning))

        named = {str(int(flag)): str(flag.name).lower() for flag in flags}
        assert {bit: name.replace(" ", "_") for bit, name in listed.items()} == named


def test_the_format_page_lists_every_text_entry_with_its_fields(tmp_path: Path) -> None:
    """Compared with the entries that the reader checks, and with those that a recorder writes."""
    written = written_entries(tmp_path / "all.actx")
    checked = {
        kind: set(fields) | set(OPTIONAL_ENTRY_FIELDS.get(kind, ()))
        for kind, fields in ENTRY_FIELDS.items()
    }
    listed = {
        re.findall(r"`([^`]+)`", entry[0])[0]: set(re.findall(r"`([^`]+)`", entry[1]))
        for found, rows in tables(FORMAT)
        if found == "Text entries"
        for entry in rows
    }

    assert listed == checked
    # The others are written by rings only.
    assert set(listed) - set(written) == {"given up", "dump", "inherited"}
    assert {kind: listed[kind] for kind in written} == written


def written_entries(path: Path) -> dict[str, set[str]]:
    """Have a recorder write one entry of every kind, and return the fields of each."""
    create(path)
    recorder = Recorder(path)
    recorder.manager_defined(1, "asyncio.locks.Lock")
    recorder.site_defined(1, "app.py", 1, "main", "lock")
    recorder.resource_defined(1, "lock", "lock", 1)
    recorder.task_defined(1, 1, "main", "asyncio", 0, "MainThread")
    recorder.enter_ended(1, 1, 2, ValueError("bad"))
    recorder.printed(1, "stdout", "hello")
    recorder.marked(1, "here")
    recorder.dropped(1, 1, "test")
    recorder.interrupted(1, 1, "SIGINT")
    recorder.stall_started(1, 2, 1, 1, 1, [("app.py", 1, "main")])
    recorder.stall_ended(3, 1, 0, 0)
    recorder.quiescent(4, 3)
    recorder.stop_recording(OSError("test"))
    recorder.close()
    entries: dict[str, set[str]] = {}
    data = path.read_bytes()
    for start in range(layout.HEADER_SIZE, len(data), layout.SEGMENT):
        segment = data[start : start + layout.SEGMENT]
        if segment[layout.SEGMENT_HEADER.size - 1] == layout.SegmentKind.TEXTS:
            for entry, _ in iter_entries(segment, layout.SEGMENT_HEADER.size):
                kind = entry.pop("k")
                entries[kind] = set(entry)
    return entries


def test_the_api_reference_documents_every_public_name() -> None:
    page = (DOCS / "api.md").read_text("utf-8")

    assert [n for n in asyncctx_trace.__all__ if not re.search(rf":: {n}\b", page)] == []


EXAMPLES = [
    n for n in asyncctx_trace.__all__ if ">>>" in (getattr(asyncctx_trace, n).__doc__ or "")
]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_in_docstrings_work(name: str) -> None:
    thing: Any = getattr(asyncctx_trace, name)
    [test] = doctest.DocTestFinder(recurse=False).find(thing, name, module=False)

    results = doctest.DocTestRunner().run(test)

    assert results.attempted
    assert not results.failed


def test_functions_have_an_example() -> None:
    public = [n for n in asyncctx_trace.__all__ if n[0].islower()]

    assert set(public) - set(EXAMPLES) == {"register_adapter", "uninstall"}  # see Adapter, install


def test_the_page_on_what_is_changed_names_every_patched_function() -> None:
    """Those of adapters are too many, and follow from the adapter: they are not in this table."""
    page = (DOCS / "decisions" / "0005-what-we-touch.md").read_text("utf-8")
    patched = [(patch.module, patch.function) for patch in all_patches(Scope())]

    assert len(patched) > 8
    assert [p for p in patched if f"`{p[0]}`" not in page or f"`{p[1]}`" not in page] == []


def test_the_page_on_opentelemetry_names_every_attribute_event_and_metric() -> None:
    page = (DOCS / "opentelemetry.md").read_text("utf-8")
    ours = {v for v in vars(conventions).values() if str(v).startswith("asyncctx.")}

    assert len(ours) > 40
    assert [name for name in sorted(ours) if f"`{name}" not in page] == []


@pytest.mark.parametrize(
    "page", sorted([ROOT / "README.md", *DOCS.rglob("*.md")]), ids=lambda page: page.name
)
def test_every_example_in_python_compiles(page: Path) -> None:
    """Blocks marked as Python; they may await at the top level, as in the README."""
    text = page.read_text("utf-8")
    for block in re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        compile(block, page.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


LAYOUT_PAGES = [
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/decisions/0001-rewrite-code-objects.md",
    "docs/decisions/0004-c-hot-path.md",
    "docs/decisions/0005-what-we-touch.md",
]


MOVED = ("model", "instrument/rewriting", "analysis/timeline", "runtime")


@pytest.mark.skipif(
    not all((ROOT / "tracer" / "asyncctx_trace" / folder).is_dir() for folder in MOVED),
    reason="the modules have not been moved to their packages yet",
)
@pytest.mark.parametrize("page", LAYOUT_PAGES)
def test_every_module_that_a_page_names_is_there(page: str) -> None:
    """Written relative to the repository or to one of the two packages."""
    text = (ROOT / page).read_text("utf-8")
    written = re.findall(r"`(\w[\w.]*/[\w./]*)`", text)
    named = {path for path in written if not path.startswith(("dist/", "http/"))}
    roots = [ROOT, ROOT / "tracer" / "asyncctx_trace", ROOT / "tui" / "asyncctx_trace_tui"]

    assert [n for n in named if not any((root / n).exists() for root in roots)] == []
