"""Puts a release folder together: model, index, card facts, thumbnails; sealed when proved."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

from photosearch.catalog.images import load
from photosearch.catalog.pull import load_snapshot
from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import read_rows, write_table
from photosearch.embedding.embedder import Embedder, shorten
from photosearch.errors import IndexUnavailable
from photosearch.home import Home
from photosearch.index.lifecycle import Batch, fill, index_id, verify
from photosearch.index.vector_index import VectorIndex
from photosearch.release import Manifest, Release, list_releases, open_release, seal
from photosearch.search.thumbnails import write_thumbnails
from photosearch.settings import IndexParams

PHOTOS_A_BATCH = 64


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


def build_release(
    home: Home, model: Path, embedder: Embedder, *, engine: IndexEngine, index: IndexParams
) -> ReleaseReport:
    """Embeds what the index holds, proves the index, and writes the release under its final name.

    The index holds every gallery picture and every training photo of a buyer: queries of the
    evaluation stay out, so that what is measured through it was never stored in it. A killed run
    leaves only a folder without release.json, which the next run removes.

    Args:
        home: Gives curated cards, photos and images; gets the folder under releases/.
        model: The model artifact's folder, copied into the release.
        embedder: The same model, running.
        engine: Makes the index.
        index: See params.yaml.

    Raises:
        IndexUnavailable: The index finds too few of the true neighbours to go live.
    """
    photos = indexed_photos(home)
    names = [f"{photo.photo_id}\0{photo.sha256}" for photo in photos]
    created_at = datetime.now(UTC)
    content = index_id(embedder.model_id, dim=index.dim, photo_ids=names)
    manifest = Manifest(
        release=f"{created_at:%Y%m%dT%H%M%S}-{embedder.model_id[:6]}-{content[:6]}",
        model_id=embedder.model_id,
        index_id=content,
        data_version=load_snapshot(home.catalog).data_version,
        index_kind=engine.kind,
        dim=index.dim,
        lengths=list(embedder.lengths),
        n_photos=len(photos),
        n_cards=len({photo.card_id for photo in photos}),
        created_at=created_at.isoformat(timespec="seconds"),
        recall_at_10_vs_exact=0.0,
        hits_per_query=index.hits_per_query,
    )
    for release in list_releases(home.releases):
        if _is_same(release.manifest, manifest):
            return _report(release, is_new=False)
    folder = home.releases / f".{manifest.release}.{os.getpid()}"
    _clear_unfinished(home.releases)
    shutil.copytree(model, folder / "model")
    cards = read_rows(home.curated / "cards.parquet", Card)
    shutil.copyfile(home.curated / "cards.parquet", folder / "cards.parquet")
    write_table(folder / "photos.parquet", CuratedPhoto, photos)
    write_thumbnails(folder, cards, photos=photos, images_dir=home.images)
    empty = engine.create(folder / "index", manifest.release, index.dim, embedder.model_id)
    batches = _embedded(photos, home.images, embedder, index.dim)
    recall = _fill_and_prove(empty, batches, n_photos=len(photos), bar=index.min_recall_vs_exact)
    seal(folder, replace(manifest, recall_at_10_vs_exact=round(recall, 4)))
    folder.rename(home.releases / manifest.release)
    return _report(open_release(home.releases / manifest.release), is_new=True)


def indexed_photos(home: Home) -> list[CuratedPhoto]:
    """The curated photos an index holds: gallery pictures, and buyers' photos of training."""
    photos = read_rows(home.curated / "photos.parquet", CuratedPhoto)
    return [photo for photo in photos if photo.kind == "gallery" or photo.split == "train"]


def _embedded(
    photos: Sequence[CuratedPhoto], images: Path, embedder: Embedder, dim: int
) -> Iterator[Batch]:
    for start in range(0, len(photos), PHOTOS_A_BATCH):
        batch = photos[start : start + PHOTOS_A_BATCH]
        vectors = embedder.embed([load(images, photo.sha256) for photo in batch])
        photo_ids, card_ids = [p.photo_id for p in batch], [p.card_id for p in batch]
        yield photo_ids, card_ids, shorten(vectors, dim)


def _is_same(made: Manifest, wanted: Manifest) -> bool:
    """Whether a release answers every query as the wanted one would."""
    found_out_later = ("release", "created_at", "recall_at_10_vs_exact")
    return all(
        getattr(made, field.name) == getattr(wanted, field.name)
        for field in fields(Manifest)
        if field.name not in found_out_later
    )


def _fill_and_prove(
    empty: VectorIndex, batches: Iterator[Batch], *, n_photos: int, bar: float
) -> float:
    """Fills the index and closes it; returns recall@10 against exact, which must reach the bar."""
    with closing(empty) as index:
        fill(index, batches, n_photos)
        recall = verify(index)
    if recall < bar:
        raise IndexUnavailable(
            f"The new index finds {recall:.3f} of the true 10 nearest photos, less than the "
            f"{bar} of index.min_recall_vs_exact in params.yaml. It stays out; the live release "
            "goes on. Rebuild it, or lower the bar."
        )
    return recall


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
