"""`photosearch <verb>`: one verb a stage or flow; no logic, and imports inside the commands."""

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from photosearch.cli_evaluation import evaluation_app
from photosearch.cli_events import events_app
from photosearch.cli_experiments import experiments_app
from photosearch.cli_feedback import feedback_app
from photosearch.cli_late import late_app
from photosearch.cli_models import models_app
from photosearch.cli_perception import perception_app
from photosearch.cli_ranking import ranking_app
from photosearch.cli_releases import releases_app
from photosearch.cli_servers import HomeOption, servers_app
from photosearch.cli_tags import tags_app
from photosearch.errors import PhotosearchError
from photosearch.home import Home

app = typer.Typer(
    help="Search by photo for a marketplace: the loop from product cards to a live search page.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
flows_app = typer.Typer(help="Prefect deployments.", no_args_is_help=True)
app.add_typer(flows_app, name="flows")
data_app = typer.Typer(help="Snapshots of the source.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(models_app, name="models")
app.add_typer(experiments_app, name="experiment")
app.add_typer(evaluation_app)
app.add_typer(events_app, name="events")
app.add_typer(feedback_app)
app.add_typer(late_app)
app.add_typer(perception_app)
app.add_typer(ranking_app)
app.add_typer(releases_app)
app.add_typer(servers_app)
app.add_typer(tags_app)

SourceOption = Annotated[
    str,
    typer.Option(
        "--source",
        help="A folder with cards.jsonl, a manifest (*.jsonl, *.csv, *.parquet; also s3://...), a "
        "video file, or http(s)://... of a marketplace.",
    ),
]


def main() -> None:
    """Runs a verb: an error the reader can act upon is one line and exit code 2."""
    from photosearch.environment import quiet_environment
    from photosearch.progress import configure_logging

    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so `finally` runs
    configure_logging()
    os.environ.update(quiet_environment())
    for logger in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(logger).addFilter(_is_no_message_of_ours)
    try:
        app()
    except PhotosearchError as error:
        typer.echo(f"photosearch: {error}", err=True)
        sys.exit(2)


@app.command()
def demo(
    source: Annotated[
        str, typer.Option("--source", help="`simulator`, a folder, or http(s)://...")
    ] = "simulator",
    home: HomeOption = None,
    serve: Annotated[bool, typer.Option(help="Leave the search page running.")] = True,
    cards: Annotated[int | None, typer.Option(min=20, help="Simulated cards.")] = None,
    port: Annotated[int, typer.Option(help="Of the page.")] = 3000,
) -> None:
    """Run the whole loop on a source, then serve the search page."""
    from flows.demo import run_demo

    done = run_demo(source, home, n_cards=cards, port=port if serve else None)
    typer.echo(f"\nOffline metrics, photo -> card:\n\n{done.metrics}\n{done.verdict}")
    for step, seconds in done.seconds.items():
        typer.echo(f"{seconds:8.1f} s  {step}")
    typer.echo(f"{sum(done.seconds.values()):8.1f} s  in all\n")
    typer.echo(f"home     {done.home}\nrelease  {done.release}")
    if done.address:
        typer.echo(f"page     {done.address}   (stop it with `photosearch stop`)")


@app.command()
def pull(source: SourceOption, home: HomeOption = None) -> None:
    """Pull cards and photos from a source into data/ and commit the snapshot."""
    from photosearch.assembly import find_home, open_source

    root = find_home(home).root
    open_source(source)  # a wrong address is told before Prefect starts
    from flows.pull_catalog import pull_catalog

    pull_catalog(source, root)


@app.command()
def build(home: HomeOption = None) -> None:
    """Check the snapshot and bring tower, curate, pairs and validate up to date."""
    from flows.build_dataset import build_dataset
    from photosearch.assembly import find_home

    build_dataset(find_home(home).root)


@app.command()
def tower(home: HomeOption = None) -> None:
    """Stage: bring or train the frozen image-text tower."""
    from photosearch.assembly import bring_tower, load_settings

    settings = load_settings(home)
    if settings.params.tower.pretrained == "own":
        from training.backbone_pretraining import pretrain

        _finish(settings.home, "tower", pretrain(settings.home, settings.params))
    else:
        _finish(settings.home, "tower", bring_tower(settings))


@app.command()
def curate(home: HomeOption = None) -> None:
    """Stage: drop duplicates and noise; part train from queries."""
    from photosearch.assembly import curate_catalog, load_settings

    settings = load_settings(home)
    _finish(settings.home, "curate", curate_catalog(settings))


@app.command()
def pairs(home: HomeOption = None) -> None:
    """Stage: pick the pairs worth asking people about."""
    from photosearch.assembly import load_settings, pick_pairs

    settings = load_settings(home)
    _finish(settings.home, "pairs", pick_pairs(settings))


@app.command()
def validate(home: HomeOption = None) -> None:
    """Stage: stop on tables that break their expectations; write Data Docs."""
    from photosearch.assembly import load_settings
    from photosearch.curation.expectations import validate as validate_tables

    settings = load_settings(home)
    _finish(settings.home, "validate", validate_tables(settings.home))


@app.command()
def label(home: HomeOption = None) -> None:
    """Push pairs to Label Studio and bring the answers back."""
    from flows.sync_labels import sync_labels
    from photosearch.assembly import find_home

    sync_labels(find_home(home).root)


@app.command()
def tokens(home: HomeOption = None) -> None:
    """Stage: run the tower once over every curated photo."""
    from photosearch.assembly import cache_catalog_tokens, load_settings

    settings = load_settings(home)
    _finish(settings.home, "tokens", cache_catalog_tokens(settings))


@app.command()
def train(home: HomeOption = None) -> None:
    """Stage: train the attention head on tokens and labels."""
    from photosearch.assembly import load_settings
    from training.fit import train_head

    settings = load_settings(home)
    machine = settings.services.lightning
    _finish(
        settings.home, "train", train_head(settings.home, settings.params.head, machine=machine)
    )


@app.command()
def text(home: HomeOption = None) -> None:
    """Bring texts into the candidate's image space; learn "the same but red"."""
    from photosearch.assembly import load_settings
    from photosearch.assembly_text import open_text_encoder
    from photosearch.perception.describer import Describer
    from training.text_side import learn_texts

    settings = load_settings(home)
    asked = settings.services
    describer = None
    if asked.describer_url:
        describer = Describer(asked.describer_url, asked.describer_model, asked.describer_key)
    encode = open_text_encoder(settings)
    report = learn_texts(settings.home, settings.params.text, encode, describer=describer)
    _finish(settings.home, "text", report)


@app.command()
def evaluate(  # noqa: PLR0913, PLR0917 - options have names
    source: Annotated[
        str | None, typer.Option("--source", help="Folder to measure a release on.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Only reviews of this split.")] = None,
    gallery: Annotated[str, typer.Option(help="`source` or `index`.")] = "source",
    release: Annotated[str | None, typer.Option(help="Default: the live one.")] = None,
    json: Annotated[Path | None, typer.Option(help="Where the report goes.")] = None,
    home: HomeOption = None,
) -> None:
    """Stage: measure the candidate; with --source: measure a release on any folder."""
    from photosearch.assembly import evaluate_on_folder, load_settings, open_source
    from photosearch.evaluation.photo_to_card import evaluate as evaluate_candidate
    from photosearch.evaluation.report import as_markdown
    from photosearch.report import save_report

    settings = load_settings(home)
    if source is None:
        report = evaluate_candidate(settings.home)
    else:
        report = evaluate_on_folder(
            settings, open_source(source), split=split, gallery=gallery, release=release
        )
    if json is not None:
        save_report(json, report)
    typer.echo(as_markdown(report))


@flows_app.command("serve")
def flows_serve(source: SourceOption, home: HomeOption = None) -> None:
    """Register every flow with its schedule on the Prefect server, and run what is due."""
    from flows.deployments import serve_deployments
    from photosearch.assembly import find_home

    serve_deployments(find_home(home).root, source=source)


@data_app.command("log")
def data_log(
    home: HomeOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Newest snapshots to tell.")] = 20,
) -> None:
    """Tell the snapshots apart: version, source, counts and what changed in each."""
    from photosearch.assembly import find_home
    from photosearch.catalog.history import as_text, read_history

    typer.echo(as_text(read_history(find_home(home), limit=limit)))


def _finish(home: Home, stage: str, report: object) -> None:
    """Keeps a stage's report for DVC and tells it in one line."""
    from photosearch.report import one_line, save_report

    save_report(home.reports / f"{stage}.json", report)
    logging.getLogger(__name__).info("%s: %s", stage, one_line(report))


def _is_no_message_of_ours(record: logging.LogRecord) -> bool:
    """Prefect would print a traceback of an error that `main` tells in one line."""
    return not (record.exc_info and isinstance(record.exc_info[1], PhotosearchError))
