"""A model artifact: one folder with tower, head, shape and lineage; knows no runtime.

model.json          ids, shapes, lengths, lineage; written last
head.safetensors    weights of the head (absent for mean pooling)
tower/              a tower folder: see backbones.py
"""

import dataclasses
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from photosearch.embedding.tower import tower_id
from photosearch.errors import BadArtifact
from photosearch.report import save_report

MANIFEST, HEAD_WEIGHTS, TOWER = "model.json", "head.safetensors", "tower"


@dataclass(frozen=True, slots=True)
class HeadShape:
    """Everything needed to build a head before its weights are loaded."""

    kind: Literal["attention", "mean"]
    tower_width: int
    """D of the tower's tokens."""
    out: int
    lengths: list[int]
    """Vector lengths that may be used (Matryoshka prefixes), longest first."""
    width: int = 0
    tokens: int = 0
    heads: int = 0
    pool: int = 1
    """Side of the squares of patches whose mean is a token that the head gets."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a model was made of."""

    data_version: str
    """The snapshot it was trained on."""
    n_labels: int
    """Answers of people that training used; 0 for mean pooling."""


@dataclass(frozen=True, slots=True)
class ModelManifest:
    model_id: str
    """First 12 hex digits of a hash over tower, head weights and shape."""
    tower_id: str
    head: HeadShape
    lineage: Lineage


def write_model(
    folder: Path,
    *,
    tower: Path,
    head: HeadShape,
    lineage: Lineage,
    head_weights: Path | None = None,
) -> ModelManifest:
    """Puts an artifact together, atomically: under a temporary name, then renamed.

    Args:
        folder: Replaced if it is there.
        tower: A tower folder, copied whole.
        head: Its shape.
        lineage: What it was made of.
        head_weights: A safetensors file; None for mean pooling.
    """
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(tower, partial / TOWER)
    if head_weights is not None:
        shutil.copyfile(head_weights, partial / HEAD_WEIGHTS)
    tower_hash = tower_id(tower)
    model_id = _model_id(tower_hash, head, head_weights)
    manifest = ModelManifest(model_id, tower_hash, head, lineage)
    save_report(partial / MANIFEST, manifest)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return manifest


def read_model(folder: Path) -> ModelManifest:
    """Reads an artifact's manifest; raises BadArtifact if the folder is incomplete."""
    try:
        values = json.loads((folder / MANIFEST).read_text())
        head, lineage = HeadShape(**values.pop("head")), Lineage(**values.pop("lineage"))
        return ModelManifest(**values, head=head, lineage=lineage)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise BadArtifact(
            f"{folder} is not a whole model ({error}). Run `photosearch train` to make one."
        ) from None


def mean_pooling_of(head: HeadShape) -> HeadShape:
    """The baseline over the same tower; a narrow tower cannot give the longest vectors."""
    lengths = [length for length in head.lengths if length <= head.tower_width]
    return HeadShape("mean", head.tower_width, head.out, lengths, pool=head.pool)


def _model_id(tower_hash: str, head: HeadShape, head_weights: Path | None) -> str:
    digest = hashlib.sha256(tower_hash.encode())
    digest.update(json.dumps(dataclasses.asdict(head), sort_keys=True).encode())
    if head_weights is not None:
        digest.update(head_weights.read_bytes())
    return digest.hexdigest()[:12]
