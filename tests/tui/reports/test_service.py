"""A report on a service under load fits on a screen and begins with the culprit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SERVICE = Path(__file__).parents[3] / "benchmarks" / "programs" / "slow_shop.py"


def test_the_first_sentence_names_the_culprit(tmp_path: Path) -> None:
    """The job, its line and the lock; not the two pools where the queue shows as well."""
    source = SERVICE.read_text("utf-8").splitlines()
    (line,) = (n for n, text in enumerate(source, 1) if "async with self.cache.lock, self" in text)
    command = [sys.executable, "-m", "asyncctx_trace_tui", "run", "--headless"]
    ended = subprocess.run(
        [*command, "-o", str(tmp_path / "shop.actx"), str(SERVICE), "2"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    report = ended.stderr.splitlines()[:-1]  # the last one names the recording
    first = " ".join(" ".join(report[:4]).split())

    assert first.startswith(f"Shop.refresh_prices (slow_shop.py:{line}) held `self.cache.lock`")
    assert "tasks waited at once" in first  # how many depends on the load of the machine
    assert len(report) <= 50
    assert max(map(len, report)) <= 100
