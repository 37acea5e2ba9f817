"""The Embedder protocol, and the only place that L2-normalises."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Turns photos into unit vectors that can be cut short (Matryoshka)."""

    model_id: str
    """Hash of the artifact: two models with equal ids make equal vectors."""
    lengths: tuple[int, ...]
    """Vector lengths it was trained for, longest first."""

    def embed(self, photos: Sequence[Image.Image]) -> Vectors:
        """Unit vectors of RGB photos, (n_photos, lengths[0]) float32."""
        ...


def unit(vectors: NDArray[np.floating]) -> Vectors:
    """Scales rows to length 1; a zero row stays zero. Any shape (..., dim)."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Vectors = (vectors / np.maximum(norms, 1e-12)).astype(np.float32)
    return scaled


def shorten(vectors: NDArray[np.floating], length: int) -> Vectors:
    """First `length` numbers of each vector, scaled to length 1 again."""
    return unit(vectors[..., :length])
