"""A model as one graph for serving, and golden vectors that prove a runtime; knows no runtime.

model.onnx        tower and head; knows sizes of photos, any number of them at a time
model.onnx.data   its weights, where they are too large for one file
golden.npz        photos after resizing, and their vectors by PyTorch in fp32; written last
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from photosearch.embedding.embedder import Vectors, unit
from photosearch.embedding.model import TOWER, read_model
from photosearch.embedding.preprocess import Pixels, read_preprocessing
from photosearch.errors import BadArtifact

GRAPH, GOLDEN = "model.onnx", "golden.npz"
PIXELS, VECTORS = "pixels", "vectors"
"""Names of the graph's input and output, and of the arrays in golden.npz."""
PHOTOS_A_BATCH = 64

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""A graph, running: normalised pixels, (n, 3, image_px, image_px), to vectors, (n, out), that are
not of unit length."""


@dataclass(frozen=True, slots=True)
class Golden:
    """Photos and what they must become."""

    model_id: str
    pixels: Pixels
    """(n, image_px, image_px, 3) uint8."""
    vectors: Vectors
    """Unit vectors by PyTorch in fp32, (n, out)."""


class GraphEmbedder:
    """A graph in memory with the model's preprocessing round it; see the Embedder protocol."""

    def __init__(self, model: Path, run: Run) -> None:
        """`model`: the folder the graph was made from; its weights need not be there."""
        manifest = read_model(model)
        self.model_id = manifest.model_id
        self.lengths = tuple(manifest.head.lengths)
        self.preprocessing = read_preprocessing(model / TOWER)
        self._run = run

    def embed(self, photos: Sequence[Image.Image]) -> Vectors:
        parts = [
            unit(self._run(self.preprocessing.batch(photos[start : start + PHOTOS_A_BATCH])))
            for start in range(0, len(photos), PHOTOS_A_BATCH)
        ]
        return np.concatenate(parts) if parts else np.empty((0, self.lengths[0]), np.float32)

    def embed_pixels(self, pixels: Pixels) -> Vectors:
        """Unit vectors of photos that are resized already, (n, image_px, image_px, 3) uint8."""
        return unit(self._run(self.preprocessing.normalise(pixels)))


def write_golden(graph: Path, golden: Golden) -> None:
    """Writes golden.npz, which makes the folder whole."""
    partial = graph / f".{GOLDEN}"
    with partial.open("wb") as file:
        np.savez_compressed(
            file, model_id=golden.model_id, pixels=golden.pixels, vectors=golden.vectors
        )
    partial.replace(graph / GOLDEN)


def read_golden(graph: Path, *, model: Path) -> Golden:
    """The golden vectors beside a graph.

    Raises:
        BadArtifact: The folder is incomplete, or its graph was made from another model.
    """
    try:
        with np.load(graph / GOLDEN) as stored:
            golden = Golden(str(stored["model_id"]), stored[PIXELS], stored[VECTORS])
        if not (graph / GRAPH).is_file():
            raise FileNotFoundError(f"there is no {GRAPH}")
    except (OSError, KeyError, ValueError) as error:
        raise BadArtifact(
            f"{graph} is not a whole graph ({error}). Make a release with one: `photosearch index`."
        ) from None
    model_id = read_model(model).model_id
    if golden.model_id != model_id:
        raise BadArtifact(
            f"The graph in {graph} was made from model {golden.model_id}, {model} holds "
            f"{model_id}. Make the release again: `photosearch index`."
        )
    return golden


def agreement(golden: Golden, vectors: Vectors) -> float:
    """Smallest cosine between the golden vectors and others of the same photos, (n, out)."""
    return float((golden.vectors * vectors).sum(axis=1).min())
