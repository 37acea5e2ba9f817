"""Builds a release anew: model, graph, index, card facts, thumbnails; sealed when proved."""

import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from photosearch.catalog.images import load
from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import read_rows, read_table, rows_of, write_table
from photosearch.embedding.catalog_vectors import VectorsOf
from photosearch.embedding.embedder import shorten
from photosearch.embedding.model import read_model
from photosearch.evaluation.calibration import Calibration, calibrate, save_calibration
from photosearch.home import Home
from photosearch.index.filters import Listing, listing_of
from photosearch.index.lifecycle import fill
from photosearch.index.vector_index import Batch
from photosearch.judging_settings import CalibrationParams
from photosearch.progress import Steps
from photosearch.release import Manifest, Release, list_releases, open_release, seal
from photosearch.search.canaries import canaries_of, spread, write_canaries
from photosearch.search.model_card import make_card, save_card
from photosearch.search.release_recipe import (
    Recipe,
    ReleaseReport,
    clear_unfinished,
    is_same,
    manifest_of,
    prove,
    report_of,
    write_parts,
)
from photosearch.search.shown_cards import ask_held_out, indexed_rows
from photosearch.search.steps import Search
from photosearch.search.thumbnails import write_thumbnails
from photosearch.search.trial_search import search_of

log = logging.getLogger(__name__)

PHOTOS_A_BATCH = 64
GOLDEN_PHOTOS = 16
"""Photos of the index that go with the graph, so that each machine can prove its runtime."""


def build_release(
    home: Home,
    model: Path,
    vectors_of: VectorsOf,
    recipe: Recipe,
    *,
    because: str = "the model is released",
) -> ReleaseReport:
    """Embeds what the index holds, proves the index, and writes the release under its final name.

    The index holds every gallery picture and every training photo of a buyer: queries of the
    evaluation stay out, so that what is measured through it was never stored in it. It is built
    beside the live one, which goes on answering. A killed run leaves only a folder without
    release.json, which the next run removes.

    Args:
        home: Gives curated cards, photos and images; gets the folder under releases/. The caller
            holds its releases: `release_lock.alone`.
        model: The model artifact's folder, copied into the release.
        vectors_of: Gives vectors of curated photos by this model.
        recipe: See its fields.
        because: Why it is built anew, for the report.

    Raises:
        IndexUnavailable: The index finds too few of the true neighbours to go live.
        GraphDisagrees: The graph makes other vectors than the model.
    """
    table = indexed_rows(read_table(home.curated / "photos.parquet", CuratedPhoto))
    wanted = manifest_of(home, table, read_model(model), recipe)
    for release in list_releases(home.releases):
        if is_same(release.manifest, wanted):
            return report_of(release)
    clear_unfinished(home.releases, recipe.engine)
    folder, steps = home.releases / f".{wanted.release}.{os.getpid()}", Steps("release")
    photos = list(rows_of(table, CuratedPhoto))
    with steps.step("copy the model and export its graph"):
        shutil.copytree(model, folder / "model")
        golden = photos[:: -(-len(photos) // GOLDEN_PHOTOS)]
        recipe.export(model, folder / "graph", [load(home.images, p.sha256) for p in golden])
    with steps.step("copy cards and draw thumbnails"):
        cards = read_rows(home.curated / "cards.parquet", Card)
        shutil.copyfile(home.curated / "cards.parquet", folder / "cards.parquet")
        write_table(folder / "photos.parquet", CuratedPhoto, photos)
        write_thumbnails(folder, cards, photos=photos, images_dir=home.images)
    with steps.step("build the index and prove it"):
        made, calibration = _fill_and_prove(
            home, folder, wanted, vectors_of=vectors_of, recipe=recipe
        )
    release = finish(home, folder, made, calibration=calibration, settings=recipe.settings)
    return replace(
        report_of(release),
        is_new=True,
        embedded=len(photos),
        built_anew_because=because,
        seconds=steps.seconds,
    )


def finish(
    home: Home,
    folder: Path,
    made: Manifest,
    *,
    calibration: Calibration | None,
    settings: Mapping[str, Any],
) -> Release:
    """Writes calibration and model card of a release folder, seals it and gives it its name."""
    if calibration is not None:
        save_calibration(folder, calibration)
    model = read_model(folder / "model")
    save_card(folder, make_card(home, made, model, calibration=calibration, settings=settings))
    seal(folder, made)
    folder.rename(home.releases / made.release)
    return open_release(home.releases / made.release)


def calibrated(
    home: Home, wanted: Manifest, vectors_of: VectorsOf, search: Search, params: CalibrationParams
) -> Calibration | None:
    """The curve of a release that is searched by `search`; None where too few photos can ask."""
    shown = ask_held_out(home, vectors_of, search, queries_max=params.queries_max)
    calibration = calibrate(
        shown,
        precision=params.precision,
        model_id=wanted.model_id,
        index_id=wanted.index_id,
    )
    if calibration is None:
        log.warning(
            "%d held-out queries are too few to calibrate on: release %s says no probabilities",
            len(shown.products), wanted.release,
        )  # fmt: skip
    return calibration


def embedded(
    photos: Sequence[CuratedPhoto],
    listings: Mapping[str, Listing],
    *,
    vectors_of: VectorsOf,
    dim: int,
) -> Iterator[Batch]:
    """Photos with listings and vectors of the index's length, some at a time."""
    for start in range(0, len(photos), PHOTOS_A_BATCH):
        batch = photos[start : start + PHOTOS_A_BATCH]
        photo_ids = [photo.photo_id for photo in batch]
        of_cards = [listings[photo.card_id] for photo in batch]
        yield photo_ids, of_cards, shorten(vectors_of(batch), dim)


def _fill_and_prove(
    home: Home, folder: Path, wanted: Manifest, *, vectors_of: VectorsOf, recipe: Recipe
) -> tuple[Manifest, Calibration | None]:
    """Fills the index, proves it against exact search, calibrates its scores, and closes it."""
    photos = read_rows(folder / "photos.parquet", CuratedPhoto)
    cards = read_rows(folder / "cards.parquet", Card)
    listings = {card.card_id: listing_of(card) for card in cards}
    batches = embedded(photos, listings, vectors_of=vectors_of, dim=wanted.dim)
    empty = recipe.engine.create(folder / "index", wanted.release, wanted.dim, wanted.model_id)
    known = spread(photos)
    canaries = canaries_of(known, shorten(vectors_of(known), wanted.dim))
    write_canaries(folder, canaries)
    with closing(empty) as index:
        fill(index, batches, len(photos))
        recall = prove(index, wanted, canaries, min_recall=recipe.index.min_recall_vs_exact)
        write_parts(folder, index, recipe)
        search = search_of(folder, wanted, index)
        calibration = calibrated(home, wanted, vectors_of, search, recipe.calibration)
    return replace(wanted, recall_at_10_vs_exact=round(recall, 4)), calibration
