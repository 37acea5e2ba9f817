"""Refinement, "the same but red": a photo's vector and a text's give the vector to search with.

The new vector lies in the space of the index, which stays as it is. Knows no model and no torch.

refiner.json          what it was made for; written last
refiner.safetensors   two layers, see training/refiner.py
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photosearch.embedding.embedder import Vectors, unit
from photosearch.embedding.layers import Layer, read_layers, run_layers, save_layers
from photosearch.errors import BadArtifact
from photosearch.report import save_report

MANIFEST, WEIGHTS = "refiner.json", "refiner.safetensors"


@dataclass(frozen=True, slots=True)
class RefinerManifest:
    model_id: str
    """The model whose image space it works in."""
    encoder: str
    """The text encoder, as in aligner.json; its vectors are taken as they are, not aligned."""
    text_dim: int
    dim: int
    """Of the image space."""


@dataclass(frozen=True, slots=True)
class Refiner:
    manifest: RefinerManifest
    layers: list[Layer]

    def refine(self, photos: Vectors, texts: Vectors) -> Vectors:
        """Unit vectors to search with, (n, dim).

        Args:
            photos: What the shopper looks at, unit vectors of the model, (n, dim).
            texts: What shall be different, unit vectors of the encoder, (n, text_dim).

        Raises:
            BadArtifact: The vectors are of another model or encoder.

        Source: Baldrati et al. 2022, "Effective conditioned and composed image retrieval", the
        Combiner, with one residual in place of its gates.
        """
        got, made_for = (photos.shape[-1], texts.shape[-1]), self.manifest
        if got != (made_for.dim, made_for.text_dim):
            raise BadArtifact(
                f"The refiner was made for vectors of {made_for.dim} and {made_for.text_dim} "
                f"numbers, it got {got[0]} of a photo and {got[1]} of a text. Run `photosearch "
                "text` to make it again."
            )
        return unit(photos + run_layers(self.layers, np.concatenate([photos, texts], axis=-1)))


def save_refiner(folder: Path, refiner: Refiner) -> None:
    """Writes the refiner into a folder, which is made; the manifest last."""
    folder.mkdir(parents=True, exist_ok=True)
    save_layers(folder / WEIGHTS, refiner.layers)
    save_report(folder / MANIFEST, refiner.manifest)


def read_refiner(folder: Path, *, model_id: str) -> Refiner:
    """Reads the refiner of a model.

    Raises:
        BadArtifact: There is none, it is incomplete, or it was made for another model.
    """
    try:
        manifest = RefinerManifest(**json.loads((folder / MANIFEST).read_text()))
    except (OSError, TypeError, ValueError) as error:
        raise BadArtifact(
            f"{folder} holds no whole refiner ({error}). It takes cards with attributes: see "
            "`refiner` in build/reports/text.json, or run `photosearch text`."
        ) from None
    if manifest.model_id != model_id:
        raise BadArtifact(
            f"The refiner in {folder} works in the space of model {manifest.model_id}, not of "
            f"{model_id}. Run `photosearch text` to make it again."
        )
    return Refiner(manifest, read_layers(folder / WEIGHTS))
