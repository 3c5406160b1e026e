"""``asyncctx-trace scenarios``: list the bundled scenarios."""

from __future__ import annotations

import click

from asyncctx_trace_tui.run import bundled_scenarios

__all__ = ["command"]


@click.command("scenarios")
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """List the bundled scenarios, or describe the scenario NAME.

    Each scenario is a short script to read from top to bottom. `asyncctx-trace run NAME` runs it.
    """
    if name is None:
        _list()
    else:
        _describe(bundled_scenarios.find(name).stem)


def _list() -> None:
    found = bundled_scenarios.all()
    width = max(len(each.name) for each in found)
    for each in found:
        click.echo(f"{each.name:{width}}  {each.title}")
    click.echo(
        f"\nTo run one: `asyncctx-trace run NAME`. The scripts are in {bundled_scenarios.folder()}."
    )


def _describe(name: str) -> None:
    [scenario] = [each for each in bundled_scenarios.all() if each.name == name]
    click.echo(f"{scenario.title}\n\n{scenario.story}\n\n{scenario.path}")
