"""The verbs of A/B experiments: start, stop, status, report."""

from pathlib import Path
from typing import Annotated

import typer

from photosearch.cli_servers import HomeOption

experiments_app = typer.Typer(help="A/B experiments.", no_args_is_help=True)


@experiments_app.command()
def start(
    plan: Annotated[Path, typer.Argument(help="A YAML file: see docs/operations.md.")],
    home: HomeOption = None,
) -> None:
    """Part shoppers by a plan; services that follow the home take it up within a second or two."""
    from photosearch.assembly import load_settings
    from photosearch.assembly_experiments import start_experiment
    from photosearch.feedback.experiments import read_plan

    begun = start_experiment(load_settings(home), read_plan(plan))
    arms = ", ".join(f"{arm.name} ({arm.weight:g})" for arm in begun.plan.arms)
    typer.echo(f"{begun.name} runs: {arms}; {begun.plan.share:.0%} of shoppers take part")
    typer.echo("see it in GET /v1/experiments (`photosearch serve --follow` tries experiments)")


@experiments_app.command()
def stop(home: HomeOption = None) -> None:
    """Give everybody what is live again."""
    from datetime import UTC, datetime

    from photosearch.assembly import find_home
    from photosearch.feedback.experiments import stop as stop_running

    ended = stop_running(find_home(home).experiments, at=datetime.now(UTC))
    typer.echo(f"{ended.name} is stopped; `photosearch experiment report` says what came of it")


@experiments_app.command()
def status(home: HomeOption = None) -> None:
    """Tell all experiments, the newest last."""
    from photosearch.assembly import find_home
    from photosearch.feedback.experiments import experiments
    from photosearch.feedback.readout import read_readout

    folder = find_home(home).experiments
    for one in experiments(folder):
        until = "runs" if one.stopped_at is None else f"until {one.stopped_at:%F %H:%M}"
        read = read_readout(folder, one.name)
        told = "not read yet" if read is None else f"{read.state.replace('_', ' ')}: {read.verdict}"
        typer.echo(f"{one.name:20} since {one.started_at:%F %H:%M}, {until}; {told}")


@experiments_app.command()
def report(
    name: Annotated[str | None, typer.Argument(help="Default: the newest.")] = None,
    home: HomeOption = None,
) -> None:
    """Read what came of an experiment; look as often as you like, the intervals allow it."""
    from photosearch.assembly import load_settings
    from photosearch.assembly_experiments import read_experiment
    from photosearch.feedback.readout import as_text

    path, readout = read_experiment(load_settings(home), name)
    typer.echo(as_text(readout))
    typer.echo(f"written to {path}")
