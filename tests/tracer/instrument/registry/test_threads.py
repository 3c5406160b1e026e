"""Threads that arrive at the same place at the same time."""

from __future__ import annotations

import threading
from types import CodeType, SimpleNamespace

import pytest

from asyncctx_trace.instrument import sinks
from asyncctx_trace.instrument.registry import sites
from asyncctx_trace.instrument.registry.sites import Site


def here() -> CodeType:
    """Some code of a program."""
    return here.__code__


def test_no_thread_sees_a_site_that_is_not_defined_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one defines it, another arrives: it gets an id that has been defined."""
    reading, go_on = threading.Event(), threading.Event()
    read = Site._read  # noqa: SLF001 - where another thread can arrive

    def slow(self: Site, *arguments: object) -> object:
        if threading.current_thread() is not threading.main_thread():
            reading.set()
            go_on.wait()
        return read(self, *arguments)  # type: ignore[arg-type]  # as they are given

    defined: list[int] = []
    sink = SimpleNamespace(site_defined=lambda site, *names: defined.append(site))
    monkeypatch.setattr(sinks.active, "sink", sink)
    monkeypatch.setattr(Site, "_read", slow)
    site = Site(here(), (1, 1, 0, 1))
    first: list[int] = []
    thread = threading.Thread(target=lambda: first.append(site.arrive()))
    thread.start()
    reading.wait()

    mine = site.arrive()
    go_on.set()
    thread.join()

    assert mine in defined
    assert first[0] in defined


def test_a_site_that_an_exception_interrupts_is_defined_at_the_next_arrival(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C while its source is read leaves nothing half done."""
    site = Site(here(), (1, 1, 0, 1))
    with monkeypatch.context() as patch:

        def interrupted(*_: object) -> str:
            raise KeyboardInterrupt

        patch.setattr(sites, "source_of", interrupted)
        with pytest.raises(KeyboardInterrupt):
            site.arrive()

    assert site.arrive() > 0
