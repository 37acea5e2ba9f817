"""The task photo -> card: buyers' photos never seen in training ask for cards by their pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photosearch.catalog.pull import load_snapshot
from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import read_rows
from photosearch.embedding.catalog_vectors import VectorsOf
from photosearch.embedding.embedder import Vectors
from photosearch.embedding.head import build_head
from photosearch.embedding.model import HeadShape, mean_pooling_of, read_model
from photosearch.embedding.tokens import open_tokens
from photosearch.embedding.torch_runtime import load_head, pool_tokens
from photosearch.errors import EmptySource
from photosearch.evaluation.benchmark import Gallery, PhotoVectors, Ranking, rank_cards
from photosearch.evaluation.report import (
    EvaluationReport,
    Measured,
    save_evaluation,
    slice_reports,
)
from photosearch.home import Home

PHOTOS_A_BATCH = 64
ROWS_A_BATCH = 1024
"""Of the token cache."""


@dataclass(frozen=True, slots=True)
class Task:
    """Curated photos parted into queries and gallery."""

    queries: list[CuratedPhoto]
    """Buyers' photos of the splits `val` and `test`."""
    gallery: list[CuratedPhoto]
    """The cards' own pictures."""
    group_of_card: dict[str, str]

    @property
    def is_seen(self) -> NDArray[np.bool_]:
        """(n_queries,): had the query's product other photos in training?"""
        return np.array([photo.is_card_seen for photo in self.queries], np.bool_)


def load_task(home: Home) -> Task:
    """Reads the curated tables.

    Raises:
        EmptySource: No photo is left to ask with.
    """
    photos = read_rows(home.curated / "photos.parquet", CuratedPhoto)
    cards = read_rows(home.curated / "cards.parquet", Card)
    queries = [photo for photo in photos if photo.kind == "review" and photo.split != "train"]
    if not queries:
        raise EmptySource(
            f"None of {len(photos)} curated photos is a query. Give reviews a split, or raise "
            "curation.test_card_share in params.yaml."
        )
    gallery = [photo for photo in photos if photo.kind == "gallery"]
    return Task(queries, gallery, {card.card_id: card.group_id for card in cards})


def evaluate(home: Home) -> EvaluationReport:
    """The stage `evaluate`: measures the candidate, writes report.json, report.md and recall.png.

    Raises:
        EmptySource: No photo is left to ask with.
        BadArtifact: Tokens or candidate are incomplete.
    """
    task, manifest = load_task(home), read_model(home.candidate)
    mean = mean_pooling_of(manifest.head)
    model = rank_task(task, cached_vectors(home, home.candidate), manifest.head.lengths)
    baseline = rank_task(task, mean_vectors(home, mean), mean.lengths)
    parts = slice_reports(Measured(model, baseline, task.is_seen))
    report = EvaluationReport(
        queries=len(task.queries),
        cards=len({photo.card_id for photo in task.gallery}),
        gallery="source",
        lengths=parts["all"].lengths,
        baseline=parts["all"].baseline,
        slices={name: part for name, part in parts.items() if name != "all"},
        skipped=0,
        release="candidate",
        model_id=manifest.model_id,
        data_version=load_snapshot(home.catalog).data_version,
    )
    save_evaluation(home.evaluation, report)
    return report


def cached_vectors(home: Home, model: Path) -> VectorsOf:
    """Vectors by a model's head from the token cache; its tower must have made the cache."""
    head = load_head(model, read_model(model))
    return _from_cache(home, lambda tokens: pool_tokens(head, tokens))


def mean_vectors(home: Home, mean: HeadShape) -> VectorsOf:
    """Vectors by mean pooling of the token cache."""
    head = build_head(mean)
    return _from_cache(home, lambda tokens: pool_tokens(head, tokens))


def rank_task(task: Task, vectors_of: VectorsOf, lengths: Sequence[int]) -> dict[int, Ranking]:
    """Ranks the task's cards for every query at each length."""
    query_groups = [task.group_of_card[photo.card_id] for photo in task.queries]
    gallery_groups = [task.group_of_card[photo.card_id] for photo in task.gallery]
    queries = PhotoVectors(query_groups, vectors_of(task.queries))
    card_ids = [photo.card_id for photo in task.gallery]
    gallery = Gallery(card_ids, gallery_groups, vectors_of(task.gallery))
    return {length: rank_cards(queries, gallery, length=length) for length in lengths}


def _from_cache(home: Home, pool: Callable[[Vectors], Vectors]) -> VectorsOf:
    cache = open_tokens(home.tokens)
    row_of = {row.photo_id: number for number, row in enumerate(cache.rows) if row.view == 0}

    def vectors_of(photos: Sequence[CuratedPhoto]) -> Vectors:
        rows = [row_of[photo.photo_id] for photo in photos]
        parts = [
            pool(cache.read(rows[start : start + ROWS_A_BATCH]).float().numpy())
            for start in range(0, len(rows), ROWS_A_BATCH)
        ]
        return np.concatenate(parts)

    return vectors_of
