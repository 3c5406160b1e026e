"""What spans cost, on the task and altogether, beside spans by hand."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import Row, alternate, spread

__all__ = ["run"]

_PROGRAMS = Path(__file__).parent / "programs"
_BY_HAND = {
    "by_hand": "by hand, the queue overflows",
    "paced": "by hand, flushed before the queue overflows",
    "same_words": "by hand, flushed, with the attributes that ours have",
    "by_hand_steadily": "at 5,000 acquisitions/s, by hand",
}


def run(rounds: int) -> list[Row]:
    """The task's own cost; then the CPU of a process until 100,000 acquisitions have arrived."""
    return [*_on_the_task(rounds), *_altogether(min(rounds, 3)), *_sent(rounds)]


def _sent(rounds: int) -> list[Row]:
    """CPU of ``export --otlp`` for each span, beside the SDK's tracer and exporter."""
    found = _said("spans_sent.py", rounds)
    ours, sdk = found["ours"], found["sdk"]
    cost = statistics.median(ours)
    return [
        Row(
            "CPU to send a recorded span over OTLP",
            spread(ours, unit="µs"),
            f"made and sent by the SDK {spread(sdk, unit='µs')}",
            cost / statistics.median(sdk),
            "≤ 30 µs",
            cost <= 30 and found["arrived"] == found["meant"],
        )
    ]


def _on_the_task(rounds: int) -> list[Row]:
    times: dict[str, list[float]] = _said("spans_task.py", 3 * rounds)
    bare, hand = times.pop("bare"), times.pop("four spans by hand")
    by_hand = [each - base for each, base in zip(hand, bare, strict=True)]
    against = f"four by hand +{spread(by_hand, unit='µs')}, bare {statistics.median(bare):.2f} µs"
    rows: list[Row] = []
    for way, values in times.items():
        added = [each - base for each, base in zip(values, bare, strict=True)]
        ratio = statistics.median(added) / statistics.median(by_hand)
        judged = way.endswith("with a provider")
        rows.append(
            Row(
                f"the task: {way}",
                f"+{spread(added, unit='µs', digits=2)}",
                against,
                ratio,
                "≤ 1/15" if judged else "",
                ratio <= 1 / 15 if judged else None,
            )
        )
    return rows


def _altogether(rounds: int) -> list[Row]:
    ways: dict[str, Callable[[], Any]] = {
        way: lambda way=way: _said("spans_burst.py", way)  # type: ignore[misc]  # bound now
        for way in ("ours", "ours_steadily", *_BY_HAND)
    }
    found = alternate(ways, rounds)
    ours, steadily = found.pop("ours"), found.pop("ours_steadily")
    acquisitions = ours[0]["acquisitions"]

    def cpu(runs: list[Any]) -> list[float]:
        """Of what would have been an acquisition had its spans arrived."""
        return [run["cpu"] / run["arrived"] * 4e6 for run in runs]

    rows: list[Row] = []
    for way, runs in found.items():
        mine = cpu(steadily if way == "by_hand_steadily" else ours)
        ratio = statistics.median(mine) / statistics.median(cpu(runs))
        judged = way == "paced"
        rows.append(
            Row(
                f"CPU for each 4 spans delivered over OTLP: {_BY_HAND[way]}",
                spread(mine, unit="µs"),
                spread(cpu(runs), unit="µs"),
                ratio,
                "≤ 1/2" if judged else "",
                ratio <= 1 / 2 if judged else None,
            )
        )
    arrived = min(run["arrived"] for run in ours)
    lost = statistics.median(run["arrived"] for run in found["by_hand"])
    rows.append(
        Row(
            f"spans of {acquisitions:,} acquisitions that arrive",
            f"{arrived:,}",
            f"by hand {lost:,.0f}",
            None,
            f"all {4 * acquisitions:,}",
            arrived == 4 * acquisitions,
        )
    )
    return rows


def _said(program: str, *words: object) -> Any:
    """What a program of ours prints as JSON."""
    done = subprocess.run(
        [sys.executable, str(_PROGRAMS / program), *map(str, words)],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])
