"""Shortens a head's tokens for late interaction, and packs them into bytes; knows no runtime.

projection.safetensors    one linear layer, from a token to a short one
projection.json           the model whose tokens it shortens; written last
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photosearch.embedding.embedder import Vectors, unit
from photosearch.embedding.layers import Layer, read_layers, run_layers, save_layers
from photosearch.embedding.whitening import whitening
from photosearch.errors import BadArtifact
from photosearch.report import save_report

MANIFEST, WEIGHTS = "projection.json", "projection.safetensors"
LARGEST = 127
"""What a number of 1 becomes in a byte."""

Packed = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class ProjectionManifest:
    model_id: str
    """The model whose tokens it takes."""
    kind: str
    """How it was made: `discriminant` or `learned`."""


@dataclass(frozen=True, slots=True)
class Projection:
    manifest: ProjectionManifest
    layer: Layer

    def shorten(self, tokens: Vectors) -> Vectors:
        """A head's tokens, (..., width), to unit vectors, (..., dim)."""
        return unit(run_layers([self.layer], tokens))


def discriminant_layer(
    tokens: Vectors, products: Sequence[int], *, dim: int, shrinkage: float
) -> Layer:
    """The linear map that keeps best what tells products apart.

    Args:
        tokens: Of training photos, (n_photos, n_tokens, width).
        products: The product of each photo.
        dim: Of a short token, at most width.
        shrinkage: See `whitening`.

    Source of the weights: Ioffe 2006, "Probabilistic Linear Discriminant Analysis".
    """
    flat = tokens.reshape(-1, tokens.shape[-1])
    white = whitening(flat, np.repeat(products, tokens.shape[1]).tolist(), shrinkage=shrinkage)
    # a direction counts as far as its variance comes from the product
    directions = (white.directions * np.sqrt(white.ratios / (1 + white.ratios)))[:, :dim]
    directions /= np.linalg.norm((flat - white.centre) @ directions, axis=1).mean()
    return Layer(
        np.ascontiguousarray(directions.T, np.float32),
        (-white.centre @ directions).astype(np.float32),
    )


def pack(tokens: Vectors) -> Packed:
    """Numbers in [-1, 1] as bytes of the same shape."""
    packed: Packed = np.rint(np.clip(tokens, -1, 1) * LARGEST).astype(np.int8)
    return packed


def unpack(packed: Packed) -> Vectors:
    """Bytes as float32 numbers, each off by at most 1 / 254."""
    numbers: Vectors = packed.astype(np.float32) / np.float32(LARGEST)
    return numbers


def save_projection(folder: Path, projection: Projection) -> None:
    """Writes a projection into a folder, which is made; the manifest last."""
    folder.mkdir(parents=True, exist_ok=True)
    save_layers(folder / WEIGHTS, [projection.layer])
    save_report(folder / MANIFEST, projection.manifest)


def read_projection(folder: Path, *, model_id: str) -> Projection:
    """Reads the projection of a model's tokens.

    Raises:
        BadArtifact: There is none, it is incomplete, or it was made for another model.
    """
    try:
        manifest = ProjectionManifest(**json.loads((folder / MANIFEST).read_text()))
    except (OSError, TypeError, ValueError) as error:
        raise BadArtifact(
            f"{folder} does not say how tokens are shortened ({error}). Run `photosearch late`."
        ) from None
    if manifest.model_id != model_id:
        raise BadArtifact(
            f"{folder} shortens tokens of model {manifest.model_id}, not of {model_id}. Run "
            "`photosearch late` to make it again."
        )
    (layer,) = read_layers(folder / WEIGHTS)
    return Projection(manifest, layer)
