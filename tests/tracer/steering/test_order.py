"""What an order file says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncctx_trace.steering.order import (
    Hold,
    Injection,
    InvalidOrder,
    Others,
    Place,
    Rule,
    read,
    text,
)

_names = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=8)
_files = st.lists(_names, min_size=1, max_size=2).map(" ".join)
_places = st.builds(
    Place,
    _files.filter(lambda name: not name.startswith("#")),
    st.integers(1, 9_999),
    st.booleans(),
    st.one_of(st.just(""), st.lists(_names, min_size=1, max_size=3).map(" ".join)),
    st.one_of(st.just(0), st.integers(10_000, 10_009)),
)
_others = st.builds(Others, _places, st.integers(1, 40))
_milliseconds = st.integers(1, 900).map(lambda ms: ms * 1_000_000)
_holds = st.builds(Hold, _places, st.lists(_others, max_size=3).map(tuple), _milliseconds)
_injections = st.one_of(
    st.builds(Injection, _places, st.integers(1, 99), st.just(True)),
    st.builds(Injection, _places, st.integers(1, 99), st.just(False), st.booleans(), st.booleans()),
)


@given(st.lists(st.one_of(_holds, _injections), min_size=1, max_size=4))
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, rules: list[Rule]
) -> None:
    file = tmp_path_factory.mktemp("orders") / "a.order"
    file.write_text(text(rules, "any comment", "two\nlines"))

    assert read(file) == tuple(rules)


def test_a_file_is_named_by_the_end_of_its_path() -> None:
    place = Place("shop/cart.py", 3)

    assert place.is_in("/srv/shop/cart.py")
    assert place.is_in("shop/cart.py")
    assert not place.is_in("/srv/my-shop/cart.py")
    assert not Place("/srv/shop/cart.py", 3).is_in("/srv/other/shop/cart.py")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("wait app.py:3", "unknown verb 'wait'; use one of: hold, cancel, fail"),
        ("hold app.py until app.py:4", "'app.py' is not a place; use for example app.py:12"),
        ("hold app.py:4-3", "'app.py:4-3' is not a place"),
        ("hold app.py:3 until", "a place such as app.py:12 is missing at the end"),
        ("hold app.py:3 until app.py:4 at most soon", "invalid duration 'soon'"),
        ("hold app.py:3 until 2 app.py:4", "`tasks at FILE:LINE` is missing after 2"),
        ("cancel app.py:3 on 0", "'0' is not a number from 1 on"),
        ("cancel app.py:3 on 1 thrice", "unexpected 'thrice'"),
        ("hold 'app.py:3", "No closing quotation"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "bad.order"
    file.write_text(f"asyncctx-trace order 1\n\n{line}\n")

    with pytest.raises(InvalidOrder) as refused:
        read(file)

    assert "bad.order, line 3: " in str(refused.value)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "content", [b"", b"print(1)\n", b"\xff\xfe\0", b"asyncctx-trace order 1\n"]
)
def test_any_other_file_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "app.order"
    file.write_bytes(content)

    with pytest.raises(InvalidOrder):
        read(file)
