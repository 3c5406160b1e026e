"""Which implementation answers are computed with."""

from __future__ import annotations

import pytest

from analysis.support.builders import Story
from asyncctx_trace.analysis import numpy_choice
from asyncctx_trace.analysis.endings.interruption import cut_at_interruption
from asyncctx_trace.analysis.kernels import plain
from asyncctx_trace.analysis.kernels.choice import Kernels, kernels_for, vectorized_kernels
from asyncctx_trace.analysis.snapshot import Snapshot


def test_few_acquisitions_need_no_numpy() -> None:
    """Its import would take longer than the answers."""
    assert kernels_for(numpy_choice.NUMPY_FROM - 1).whole is plain


def test_many_acquisitions_use_numpy() -> None:
    """From the threshold on."""
    pytest.importorskip("numpy")
    from asyncctx_trace.analysis.kernels import vectorized  # needs numpy

    assert kernels_for(numpy_choice.NUMPY_FROM).whole is vectorized


def test_without_numpy_the_plain_implementation_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """For any number of acquisitions."""
    monkeypatch.setattr(numpy_choice, "has_numpy", lambda: False)

    assert kernels_for(1_000_000).whole is plain


def test_few_rows_are_plain_even_with_numpy() -> None:
    """A loop over a few rows takes less time than the calls of numpy."""
    pytest.importorskip("numpy")
    kernels = vectorized_kernels(few_rows=3)

    assert kernels.for_rows([1, 2]) is plain
    assert kernels.for_rows([1, 2, 3]) is kernels.whole


def test_a_snapshot_hands_its_kernels_on() -> None:
    """To the snapshot at the time of the interruption."""
    story = Story()
    story.gets_in(0, story.asks(0, "task", "lock"))
    story.interrupted(10)
    story.ends(20, -2)
    chosen = Kernels(plain, few_rows=7)
    snapshot = Snapshot(story.timeline(), kernels=chosen)
    cut = cut_at_interruption(snapshot)

    assert cut is not snapshot
    assert cut.kernels is chosen
