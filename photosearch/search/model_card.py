"""The model card: what a release is made of and how good it is; it travels with the release."""

import importlib.metadata
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photosearch.catalog.pull import load_snapshot
from photosearch.catalog.schemas import Card, CuratedPhoto, Label
from photosearch.catalog.tables import read_rows
from photosearch.embedding.model import ModelManifest, read_model
from photosearch.errors import HomeNotReady
from photosearch.evaluation.calibration import Calibration
from photosearch.evaluation.verdict_file import read_verdict
from photosearch.home import Home
from photosearch.release import Manifest, live_release
from photosearch.report import as_values, save_report, write_text

Facts = dict[str, Any]
UNKNOWN = "not known: this model was made before model cards, or its reports are gone"


@dataclass(frozen=True, slots=True)
class MadeOf:
    """How a model came to be; goes from release to release with the model."""

    data: Facts
    """The snapshot it was trained on: source, counts, photos by split."""
    labels: Facts
    """People's answers by kind, and where they come from."""
    settings: Facts
    """Params of tower, training, gate and calibration."""
    metrics: Facts
    """The offline report; by slice and vector length."""
    verdict: Facts
    """Of the gate, with its reasons and any override."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    release: str
    model: Facts
    """Ids, head, vector lengths."""
    made_of: MadeOf | None
    """None: not known."""
    index: Facts
    """What the release holds, of which snapshot."""
    calibration: Facts | None
    """None: too few held-out photos to calibrate on."""
    lineage: Facts


def make_card(
    home: Home,
    manifest: Manifest,
    model: ModelManifest,
    *,
    calibration: Calibration | None,
    settings: Mapping[str, Any],
) -> ModelCard:
    """Puts the card of a new release together.

    Args:
        home: Gives the reports of the candidate, and the card of the live release.
        manifest: Of the new release.
        model: Of its model.
        calibration: Of its index.
        settings: All params, by section.
    """
    before = live_release(home.releases).manifest if home.live.exists() else None
    return ModelCard(
        manifest.release,
        {
            "model_id": model.model_id,
            "tower_id": model.tower_id,
            "pooling": model.head.kind,
            "lengths": model.head.lengths,
        },
        made_of(home, model, settings),
        {
            "cards": manifest.n_cards,
            "photos": manifest.n_photos,
            "kind": manifest.index_kind,
            "dim": manifest.dim,
            "recall_at_10_vs_exact": manifest.recall_at_10_vs_exact,
        },
        None if calibration is None else as_values(calibration),
        {
            "trained_on": model.lineage.data_version,
            "labels_used": model.lineage.n_labels,
            "indexed": manifest.data_version,
            "index_id": manifest.index_id,
            "release_before": before.release if before else None,
            "model_before": before.model_id if before else None,
            "photosearch": importlib.metadata.version("photosearch"),
            "created_at": manifest.created_at,
        },
    )


def made_of(home: Home, model: ModelManifest, settings: Mapping[str, Any]) -> MadeOf | None:
    """Of the live model from its card, of a candidate from its reports; else not known.

    The card comes first: reports tell of the snapshot of now, not of the one it was trained on.
    """
    if home.live.exists():
        live = live_release(home.releases)
        if live.manifest.model_id == model.model_id and live.model_card.exists():
            told = json.loads(live.model_card.read_text())["made_of"]
            if told is not None:
                return MadeOf(**told)
    if home.candidate.exists() and read_model(home.candidate).model_id == model.model_id:
        return _of_candidate(home, model, settings)
    return None


def save_card(folder: Path, card: ModelCard) -> None:
    """Writes model_card.json and MODEL_CARD.md."""
    save_report(folder / "model_card.json", card)
    write_text(folder / "MODEL_CARD.md", as_markdown(card))


def as_markdown(card: ModelCard) -> str:
    """The card as a person reads it."""
    parts: dict[str, Any] = {"Model": card.model, "Index": card.index, "Lineage": card.lineage}
    made = card.made_of
    for title in ("data", "labels", "settings", "metrics", "verdict"):
        parts[title.capitalize()] = UNKNOWN if made is None else getattr(made, title)
    parts["Calibration"] = card.calibration or "none: too few held-out photos"
    told = "".join(f"\n## {title}\n\n{_lines(facts)}" for title, facts in parts.items())
    return (
        f"# Model card of release {card.release}\n\n"
        "Finds cards of a marketplace by a photo of the product. Trained and measured on this "
        "marketplace's photos: elsewhere its figures do not hold. It knows no people, no texts on "
        "photos and no prices.\n" + told
    )


def _of_candidate(home: Home, model: ModelManifest, settings: Mapping[str, Any]) -> MadeOf:
    snapshot = as_values(load_snapshot(home.catalog))
    photos = read_rows(home.curated / "photos.parquet", CuratedPhoto)
    cards = read_rows(home.curated / "cards.parquet", Card)
    labels = read_rows(home.labels, Label) if home.labels.exists() else []
    report = home.evaluation / "report.json"
    metrics = json.loads(report.read_text()) if report.exists() else {}
    try:
        verdict = as_values(read_verdict(home))
    except HomeNotReady:
        verdict = {}
    return MadeOf(
        data=snapshot
        | {
            "curated_photos_by_split": dict(Counter(photo.split for photo in photos)),
            "products": len({card.group_id for card in cards}),
        },
        labels={
            "answers": dict(Counter(label.answer for label in labels)),
            "asked_in": sorted({label.project for label in labels}),
            "annotators": len({name for label in labels for name in label.annotators}),
            "votes": sum(label.votes for label in labels),
        },
        settings=dict(settings),
        metrics=metrics if metrics.get("model_id") == model.model_id else {},
        verdict=verdict if verdict.get("candidate_id") == model.model_id else {},
    )


def _lines(facts: Any, indent: str = "") -> str:
    """Nested facts as a list; what is empty says so."""
    if not isinstance(facts, dict):
        return f"{facts}\n"
    if not facts:
        return f"{indent}- not known\n"
    lines = []
    for name, value in facts.items():
        is_nested = isinstance(value, dict) and bool(value)
        told = "" if is_nested else f" {json.dumps(value, ensure_ascii=False)}"
        lines.append(f"{indent}- {name}:{told}\n")
        lines += [_lines(value, indent + "  ")] if is_nested else []
    return "".join(lines)
