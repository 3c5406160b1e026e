"""A map by identity keeps nothing alive, asks its keys nothing, and forgets them in time."""

from __future__ import annotations

import gc
import sys
from typing import NoReturn

import pytest

from asyncctx_trace.instrument.registry.weak_ids import WeakIdMap


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
