"""The verbs about the order of results: ranker."""

import typer

from photosearch.cli_servers import HomeOption

ranking_app = typer.Typer()


@ranking_app.command()
def ranker(home: HomeOption = None) -> None:
    """Train the boosted ranker on labels and clicks; say whether the next release gets it."""
    from photosearch.assembly import load_settings
    from photosearch.assembly_ranking import vectors_to_rank
    from training.ranker import train_home_ranker

    settings = load_settings(home)
    model_id, vectors_of = vectors_to_rank(settings)
    report = train_home_ranker(
        settings.home, model_id, vectors_of, settings.params.ranking, settings.params.index
    )
    trial = report.trial
    typer.echo(
        f"{report.lessons_of_labels} lessons of labels, {report.lessons_of_clicks} of clicks; "
        f"{trial.queries} held-out photos of {trial.products} products"
    )
    if report.refused:
        typer.echo(f"clicks are left out: {report.refused}")
    for one in trial.metrics:
        typer.echo(f"{one.metric:12} {one.without} -> {one.ranked}, gain {one.gain}")
    typer.echo(trial.reason)
