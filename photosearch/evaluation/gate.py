"""The step `gate`: the candidate against the champion on the same queries, and the verdict kept."""

import json
from pathlib import Path

from photosearch.embedding.model import read_model
from photosearch.embedding.tokens import open_tokens
from photosearch.embedding.torch_runtime import TorchEmbedder
from photosearch.errors import HomeNotReady
from photosearch.evaluation.benchmark import measure
from photosearch.evaluation.metrics import PerQuery
from photosearch.evaluation.photo_to_card import (
    Task,
    VectorsOf,
    cached_vectors,
    embedded_vectors,
    load_task,
    rank_task,
)
from photosearch.evaluation.promotion import Contest, Verdict, judge
from photosearch.home import Home
from photosearch.report import save_report, write_text
from photosearch.settings import GateParams


def hold_contest(home: Home, gate: GateParams, *, champion: Path) -> Verdict:
    """Judges `home.candidate` and writes verdict.json and verdict.md into `home.evaluation`.

    Args:
        home: Gives candidate, tokens and curated photos.
        gate: See params.yaml.
        champion: A model folder, of this tower or another.
    """
    task, candidate, manifest = load_task(home), read_model(home.candidate), read_model(champion)
    length = min(gate.length, max(manifest.head.lengths))
    is_cached = manifest.tower_id == open_tokens(home.tokens).tower_id
    champion_vectors = (
        cached_vectors(home, champion)
        if is_cached
        else embedded_vectors(home, TorchEmbedder(champion))
    )
    is_seen = task.is_seen
    contest = Contest(
        champion_id=manifest.model_id,
        champion_kind=manifest.head.kind,
        candidate_id=candidate.model_id,
        champion=_metric(task, champion_vectors, gate.metric, length),
        candidate=_metric(task, cached_vectors(home, home.candidate), gate.metric, gate.length),
        slices={"seen": is_seen.tolist(), "unseen": (~is_seen).tolist()},
    )
    verdict = judge(contest, gate)
    save_report(home.evaluation / "verdict.json", verdict)
    write_text(home.evaluation / "verdict.md", as_markdown(verdict))
    return verdict


def read_verdict(home: Home) -> Verdict:
    """The last verdict; raises HomeNotReady if none was given yet."""
    try:
        return Verdict(**json.loads((home.evaluation / "verdict.json").read_text()))
    except (OSError, TypeError, ValueError):
        raise HomeNotReady(
            f"{home.evaluation} has no verdict on the candidate. Run `photosearch gate`."
        ) from None


def as_markdown(verdict: Verdict) -> str:
    """The verdict as a person reads it."""
    outcome = "PROMOTED" if verdict.is_promoted else "REFUSED"
    return (
        f"**{outcome}**: {verdict.metric} at {verdict.length}: candidate {verdict.candidate_id} "
        f"{verdict.candidate_mean:.4f}, champion {verdict.champion_id} "
        f"({verdict.champion_kind} pooling) {verdict.champion_mean:.4f}, "
        f"{verdict.n_queries} queries\n\n" + "".join(f"- {reason}\n" for reason in verdict.reasons)
    )


def _metric(task: Task, vectors_of: VectorsOf, name: str, length: int) -> PerQuery:
    return measure(rank_task(task, vectors_of, [length])[length])[name]
