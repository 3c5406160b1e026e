"""Draw the pictures of ``docs/gallery.md``.

Usage: python tools/gallery.py [--only WORD] [--service FILE]

Runs the bundled scenarios and the service ``docs/gallery/shop.py``, which takes three minutes, and
draws the screens of the app into ``docs/gallery``. ``--service`` uses a recording of the service
instead; ``--only`` draws the pictures whose names contain a word. Pictures that would be too large
as SVG become PNG, which needs chromium and Pillow.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from textual.pilot import Pilot

from asyncctx_trace_tui.app.application import TraceApp
from asyncctx_trace_tui.app.screenshot import picture
from asyncctx_trace_tui.run.bundled_scenarios import ORDER
from asyncctx_trace_tui.storage.app_settings import Settings

GALLERY = Path(__file__).resolve().parent.parent / "docs" / "gallery"
SIZES = ((80, 24), (120, 36), (200, 60))
SERVICE_VIEWS = {
    "overview": (),
    "culprit": ("enter",),
    "lanes": ("1", "end"),
    "resources": ("2", "end"),
}
"""What is shown of the service -> the keys that show it."""
DECISIVE = {
    "connection": 5,
    "exceptions": 3,
    "generator": 4,
    "lock": 5,
    "semaphore": 3,
    "condition": 3,
    "files": 5,
    "nested": 5,
    "exit_stack": 6,
    "pool": 4,
    "timeout": 5,
    "aclose": 4,
    "task_group": 6,
    "cancel": 3,
    "deadlock": 6,
    "leak": 5,
    "trio_nursery": 5,
}
"""Scenario -> the number of the step of its story that shows what it is about."""
WIDTHS = {(80, 24): 800, (120, 36): 1_000, (200, 60): 1_400}
"""Size of a screen -> width of a PNG of it, in pixels."""
COLORS = 64
"""Of a PNG; screens have few."""
LARGEST = 80_000
"""The largest size of a picture, in bytes."""


class Shot(NamedTuple):
    """A picture: what to record, and which keys lead to what is shown."""

    name: str
    source: str
    """A bundled scenario, or ``shop``."""
    size: tuple[int, int]
    keys: tuple[str, ...]


def shots() -> Iterator[Shot]:
    """Yield all pictures of the gallery."""
    for columns, lines in SIZES:
        for view, keys in SERVICE_VIEWS.items():
            yield Shot(f"service-{view}-{columns}x{lines}", "shop", (columns, lines), keys)
    for scenario in ORDER:
        yield Shot(f"story-{scenario}", scenario, (120, 36), ("n",) * DECISIVE[scenario])


def record(source: str, folder: Path) -> Path:
    """Run a scenario, or the service, in ``folder`` and return its recording."""
    target = source
    if source == "shop":
        target = "shop.py"  # a copy: pictures show no path of this machine
        (folder / target).write_text((GALLERY / target).read_text("utf-8"), "utf-8")
    recording = folder / f"{source}.actx"
    command = [sys.executable, "-m", "asyncctx_trace_tui", "run", "--headless", "-q"]
    ended = subprocess.run(
        [*command, "-o", str(recording), target], cwd=folder, capture_output=True, check=False
    )
    if not recording.exists():
        sys.exit(f"{source} was not recorded: {ended.stderr.decode().strip()}")
    return recording


def draw(recording: Path, shot: Shot) -> str:
    """Return the screen after the keys as SVG."""
    app = TraceApp(recording, settings=Settings())
    taken: list[str] = []

    async def settle(pilot: Pilot[Any]) -> None:
        await pilot.pause()
        while app.state.loading or app.state.answers.working:
            app.tick()
            await pilot.pause(0.05)
        app.state.playback.pause()
        for _ in range(3):  # answers are asked for, then shown
            app.tick()
            await pilot.pause(0.1)

    async def take(pilot: Pilot[Any]) -> None:
        for key in ("", *shot.keys):
            if key:
                await pilot.press(key)
            await settle(pilot)
            await settle(pilot)
        taken.append(picture(app, f"asyncctx-trace replay {shot.source}.actx"))
        app.exit()

    asyncio.run(app.run_async(headless=True, size=shot.size, auto_pilot=take))
    return taken[0]


def compact(svg: str) -> str:
    """Return ``svg`` without what changes nothing: clips of whole lines, lengths, spaces."""
    svg = re.sub(r'<clipPath id="screen-line-\d+">.*?</clipPath>', "", svg, flags=re.DOTALL)
    svg = re.sub(r' clip-path="url\(#screen-line-\d+\)"', "", svg)
    svg = svg.replace(' shape-rendering="crispEdges"', "").replace("screen-", "s")
    svg = re.sub(r'="(-?\d+\.\d)\d+"', r'="\1"', svg)  # positions to a tenth of a pixel
    return re.sub(r">\s+<", "><", svg)


def as_png(svg: Path, width: int) -> Path:
    """Replace a picture by a PNG with few colors, ``width`` pixels wide."""
    image: Any = import_module("PIL.Image")
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg.read_text("utf-8"))
    assert box is not None
    height = round(width * float(box[2]) / float(box[1]))
    png = svg.with_suffix(".png")
    page = svg.with_suffix(".html")
    page.write_text(f'<body style="margin:0"><img src="{svg.name}" width="{width}"></body>')
    chromium = ("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
    subprocess.run(
        [*chromium, f"--window-size={width},{height}", f"--screenshot={png}", page.as_uri()],
        check=True,
        capture_output=True,
    )
    image.open(png).convert("RGB").quantize(COLORS, method=1, dither=0).save(png, optimize=True)
    page.unlink()
    svg.unlink()
    return png


def main() -> None:
    """Draw the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", metavar="WORD")
    parser.add_argument("--service", type=Path, metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        recordings = {} if options.service is None else {"shop": options.service.resolve()}
        for shot in shots():
            if options.only not in shot.name:
                continue
            if shot.source not in recordings:
                recordings[shot.source] = record(shot.source, Path(name))
            svg = compact(draw(recordings[shot.source], shot))
            drawn = GALLERY / f"{shot.name}.svg"
            drawn.write_text(svg, "utf-8")
            if drawn.stat().st_size > LARGEST:
                drawn = as_png(drawn, WIDTHS[shot.size])
            print(f"{drawn.name}: {drawn.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
