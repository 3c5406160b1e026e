"""``asyncctx-trace serve``: the app in a browser."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from asyncctx_trace.errors import AsyncctxTraceError

__all__ = ["command"]


@click.command("serve")
@click.argument("recording", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8000,
    show_default=True,
    metavar="PORT",
    help="Port to listen on.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on. Everyone who knows the printed URL, and can reach it, sees the "
    "recording.",
)
@click.option(
    "--public-url",
    metavar="URL",
    help="URL at which the browser reaches the app, if not HOST and PORT.",
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    metavar="X",
    help="Playback speed: 2 is twice as fast as the program ran, 0.5 is half as fast.",
)
def command(recording: Path, port: int, host: str, public_url: str | None, speed: float) -> None:
    """Show the recording FILE in a browser until you press Ctrl-C."""
    from asyncctx_trace.sources import follow

    follow(recording).close()  # report an unreadable file here, not in the browser
    try:
        from asyncctx_trace_tui.run.web_server import AppServer
    except ImportError:
        raise AsyncctxTraceError(
            "`serve` needs the package textual-serve: pip install 'asyncctx-trace[serve]'"
        ) from None
    command_line = [sys.executable, "-m", "asyncctx_trace_tui", "replay", "--speed", str(speed)]
    with TemporaryDirectory() as folder:
        _write_page(Path(folder))
        server = AppServer(
            shlex.join([*command_line, str(recording.resolve())]),
            host=host,
            port=port,
            title="asyncctx-trace",
            public_url=public_url,
            templates_path=folder,
        )
        server.serve()


def _write_page(folder: Path) -> None:
    """Write the page of textual-serve without the font that it loads from another server."""
    import textual_serve

    [root] = textual_serve.__path__
    for template in (Path(root) / "templates").iterdir():
        page = re.sub(r"<link[^>]*fonts\.googleapis\.com[^>]*>", "", template.read_text("utf-8"))
        (folder / template.name).write_text(page, "utf-8")
