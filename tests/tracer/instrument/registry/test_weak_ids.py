"""A map by identity keeps nothing alive, asks its keys nothing, and forgets them in time."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncctx_trace.instrument.registry.weak_ids import WeakIdMap, address_table


class Thing:
    """Refuses to be hashed or compared."""

    def __hash__(self) -> NoReturn:
        raise AssertionError

    def __eq__(self, other: object) -> NoReturn:
        raise AssertionError


class Unwatchable:
    """Has no weak references."""

    __slots__ = ()


def test_a_thing_is_found_by_identity_alone() -> None:
    one, other = Thing(), Thing()
    numbers: WeakIdMap[int] = WeakIdMap()

    assert not numbers
    ref = numbers.add(one, 1)
    numbers.add(other, 2)
    numbers.add(one, 3)

    assert ref() is one
    assert (numbers.get(one), numbers.get(other), numbers.get(Thing())) == (3, 2, None)
    assert numbers.by_id == {id(one): 3, id(other): 2}
    assert numbers.values() == [3, 2]
    assert one in numbers
    assert Thing() not in numbers


def test_an_entry_leaves_with_its_thing_and_tells_so_once() -> None:
    gone: list[str] = []
    names: WeakIdMap[str] = WeakIdMap(gone.append)
    thing = Thing()
    names.add(thing, "first")
    names.add(thing, "second")

    del thing
    gc.collect()

    assert gone == ["second"]
    assert not names


def test_an_address_may_be_used_again_by_another_thing() -> None:
    gone: list[int] = []
    numbers: WeakIdMap[int] = WeakIdMap(gone.append)

    for number in range(100):
        thing = Thing()
        numbers.add(thing, number)
        del thing
    gc.collect()

    assert gone == list(range(100))


def test_an_entry_that_was_taken_out_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    errors: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", errors.append)
    gone: list[str] = []
    names: WeakIdMap[str] = WeakIdMap(gone.append)
    popped, cleared = Thing(), Thing()
    names.add(popped, "popped")
    assert names.pop(popped) == "popped"
    assert names.pop(popped) is None
    others: WeakIdMap[str] = WeakIdMap(gone.append)
    others.add(cleared, "cleared")
    others.clear()

    del popped, cleared
    gc.collect()

    assert gone == []
    assert errors == []


def test_a_thing_that_was_taken_out_and_added_again_is_watched_again() -> None:
    gone: list[str] = []
    names: WeakIdMap[str] = WeakIdMap(gone.append)
    thing = Thing()
    names.add(thing, "before")
    kept = names.add(thing, "same")
    names.pop(thing)
    names.add(thing, "after")

    del thing
    gc.collect()

    assert kept() is None
    assert gone == ["after"]
    assert not names


def test_what_cannot_be_watched_has_no_entry_unless_it_is_to_be_kept() -> None:
    numbers: WeakIdMap[int] = WeakIdMap()
    thing = Unwatchable()

    with pytest.raises(TypeError):
        numbers.add(thing, 1)
    assert thing not in numbers

    numbers.add_or_keep(thing, 2)
    assert numbers.get(thing) == 2
    assert numbers.pop(thing) == 2


def test_a_thing_may_die_while_another_thread_clears_the_map(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is printed, and nobody is told."""
    failures: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", failures.append)
    gone: list[int] = []
    numbers: WeakIdMap[int] = WeakIdMap(gone.append)
    thing = Thing()
    numbers.add(thing, 1)
    numbers.by_id.clear()  # the first half of what `clear()` does

    del thing
    gc.collect()

    assert failures == []
    assert gone == []


@pytest.mark.parametrize("pure", ["", "1"])
def test_a_thing_may_die_after_the_names_of_our_modules(pure: str) -> None:
    """At the end of the process, where an error would be printed."""
    script = """
import sys
from asyncctx_trace.instrument import hidden_frames
from asyncctx_trace.instrument.registry.weak_ids import WeakIdMap

class Thing:
    pass

numbers = WeakIdMap()
thing = Thing()
numbers.add(thing, 1)
for name in list(vars(hidden_frames)):  # as the interpreter does
    setattr(hidden_frames, name, None)
del thing
print(len(numbers.values()))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"ASYNCCTX_TRACE_PURE": pure},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert done.stdout == "0\n"


@given(
    st.lists(
        st.tuples(st.sampled_from(["set", "pop", "del", "clear", "get"]), st.integers(1, 40)),
        max_size=200,
    )
)
def test_a_table_by_address_is_a_dict_whatever_is_done_to_it(steps: list[tuple[str, int]]) -> None:
    """Native code reads an index beside it; both are compared by what the entry's end sees."""
    table, expected = address_table(), dict[int, int]()
    for number, (step, part) in enumerate(steps):
        key = part * 0x1000  # addresses that share their low bits
        match step:
            case "set":
                table[key] = expected[key] = number
            case "pop":
                assert table.pop(key, None) == expected.pop(key, None)
            case "del" if key in expected:
                del table[key], expected[key]
            case "clear" if part == 1:
                table.clear()
                expected.clear()
        assert table.get(key) == expected.get(key)
        assert _indexed(table) == expected
    assert list(table.items()) == list(expected.items())


def _indexed(table: dict[int, Any]) -> dict[int, Any]:
    """Return what native code finds, or all of the table where there is none."""
    return dict(table) if type(table) is dict else table.indexed()  # type: ignore[attr-defined]


def test_what_a_table_by_address_gives_up_may_use_it_as_it_ends() -> None:
    """The value that leaves is found no more by then."""
    table, seen = address_table(), list[object]()

    class Ending:
        def __del__(self) -> None:
            seen.append((table.get(16), _indexed(table).get(16)))
            table[32] = "added"

    table[16] = Ending()
    table[16] = 1
    table[16] = Ending()
    table.pop(16, None)
    table[16] = Ending()
    table.clear()
    gc.collect()

    assert seen == [(1, 1), (None, None), (None, None)]
    assert table == _indexed(table) == {32: "added"}


@pytest.mark.skipif(address_table is dict, reason="native code is not used here")
def test_a_table_by_address_refuses_what_it_does_not_index() -> None:
    table = address_table()

    with pytest.raises(TypeError, match="'a' is not the address of an object"):
        table["a"] = 1  # type: ignore[index]  # what it refuses
    with pytest.raises(NotImplementedError):
        table.update({16: 1})
    assert table == {}
