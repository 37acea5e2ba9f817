"""Makes the promoted candidate a release with its own index, beside the live one; switches."""

import logging
from pathlib import Path

from prefect import flow, task

from flows.shown import show_markdown, show_table
from photosearch.assembly import load_settings, model_to_release, release_model_folder
from photosearch.assembly_index import index_engine
from photosearch.assembly_ranking import vectors_to_rank
from photosearch.assembly_serving import point_alias
from photosearch.embedding.model import read_model
from photosearch.errors import HomeHeld, HomeNotReady
from photosearch.feedback.experiments import running_experiment
from photosearch.home import Home
from photosearch.release import live_release, switch_live
from photosearch.release_lock import alone
from photosearch.search.release_pruning import prune_releases
from photosearch.search.release_recipe import ReleaseReport
from photosearch.settings import load_services

log = logging.getLogger(__name__)


@task
def rank(home: Home) -> None:
    """Trains what orders results of the model to release; its verdict says whether it is used."""
    from training.ranker import is_up_to_date, train_home_ranker

    settings = load_settings(home.root)
    params = settings.params
    made_by = params.ranking, params.index, params.text_search
    model_id = read_model(model_to_release(settings)).model_id
    if not params.ranking.ranker.use or is_up_to_date(settings.home, model_id, *made_by):
        return
    try:
        report = train_home_ranker(settings.home, vectors_to_rank(settings), *made_by)
    except HomeHeld:
        raise
    except HomeNotReady as error:
        log.warning("no ranker is trained: %s", error)
        return
    log.info("ranker: %s", report.trial.reason)
    if report.words is not None:
        log.info("ranker beside words: %s", report.words.reason)


@task
def build(home: Home, model: Path) -> ReleaseReport:
    """Embeds what the index holds and writes the release folder; nothing is live yet."""
    return release_model_folder(load_settings(home.root), model)


@task
def go_live(home: Home, report: ReleaseReport) -> None:
    """Points at the release: model, index and card facts switch together; a server's alias too."""
    services = load_services()
    switch_live(home.releases, report.release)
    point_alias(live_release(home.releases), services)
    log.info("release %s is live", report.release)
    engine = index_engine(services, load_settings(home.root).params.index.quantisation)
    tried = running_experiment(home.experiments)
    spare = [tried.release] if tried is not None and tried.release is not None else []
    prune_releases(home.releases, engine, kept=services.releases_kept, spare=spare)


@flow(name="release-model")
def release_model(home: Path) -> ReleaseReport:
    """Releases the candidate if the gate promoted it, else the live model over fresh data."""
    rank(Home(home))  # a way back or a refresh need not wait for a training
    with alone(Home(home).releases, doing="releasing a model"):
        report = build(Home(home), model_to_release(load_settings(home)))
        go_live(Home(home), report)
    show_table("release", report)
    show_markdown("model-card", Home(home).releases / report.release / "MODEL_CARD.md")
    return report
