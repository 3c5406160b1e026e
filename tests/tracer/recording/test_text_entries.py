"""Text entries in a segment."""

from __future__ import annotations

import mmap
from typing import Any

import pytest

from asyncctx_trace.recording.text_entries import (
    TEXT_LIMIT,
    encode_entry,
    iter_entries,
    put_entry,
    stored_size,
)


def segment(*texts: str) -> bytes:
    """Return a page with one entry for each text, as a recorder writes them."""
    page = mmap.mmap(-1, 4096)
    offset = 0
    for text in texts:
        entry = encode_entry("marked", {"text": text})
        put_entry(page, offset, entry)
        offset += stored_size(entry)
    return page[:]


def texts_in(data: bytes) -> list[Any]:
    """Return the text of each entry in a page."""
    return [entry["text"] for entry, _ in iter_entries(data)]


@pytest.mark.parametrize("length", range(5))
def test_entries_of_any_length_follow_each_other(length: int) -> None:
    """They are padded to a multiple of four bytes."""
    assert texts_in(segment("x" * length, "next")) == ["x" * length, "next"]


def test_the_end_of_an_entry_is_where_the_next_one_begins() -> None:
    """A reader continues there with what is written later."""
    data = segment("first", "second")
    [(_, end), _] = iter_entries(data)

    assert [entry["text"] for entry, _ in iter_entries(data, end)] == ["second"]


def test_an_entry_that_is_not_complete_is_left_for_later() -> None:
    """Not one byte may be missing."""
    size = len(encode_entry("marked", {"text": "first"})) + 4

    assert texts_in(segment("first")[:size]) == ["first"]
    assert texts_in(segment("first")[: size - 1]) == []


def test_a_text_of_the_largest_length_is_kept_as_it_is() -> None:
    """One character more, and the entry says how much is missing."""
    limit = "x" * TEXT_LIMIT

    assert b"characters" not in encode_entry("marked", {"text": limit})
    assert b"(+1 characters)" in encode_entry("marked", {"text": limit + "x"})
