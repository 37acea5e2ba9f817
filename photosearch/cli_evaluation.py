"""The verbs that measure models: benchmark."""

from functools import partial
from typing import Annotated

import typer

from photosearch.cli_servers import HomeOption

evaluation_app = typer.Typer()


@evaluation_app.command()
def benchmark(
    release: Annotated[str | None, typer.Option(help="Default: the candidate.")] = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="A release to compare with, or `none`. Default: the live model or, where that is "
            "the measured one, mean pooling of the same tower."
        ),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Measure a model by every task; write build/benchmark with pictures of the queries."""
    from photosearch.assembly import load_settings
    from photosearch.assembly_evaluation import benchmark_model
    from photosearch.evaluation.suite_tables import as_markdown
    from training.triplets import triplets_from_cards

    settings = load_settings(home)
    refiner = settings.params.text.refiner
    changes_of = partial(
        triplets_from_cards,
        changed_most=refiner.changed_most,
        targets_a_card=refiner.targets_a_card,
        seed=refiner.seed,
    )
    report = benchmark_model(settings, release=release, against=against, changes_of=changes_of)
    typer.echo(as_markdown(report))
    typer.echo(f"page     {settings.home.benchmark / 'report.html'}")
