"""Puts a release together: model, graph, index, card facts, thumbnails; sealed when proved."""

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image

from photosearch.catalog.images import load
from photosearch.catalog.pull import load_snapshot
from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import read_rows, write_table
from photosearch.embedding.catalog_vectors import VectorsOf
from photosearch.embedding.embedder import shorten
from photosearch.embedding.model import ModelManifest, read_model
from photosearch.errors import IndexUnavailable
from photosearch.evaluation.calibration import Calibration, calibrate, save_calibration
from photosearch.home import Home
from photosearch.index.filters import Listing, listing_of
from photosearch.index.lifecycle import fill, index_id, verify
from photosearch.index.vector_index import Batch, VectorIndex
from photosearch.index_settings import IndexParams
from photosearch.judging_settings import CalibrationParams
from photosearch.release import Manifest, Release, list_releases, open_release, seal
from photosearch.search.model_card import make_card, save_card
from photosearch.search.shown_cards import ask_held_out, is_indexed
from photosearch.search.thumbnails import write_thumbnails

log = logging.getLogger(__name__)

PHOTOS_A_BATCH = 64
GOLDEN_PHOTOS = 16
"""Photos of the index that go with the graph, so that each machine can prove its runtime."""


@dataclass(frozen=True, slots=True)
class ReleaseReport:
    release: str
    model_id: str
    index_id: str
    data_version: str
    cards: int
    photos: int
    recall_at_10_vs_exact: float
    is_new: bool
    """False if a release of the same model, photos, engine and settings was there already."""


@dataclass(frozen=True, slots=True)
class IndexEngine:
    """Which index a release gets."""

    kind: str
    """`qdrant_edge`, or `qdrant_server`."""
    create: Callable[[Path, str, int, str], VectorIndex]
    """Makes an empty index: the release's index folder, the release's name, dim, model id."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How releases are made in a home."""

    engine: IndexEngine
    index: IndexParams
    calibration: CalibrationParams
    settings: dict[str, Any]
    """All params, by section: the model card tells them."""
    export: Callable[[Path, Path, list[Image.Image]], object]
    """Writes the graph of a model folder into another folder, proved on photos."""


def build_release(home: Home, model: Path, vectors_of: VectorsOf, recipe: Recipe) -> ReleaseReport:
    """Embeds what the index holds, proves the index, and writes the release under its final name.

    The index holds every gallery picture and every training photo of a buyer: queries of the
    evaluation stay out, so that what is measured through it was never stored in it. A killed run
    leaves only a folder without release.json, which the next run removes.

    Args:
        home: Gives curated cards, photos and images; gets the folder under releases/.
        model: The model artifact's folder, copied into the release.
        vectors_of: Gives vectors of curated photos by this model.
        recipe: See its fields.

    Raises:
        IndexUnavailable: The index finds too few of the true neighbours to go live.
        GraphDisagrees: The graph makes other vectors than the model.
    """
    photos = indexed_photos(home)
    wanted = _manifest(home, photos, read_model(model), recipe)
    for release in list_releases(home.releases):
        if _is_same(release.manifest, wanted):
            return _report(release, is_new=False)
    _clear_unfinished(home.releases)
    folder = home.releases / f".{wanted.release}.{os.getpid()}"
    shutil.copytree(model, folder / "model")
    golden = photos[:: -(-len(photos) // GOLDEN_PHOTOS)]
    recipe.export(model, folder / "graph", [load(home.images, p.sha256) for p in golden])
    cards = read_rows(home.curated / "cards.parquet", Card)
    shutil.copyfile(home.curated / "cards.parquet", folder / "cards.parquet")
    write_table(folder / "photos.parquet", CuratedPhoto, photos)
    write_thumbnails(folder, cards, photos=photos, images_dir=home.images)
    made, calibration = _fill_and_prove(home, folder, wanted, vectors_of=vectors_of, recipe=recipe)
    if calibration is not None:
        save_calibration(folder, calibration)
    card = make_card(
        home, made, read_model(model), calibration=calibration, settings=recipe.settings
    )
    save_card(folder, card)
    seal(folder, made)
    folder.rename(home.releases / made.release)
    return _report(open_release(home.releases / made.release), is_new=True)


def indexed_photos(home: Home) -> list[CuratedPhoto]:
    """The curated photos an index holds: gallery pictures, and buyers' photos of training."""
    photos = read_rows(home.curated / "photos.parquet", CuratedPhoto)
    return [photo for photo in photos if is_indexed(photo)]


def _manifest(
    home: Home, photos: Sequence[CuratedPhoto], model: ModelManifest, recipe: Recipe
) -> Manifest:
    """What the release will say of itself, but for its recall."""
    names = [f"{photo.photo_id}\0{photo.sha256}" for photo in photos]
    created_at = datetime.now(UTC)
    content = index_id(
        model.model_id,
        dim=recipe.index.dim,
        quantisation=recipe.index.quantisation,
        photo_ids=names,
    )
    return Manifest(
        release=f"{created_at:%Y%m%dT%H%M%S}-{model.model_id[:6]}-{content[:6]}",
        model_id=model.model_id,
        index_id=content,
        data_version=load_snapshot(home.catalog).data_version,
        index_kind=recipe.engine.kind,
        dim=recipe.index.dim,
        lengths=list(model.head.lengths),
        n_photos=len(photos),
        n_cards=len({photo.card_id for photo in photos}),
        created_at=created_at.isoformat(timespec="seconds"),
        recall_at_10_vs_exact=0.0,
        hits_per_query=recipe.index.hits_per_query,
        abstain_precision=recipe.calibration.precision,
        has_graph=True,
    )


def _embedded(
    photos: Sequence[CuratedPhoto],
    listings: Mapping[str, Listing],
    *,
    vectors_of: VectorsOf,
    dim: int,
) -> Iterator[Batch]:
    for start in range(0, len(photos), PHOTOS_A_BATCH):
        batch = photos[start : start + PHOTOS_A_BATCH]
        photo_ids = [photo.photo_id for photo in batch]
        of_cards = [listings[photo.card_id] for photo in batch]
        yield photo_ids, of_cards, shorten(vectors_of(batch), dim)


def _is_same(made: Manifest, wanted: Manifest) -> bool:
    """Whether a release answers every query as the wanted one would."""
    found_out_later = ("release", "created_at", "recall_at_10_vs_exact")
    return all(
        getattr(made, field.name) == getattr(wanted, field.name)
        for field in fields(Manifest)
        if field.name not in found_out_later
    )


def _fill_and_prove(
    home: Home, folder: Path, wanted: Manifest, *, vectors_of: VectorsOf, recipe: Recipe
) -> tuple[Manifest, Calibration | None]:
    """Fills the index, proves it against exact search, calibrates its cosines, and closes it."""
    photos = read_rows(folder / "photos.parquet", CuratedPhoto)
    cards = read_rows(folder / "cards.parquet", Card)
    listings = {card.card_id: listing_of(card) for card in cards}
    batches = _embedded(photos, listings, vectors_of=vectors_of, dim=wanted.dim)
    empty = recipe.engine.create(folder / "index", wanted.release, wanted.dim, wanted.model_id)
    with closing(empty) as index:
        fill(index, batches, len(photos))
        recall, bar = verify(index), recipe.index.min_recall_vs_exact
        if recall < bar:
            raise IndexUnavailable(
                f"The new index finds {recall:.3f} of the true 10 nearest photos, less than the "
                f"{bar} of index.min_recall_vs_exact in params.yaml. It stays out; the live "
                "release goes on. Rebuild it, or lower the bar."
            )
        shown = ask_held_out(
            home, vectors_of, index,
            hits_per_query=wanted.hits_per_query, queries_max=recipe.calibration.queries_max,
        )  # fmt: skip
    calibration = calibrate(
        shown,
        precision=recipe.calibration.precision,
        model_id=wanted.model_id,
        index_id=wanted.index_id,
    )
    if calibration is None:
        log.warning(
            "%d held-out queries are too few to calibrate on: release %s says no probabilities",
            len(shown.products), wanted.release,
        )  # fmt: skip
    return replace(wanted, recall_at_10_vs_exact=round(recall, 4)), calibration


def _clear_unfinished(releases: Path) -> None:
    """Removes what killed runs left; two refreshes at once are refused by the flow."""
    for leftover in releases.glob(".*-*"):
        if leftover.is_dir():
            shutil.rmtree(leftover)


def _report(release: Release, *, is_new: bool) -> ReleaseReport:
    manifest = release.manifest
    return ReleaseReport(
        release=manifest.release,
        model_id=manifest.model_id,
        index_id=manifest.index_id,
        data_version=manifest.data_version,
        cards=manifest.n_cards,
        photos=manifest.n_photos,
        recall_at_10_vs_exact=manifest.recall_at_10_vs_exact,
        is_new=is_new,
    )
