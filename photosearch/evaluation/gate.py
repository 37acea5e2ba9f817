"""The step `gate`: the candidate against the champion on the same queries."""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

from photosearch.catalog.images import load
from photosearch.catalog.schemas import Card, CuratedPhoto, Label
from photosearch.catalog.tables import read_rows
from photosearch.embedding.catalog_vectors import VectorsOf, catalog_vectors
from photosearch.embedding.model import ModelManifest, read_model
from photosearch.embedding.tokens import open_tokens
from photosearch.embedding.torch_runtime import TorchEmbedder
from photosearch.errors import HomeNotReady
from photosearch.evaluation.benchmark import measure
from photosearch.evaluation.budgets import PHOTOS_TIMED, Budget, measure_budget
from photosearch.evaluation.leakage import Leak, find_leaks
from photosearch.evaluation.metrics import PerQuery
from photosearch.evaluation.photo_to_card import (
    Task,
    cached_vectors,
    load_task,
    rank_task,
)
from photosearch.evaluation.promotion import Contest, Verdict, judge
from photosearch.evaluation.verdict_file import keep_verdict, read_verdict
from photosearch.home import Home
from photosearch.judging_settings import GateParams

log = logging.getLogger(__name__)

RULES = 3
"""Raised with every change of what the gate looks at: verdicts by other rules do not stand."""


def hold_contest(
    home: Home, gate: GateParams, *, champion: Path, withdrawn: str | None = None
) -> Verdict:
    """Judges `home.candidate` and writes verdict.json and verdict.md into `home.evaluation`.

    A contest that was held already, over the same models, photos, labels and rules, keeps its
    verdict and any override: latency would differ each time.

    Args:
        home: Gives candidate, tokens, labels and curated photos.
        gate: See params.yaml.
        champion: A model folder, of this tower or another.
        withdrawn: When and why somebody rolled back from the candidate; None if nobody did.
    """
    candidate, other = read_model(home.candidate), read_model(champion)
    contest_id = _contest_id(home, gate, f"{candidate.model_id} {other.model_id} {withdrawn}")
    try:
        kept = read_verdict(home)
    except HomeNotReady:
        kept = None
    if kept is not None and kept.contest_id == contest_id:
        log.info("candidate %s was judged in this very contest: its verdict stands",
                 candidate.model_id)  # fmt: skip
        return kept
    task = load_task(home)
    metrics = _metrics(home, task, gate, champion=champion)
    contest = Contest(
        champion_id=other.model_id,
        champion_kind=other.head.kind,
        candidate_id=candidate.model_id,
        champion=metrics.champion[min(gate.length, max(other.head.lengths))],
        candidate=metrics.candidate[gate.length],
        slices={"seen": task.is_seen.tolist(), "unseen": (~task.is_seen).tolist()},
        categories=_categories(home, task),
        lengths=metrics.at_other_lengths(gate.length),
        budget=_budget(home, task),
        leaks=_leaks(home, task),
        withdrawn=withdrawn,
        products=[task.group_of_card[photo.card_id] for photo in task.queries],
    )
    verdict = judge(contest, gate, contest_id=contest_id)
    keep_verdict(home, verdict)
    return verdict


@dataclass(frozen=True, slots=True)
class _Metrics:
    """The gate's metric by vector length, of both models."""

    champion: dict[int, PerQuery]
    candidate: dict[int, PerQuery]

    def at_other_lengths(self, length: int) -> dict[int, PerQuery]:
        return {
            other: self.candidate[other] - self.champion[other]
            for other in self.candidate
            if other != length and other in self.champion
        }


def _metrics(home: Home, task: Task, gate: GateParams, *, champion: Path) -> _Metrics:
    candidate, other = read_model(home.candidate), read_model(champion)

    def by_length(vectors_of: VectorsOf, model: ModelManifest) -> dict[int, PerQuery]:
        rankings = rank_task(task, vectors_of, model.head.lengths)
        return {length: measure(ranking)[gate.metric] for length, ranking in rankings.items()}

    champion_vectors = catalog_vectors(home, champion, TorchEmbedder(champion))
    return _Metrics(
        by_length(champion_vectors, other),
        by_length(cached_vectors(home, home.candidate), candidate),
    )


def _categories(home: Home, task: Task) -> dict[str, list[bool]]:
    """Queries of each top category; cards without one are told apart as `none`."""
    cards = read_rows(home.curated / "cards.parquet", Card)
    category_of = {card.card_id: (card.category or ["none"])[0] for card in cards}
    of_query = [category_of[photo.card_id] for photo in task.queries]
    return {name: [name == other for other in of_query] for name in sorted(set(of_query))}


def _budget(home: Home, task: Task) -> Budget:
    photos = [load(home.images, photo.sha256) for photo in task.queries[:PHOTOS_TIMED]]
    return measure_budget(home.candidate, TorchEmbedder(home.candidate), photos)


def _leaks(home: Home, task: Task) -> list[Leak]:
    return find_leaks(
        read_rows(home.curated / "photos.parquet", CuratedPhoto),
        task.group_of_card,
        trained_ids=[row.photo_id for row in open_tokens(home.tokens).rows if row.split == "train"],
        labels=read_rows(home.labels, Label) if home.labels.exists() else [],
    )


def _contest_id(home: Home, gate: GateParams, models: str) -> str:
    digest = hashlib.sha256(f"{RULES} {models} {gate.model_dump_json()}".encode())
    for table in (home.curated / "photos.parquet", home.curated / "cards.parquet", home.labels):
        digest.update(table.read_bytes() if table.exists() else b"absent")
    digest.update((home.tokens / "rows.parquet").read_bytes())
    return digest.hexdigest()[:12]
