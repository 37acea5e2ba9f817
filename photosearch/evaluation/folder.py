"""Measures a model on any folder in the source format, also one it has never seen."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photosearch.catalog.schemas import Card, CuratedPhoto, Photo
from photosearch.catalog.tables import read_rows
from photosearch.embedding.catalog_vectors import embed_all
from photosearch.embedding.embedder import Embedder, Vectors, shorten
from photosearch.errors import EmptySource
from photosearch.evaluation.benchmark import (
    RANKS,
    Gallery,
    PhotoVectors,
    Ranking,
    rank_cards,
    relevant_cards,
)
from photosearch.evaluation.report import EvaluationReport, Measured, slice_reports
from photosearch.home import Home
from photosearch.release import Manifest

PHOTOS_A_BATCH = 64
Search = Callable[[Vectors], list[str]]
"""Card ids for one unit vector, best first, each once."""


@dataclass(frozen=True, slots=True)
class Models:
    """What is measured, what it is compared with, and the release they belong to."""

    model: Embedder
    baseline: Embedder
    manifest: Manifest
    seen_groups: set[str]
    """Product groups with buyers' photos or pictures in training."""


@dataclass(frozen=True, slots=True)
class LiveIndex:
    """What a release's index holds, and its search."""

    stored: Gallery
    """Photos and vectors of the index."""
    photos: list[CuratedPhoto]
    """The same photos; the baseline embeds them anew."""
    images: Path
    search: Search
    """The live search, at the index's own length."""
    search_exactly: Callable[[Vectors], Search]
    """A search of the same photos by other vectors, (n_photos, any length), with the same rule
    from photos to cards."""

    @property
    def dim(self) -> int:
        return int(self.stored.vectors.shape[1])


@dataclass(frozen=True, slots=True)
class FolderTask:
    """Photos of a pulled folder parted into queries and gallery."""

    queries: list[Photo]
    gallery: list[Photo]
    group_of_card: dict[str, str]
    images: Path
    skipped: int
    """Queries whose product cannot be found at all."""

    @property
    def query_groups(self) -> list[str]:
        return [self.group_of_card[photo.card_id] for photo in self.queries]

    def ask_with(self, embedder: Embedder) -> PhotoVectors:
        """The queries as an embedder sees them."""
        return PhotoVectors(self.query_groups, embed_all(self.queries, self.images, embedder))


def evaluate_folder(
    pulled: Home, models: Models, *, split: str | None, index: LiveIndex | None
) -> EvaluationReport:
    """Measures a release on a pulled folder.

    Args:
        pulled: Holds the folder's catalogue and images.
        models: Of the release.
        split: Ask only with review photos of this split; None asks with all.
        index: Search what it holds; None searches the folder's own card pictures.

    Raises:
        EmptySource: No query is left.
    """
    findable = None if index is None else set(index.stored.groups)
    task = folder_task(pulled, split=split, findable=findable)
    if index is None:
        model = rank_pictures(task, models.model)
        baseline = rank_pictures(task, models.baseline)
    else:
        model = rank_index(task, models.model, index)
        baseline = rank_index_anew(task, models.baseline, index)
    is_seen = np.array([group in models.seen_groups for group in task.query_groups], np.bool_)
    parts = slice_reports(Measured(model, baseline, is_seen))
    searched = index.stored.card_ids if index else [photo.card_id for photo in task.gallery]
    return EvaluationReport(
        queries=len(task.queries),
        cards=len(set(searched)),
        gallery="index" if index else "source",
        lengths=parts["all"].lengths,
        baseline=parts["all"].baseline,
        slices={name: part for name, part in parts.items() if name != "all"},
        skipped=task.skipped,
        release=models.manifest.release,
        model_id=models.manifest.model_id,
        data_version=models.manifest.data_version,
    )


def folder_task(pulled: Home, *, split: str | None, findable: set[str] | None) -> FolderTask:
    """Reads a pulled snapshot; `findable` product groups, or None for those with pictures in it."""
    cards = read_rows(pulled.catalog / "cards.parquet", Card)
    photos = read_rows(pulled.catalog / "photos.parquet", Photo)
    group_of = {card.card_id: card.group_id for card in cards}
    gallery = [photo for photo in photos if photo.kind == "gallery"]
    known = {group_of[photo.card_id] for photo in gallery} if findable is None else findable
    asked = [p for p in photos if p.kind == "review" and split in (None, p.split)]
    queries = [photo for photo in asked if group_of[photo.card_id] in known]
    if not queries:
        raise EmptySource(
            f"Nothing to ask: of {len(photos)} photos {len(asked)} are buyers' photos of split "
            f"{split!r}, and {len(queries)} of these show a product that can be found. Name "
            "another --split or --source, or use --gallery source."
        )
    return FolderTask(queries, gallery, group_of, pulled.images, len(asked) - len(queries))


def rank_pictures(task: FolderTask, embedder: Embedder) -> dict[int, Ranking]:
    """Ranks the folder's own card pictures, exactly, at each length."""
    gallery = Gallery(
        [photo.card_id for photo in task.gallery],
        [task.group_of_card[photo.card_id] for photo in task.gallery],
        embed_all(task.gallery, task.images, embedder),
    )
    queries = task.ask_with(embedder)
    return {length: rank_cards(queries, gallery, length=length) for length in embedder.lengths}


def rank_index(task: FolderTask, embedder: Embedder, index: LiveIndex) -> dict[int, Ranking]:
    """Ranks by the live search at its own length, and by its stored vectors at shorter ones."""
    queries = task.ask_with(embedder)
    rankings = {index.dim: rank_search(queries, index, index.search, length=index.dim)}
    for length in (length for length in embedder.lengths if length < index.dim):
        search = index.search_exactly(shorten(index.stored.vectors, length))
        rankings[length] = rank_search(queries, index, search, length=length)
    return rankings


def rank_index_anew(task: FolderTask, embedder: Embedder, index: LiveIndex) -> dict[int, Ranking]:
    """Ranks the same photos as the index holds, embedded by another embedder."""
    vectors = embed_all(index.photos, index.images, embedder)
    queries = task.ask_with(embedder)
    lengths = [length for length in embedder.lengths if length <= index.dim]
    searches = {length: index.search_exactly(shorten(vectors, length)) for length in lengths}
    return {
        length: rank_search(queries, index, search, length=length)
        for length, search in searches.items()
    }


def rank_search(queries: PhotoVectors, index: LiveIndex, search: Search, *, length: int) -> Ranking:
    """Ranks what a search answers to queries cut to `length`."""
    group_of = dict(zip(index.stored.card_ids, index.stored.groups, strict=True))
    found = np.zeros((len(queries.groups), RANKS), np.bool_)
    for row, vector in enumerate(shorten(queries.vectors, length)):
        answer = search(vector)[:RANKS]
        found[row, : len(answer)] = [group_of[card] == queries.groups[row] for card in answer]
    return Ranking(found, relevant_cards(queries.groups, list(group_of.values())))
