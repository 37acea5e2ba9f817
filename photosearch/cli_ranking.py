"""The verbs about the order of results: ranker."""

from typing import TYPE_CHECKING

import typer

from photosearch.cli_servers import HomeOption

if TYPE_CHECKING:
    from training.ranker_trial import Trial

ranking_app = typer.Typer()


@ranking_app.command()
def ranker(home: HomeOption = None) -> None:
    """Train the boosted ranker on labels and clicks; say whether the next release gets it."""
    from photosearch.assembly import load_settings
    from photosearch.assembly_ranking import vectors_to_rank
    from training.ranker import train_home_ranker

    settings = load_settings(home)
    params = settings.params
    report = train_home_ranker(
        settings.home, vectors_to_rank(settings), params.ranking, params.index, params.text_search
    )
    trial = report.trial
    typer.echo(
        f"{report.lessons_of_labels} lessons of labels, {report.lessons_of_clicks} of clicks; "
        f"{trial.queries} held-out photos of {trial.products} products"
    )
    if report.refused:
        typer.echo(f"clicks are left out: {report.refused}")
    _tell(trial)
    if report.words is None:
        typer.echo(
            "too few photos can be asked with words of each kind (a tag; another card): "
            "beside words nothing is ranked"
        )
    else:
        typer.echo(f"beside words: {report.words.queries} held-out photos with words")
        _tell(report.words)


def _tell(trial: "Trial") -> None:
    for one in trial.metrics:
        typer.echo(f"{one.metric:18} {one.without} -> {one.ranked}, gain {one.gain}")
    typer.echo(trial.reason)
