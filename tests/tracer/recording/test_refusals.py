"""A file that is not a recording is refused in one line that says what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncctx_trace.errors import DamagedRecording, NewerRecording, NotARecording, RecordingError
from asyncctx_trace.recording.format import HEADER_SIZE, Anchor, pack_header, unpack_header
from asyncctx_trace.recording.reading.reader import Recording
from asyncctx_trace.recording.writing.segments import create

HEADER = pack_header(Anchor(1_700_000_000_000_000_000, 42))


def refusal(path: Path) -> str:
    with pytest.raises(RecordingError) as refused:
        Recording(path)
    assert "\n" not in str(refused.value)
    return f"{type(refused.value).__name__}: {refused.value}"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"print('hi')\n", b"\0" * 8192])
def test_another_file_is_not_a_recording(tmp_path: Path, content: bytes) -> None:
    """An empty file, a zip, a script, zeros."""
    path = tmp_path / "a.actx"
    path.write_bytes(content)

    assert refusal(path) == (
        f"NotARecording: {path} is not an asyncctx-trace recording: use a file that "
        "`asyncctx-trace run -o FILE.actx` wrote"
    )


def test_a_folder_is_not_a_recording(tmp_path: Path) -> None:
    """Users may pass the folder that contains their recordings."""
    assert refusal(tmp_path) == (f"NotARecording: {tmp_path} is a folder: use a recording in it")


@pytest.mark.parametrize("size", [1, 7, 8, 20, 35, HEADER_SIZE - 1])
def test_an_incomplete_header_is_damage(tmp_path: Path, size: int) -> None:
    """The disk was full, or the file was copied in part."""
    path = tmp_path / "a.actx"
    path.write_bytes(HEADER[:size])

    assert re.fullmatch(r"DamagedRecording: .* is damaged \(.*\): record .*", refusal(path))


@given(position=st.integers(10, 35), flip=st.integers(1, 255))
def test_an_altered_header_is_damage(position: int, flip: int) -> None:
    """Any byte after the version; an altered version may be a newer one."""
    altered = bytearray(HEADER)
    altered[position] ^= flip

    with pytest.raises(DamagedRecording):
        unpack_header(bytes(altered), Path("a.actx"))


def test_a_newer_version_is_refused_with_the_command_to_upgrade() -> None:
    """An old reader must not guess what a newer writer meant."""
    newer = HEADER[:8] + (99).to_bytes(2, "little") + HEADER[10:]

    with pytest.raises(NewerRecording, match=r"format version 99.*upgrade with `pip install -U"):
        unpack_header(newer, Path("a.actx"))


def test_a_segment_of_an_unknown_kind_is_damage(tmp_path: Path) -> None:
    """The header may be intact and the rest not."""
    path = tmp_path / "a.actx"
    create(path)
    with path.open("ab") as file:
        file.write(b"\xff" * 128 * 1024)

    with Recording(path) as recording, pytest.raises(DamagedRecording, match="at byte 4096"):
        recording.poll()


@given(header=st.binary(max_size=64))
def test_no_header_raises_another_exception(header: bytes) -> None:
    """Whatever a file begins with, the error is one of ours."""
    with pytest.raises((NotARecording, DamagedRecording, NewerRecording)):
        unpack_header(header, Path("a.actx"))
