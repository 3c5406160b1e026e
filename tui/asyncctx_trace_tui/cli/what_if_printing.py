"""Print what a recorded program would do with something changed: ``report --what-if``."""

from __future__ import annotations

import json
from datetime import time
from pathlib import Path
from typing import TextIO

import click

from asyncctx_trace.analysis.what_if.changes import parse_changes
from asyncctx_trace.analysis.what_if.forecast import Forecaster, Refused
from asyncctx_trace.analysis.what_if.ranking import rank_changes
from asyncctx_trace_tui.reports.loading import load_recording
from asyncctx_trace_tui.reports.what_if_json import what_if_as_dict
from asyncctx_trace_tui.reports.what_if_text import (
    forecast_lines,
    ranking_lines,
    refusal_lines,
)

__all__ = ["print_what_if"]


def print_what_if(
    file: Path,
    out: TextIO,
    changes: tuple[str, ...],
    format_: str,
    since: int | time | None = None,
    until: int | time | None = None,
) -> bool:
    """Write the forecast of ``changes`` to ``out``; an empty text stands for the obvious ones.

    Returns whether there is a forecast. Raises click.UsageError if a change cannot be understood,
    RecordingError or OSError.
    """
    timeline = load_recording(file, since, until).timeline
    texts = tuple(text for text in changes if text.strip())
    forecast, ranking, refused = None, None, None
    try:
        parsed = parse_changes(timeline, texts)
        forecaster = Forecaster(timeline)
        if texts:
            forecast = forecaster.foretell(parsed)
        else:
            ranking = rank_changes(forecaster)
    except ValueError as error:
        raise click.UsageError(f"--what-if: {error}") from None
    except Refused as error:
        refused = error
    if format_ == "json":
        values = what_if_as_dict(str(file), forecast=forecast, ranking=ranking, refused=refused)
        lines = [json.dumps(values, indent=2)]
    elif forecast is not None:
        lines = forecast_lines(forecast)
    elif ranking is not None:
        lines = ranking_lines(ranking)
    else:
        lines = refusal_lines(str(refused))
    click.echo("\n".join(lines), file=out)
    return refused is None
