"""``asyncctx-trace confirm``: make possible findings happen."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from asyncctx_trace.analysis.findings import KINDS, Finding, Thresholds, find_in
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.experiments.confirmation import Confirmation, Settings, confirm
from asyncctx_trace.experiments.plans import Plan, plan_for
from asyncctx_trace.experiments.recorded_program import recorded_arguments
from asyncctx_trace.experiments.suspected_waits import suspected_waits
from asyncctx_trace.experiments.trial import Program, Trial
from asyncctx_trace.model.text import plain
from asyncctx_trace.steering.order import Rule, text
from asyncctx_trace_tui.cli.check_options import FAILED
from asyncctx_trace_tui.cli.duration_option import Duration
from asyncctx_trace_tui.cli.output_file import open_output, require_folder
from asyncctx_trace_tui.cli.program_words import WithProgram, program_words
from asyncctx_trace_tui.reports.loading import load_recording
from asyncctx_trace_tui.run.targets import python_arguments

__all__ = ["command"]

_LEAST_LIMIT = 10.0
"""Seconds that a run gets at least."""
_LIMIT = 3
"""How many times as long as the recording a run may take."""


@click.command("confirm", cls=WithProgram, options_metavar="[OPTIONS]")
@click.argument("recording", type=click.Path(path_type=Path))
@click.argument("finding", required=False)
@click.option(
    "--runs",
    type=click.IntRange(1, 10_000),
    default=10,
    show_default=True,
    help="The most runs to make a finding happen.",
)
@click.option(
    "--repeats",
    type=click.IntRange(1, 10_000),
    default=8,
    show_default=True,
    help="How often the smallest order is run.",
)
@click.option(
    "--at-most",
    type=Duration(positive=True),
    default="500ms",
    show_default=True,
    metavar="TIME",
    help="How long a task is held.",
)
@click.option(
    "--timeout",
    type=Duration(positive=True),
    metavar="TIME",
    help="When a run is ended (default: three times as long as the recording, at least 10s).",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.order",
    help="Write the order to FILE (default: beside the recording, named after the finding).",
)
@click.pass_context
def command(
    ctx: click.Context,
    recording: Path,
    finding: str | None,
    runs: int,
    repeats: int,
    at_most: int,
    timeout: int | None,
    output: Path | None,
) -> None:
    """Run the program of RECORDING again, and try to make its possible findings happen.

    Tasks are held where the program suspends, until they stand as a finding fears; nothing else is
    changed. What happens then is certain: the smallest order that does it is written to a file
    that `asyncctx-trace run --order` replays, and the recording of such a run is kept.

    FINDING limits this to one kind, such as lock-order-inversion, or to one line, such as
    app.py:12. The program with other arguments than the recorded ones: after --.

    The exit code is 1 if a finding is confirmed.
    """
    if output is not None:
        require_folder(output)
    loaded = load_recording(recording)
    snapshot = Snapshot(loaded.timeline)
    folder = Path.cwd()
    words = program_words(ctx)
    arguments = python_arguments(words) if words else recorded_arguments(loaded.timeline, folder)
    program = Program(tuple(arguments), folder)
    plans = _plans(snapshot, finding, folder, at_most)
    if not plans:
        click.echo(
            f"no possible finding that delays can bring about{f': {finding}' if finding else ''}"
        )
        return
    if output is not None and len(plans) > 1:
        raise AsyncctxTraceError(
            f"-o takes the order of one finding, but there are {len(plans)}: name one, such as "
            f"{plans[0].finding.kind} or {snapshot.site_label(plans[0].finding.sites[0])}"
        )
    lasted = (snapshot.now - snapshot.start) / 1e9
    limit = timeout / 1e9 if timeout else max(_LEAST_LIMIT, _LIMIT * lasted)
    settings = Settings(runs, repeats, limit)
    confirmed = False
    for number, plan in enumerate(plans, 1):
        click.echo(plain(f"{plan.finding.kind}: {plan.finding.summary}"))
        order = output or recording.with_name(
            f"{recording.stem}-{plan.finding.kind}-{number}.order"
        )
        proof = order.with_suffix(".actx")
        done = confirm(program, plan, proof, settings, _report)
        confirmed |= done.proof is not None
        _print(done, order, proof, arguments)
    sys.exit(FAILED if confirmed else 0)


def _plans(snapshot: Snapshot, wanted: str | None, folder: Path, at_most: int) -> list[Plan]:
    """Return what to try for the possible findings, or for those that are asked for."""
    findings = [
        each for each in find_in(snapshot, Thresholds()) if _is_meant(snapshot, each, wanted)
    ]
    suspected = [
        plan
        for plan in suspected_waits(snapshot, folder, at_most=at_most)
        if _is_meant(snapshot, plan.finding, wanted)
    ]
    if wanted is not None and not findings and not suspected:
        known = ", ".join(dict.fromkeys(each.kind for each in find_in(snapshot, Thresholds())))
        raise AsyncctxTraceError(
            f"the recording has no finding {wanted!r}; it has {known or 'none'}; a FINDING is a "
            "kind, or a line such as app.py:12"
        )
    plans = [plan_for(snapshot, each, folder, at_most=at_most) for each in findings]
    return [*(plan for plan in plans if plan is not None), *suspected]


def _is_meant(snapshot: Snapshot, finding: Finding, wanted: str | None) -> bool:
    if wanted is None:
        return finding.certainty == "possible"
    if wanted in KINDS:
        return finding.kind == wanted
    return wanted in map(snapshot.site_label, finding.sites)


def _report(number: int, trial: Trial, happened: bool) -> None:
    if trial.deadlocked:
        end = "hangs"
    elif trial.exit_code is None:
        end = "ended after its time was over"
    else:
        end = f"exit code {trial.exit_code}"
    click.echo(f"  run {number}: {end}{', as the finding says' if happened else ''}")


def _print(done: Confirmation, order: Path, proof: Path, arguments: Sequence[str]) -> None:
    if done.proof is None:
        click.echo(f"not reproduced in {done.runs} runs")
        return
    what = "hangs" if done.hangs else "happens"
    when = "when steered" if done.rules else "without steering"
    click.echo(
        f"confirmed in run {done.runs} ({what} {done.happened} of {done.repeated} {when}), certain:"
    )
    click.echo(plain(f"  {done.proof.kind}: {done.proof.summary}"))
    if done.rules:
        _write(order, done.rules, done)
        words = shlex.join(arguments)
        click.echo(f"  again:  asyncctx-trace run --order {shlex.quote(str(order))} {words}")
    click.echo(f"  proof:  {proof}")


def _write(order: Path, rules: tuple[Rule, ...], done: Confirmation) -> None:
    with open_output(str(order)) as file:
        file.write(text(rules, f"{done.plan.finding.kind}: {plain(done.plan.finding.summary)}"))
