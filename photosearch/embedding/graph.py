"""A model as one graph for serving, and golden vectors that prove a runtime; knows no runtime.

model.onnx        tower and head; knows sizes of photos, any number of them at a time
model.onnx.data   its weights, where they are too large for one file
golden.npz        photos after resizing, and their vectors by PyTorch in fp32; written last
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from photosearch.embedding.embedder import Vectors, unit
from photosearch.embedding.model import TOWER, read_model
from photosearch.embedding.preprocess import Pixels, read_preprocessing
from photosearch.errors import BadArtifact

GRAPH, GOLDEN = "model.onnx", "golden.npz"
PIXELS, VECTORS = "pixels", "vectors"
"""Names of the graph's input and first output, and of the arrays in golden.npz."""
SIGHT = (VECTORS, "tokens", "places", "shares")
"""All outputs of a graph with an attention head: see `Sight`. One of mean pooling has vectors."""
PHOTOS_A_BATCH = 64

Run = Callable[[NDArray[np.float32]], list[NDArray[np.float32]]]
"""A graph, running: normalised pixels, (n, 3, image_px, image_px), to the outputs it was loaded
for. Vectors come first, (n, out), not of unit length."""


class Lanes(NamedTuple):
    """A graph that runs several batches side by side, each on a part of the cores."""

    run: Run
    """For several threads; those above `n` wait."""
    n: int


@dataclass(frozen=True, slots=True)
class Golden:
    """Photos and what they must become."""

    model_id: str
    pixels: Pixels
    """(n, image_px, image_px, 3) uint8."""
    vectors: Vectors
    """Unit vectors by PyTorch in fp32, (n, out)."""
    outputs: tuple[str, ...] = (VECTORS,)
    """What the graph beside them gives: all of SIGHT, or vectors only."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a model made of photos: their vectors, and what these are made of."""

    vectors: Vectors
    """Unit vectors, (n, out)."""
    tokens: Vectors
    """The head's reduced tokens, (n, n_tokens, width), not normalised."""
    places: Vectors
    """Share of each patch in each token, (n, n_tokens, n_patches); rows sum to 1."""
    shares: Vectors
    """Share of each token in the pooled vector, (n, n_tokens); rows sum to 1."""


class GraphEmbedder:
    """A graph in memory with the model's preprocessing round it; see the Embedder protocol."""

    def __init__(self, model: Path, run: Run, lanes: Lanes | None = None) -> None:
        """Nothing is loaded.

        Args:
            model: The folder the graph was made from; its weights need not be there.
            run: Its graph by all cores.
            lanes: The same graph for batches beside others: cores that share a batch wait for
                each other at each layer, a core with a batch of its own does not.
        """
        manifest = read_model(model)
        self.model_id = manifest.model_id
        self.lengths = tuple(manifest.head.lengths)
        self.preprocessing = read_preprocessing(model / TOWER)
        self._run = run
        self._lanes = lanes or Lanes(run, 1)
        self.n_lanes = self._lanes.n
        """Batches that run side by side."""

    def embed(self, photos: Sequence[Image.Image], *, beside: bool = False) -> Vectors:
        """Unit vectors; `beside`: other batches run at the same time."""
        run = self._run_of(beside)
        parts = [
            unit(run(self.preprocessing.batch(photos[start : start + PHOTOS_A_BATCH]))[0])
            for start in range(0, len(photos), PHOTOS_A_BATCH)
        ]
        return np.concatenate(parts) if parts else np.empty((0, self.lengths[0]), np.float32)

    def embed_pixels(self, pixels: Pixels, *, beside: bool = False) -> Vectors:
        """Unit vectors of photos that are resized already, (n, image_px, image_px, 3) uint8."""
        return unit(self._run_of(beside)(self.preprocessing.normalise(pixels))[0])

    def see(self, photos: Sequence[Image.Image], *, beside: bool = False) -> Sight:
        """Vectors, tokens and attention of at most PHOTOS_A_BATCH photos, in one pass.

        Args:
            photos: RGB photos.
            beside: Whether other batches run at the same time.

        Raises:
            BadArtifact: The graph was loaded for its vectors only.
        """
        outputs = self._run_of(beside)(self.preprocessing.batch(photos))
        if len(outputs) != len(SIGHT):
            raise BadArtifact(
                f"The graph of model {self.model_id} was loaded for its vectors only. Load it with "
                f"all of {', '.join(SIGHT)} to see tokens and attention."
            )
        vectors, tokens, places, shares = outputs
        return Sight(unit(vectors), tokens, places, shares)

    def _run_of(self, beside: bool) -> Run:
        return self._lanes.run if beside else self._run


def write_golden(graph: Path, golden: Golden) -> None:
    """Writes golden.npz, which makes the folder whole."""
    partial = graph / f".{GOLDEN}"
    with partial.open("wb") as file:
        np.savez_compressed(
            file,
            model_id=golden.model_id,
            pixels=golden.pixels,
            vectors=golden.vectors,
            outputs=golden.outputs,
        )
    partial.replace(graph / GOLDEN)


def read_golden(graph: Path, *, model: Path) -> Golden:
    """The golden vectors beside a graph.

    Raises:
        BadArtifact: The folder is incomplete, or its graph was made from another model.
    """
    try:
        with np.load(graph / GOLDEN) as stored:
            named = stored["outputs"].tolist() if "outputs" in stored else [VECTORS]
            golden = Golden(str(stored["model_id"]), stored[PIXELS], stored[VECTORS], tuple(named))
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


def refuse_missing(graph: Path, wanted: Sequence[str], *, has: Sequence[str]) -> None:
    """Raises BadArtifact if a graph lacks outputs that a caller wants.

    Args:
        graph: Its folder, for the message.
        wanted: Names of outputs.
        has: Names of the graph's own.
    """
    missing = [name for name in wanted if name not in has]
    if missing:
        raise BadArtifact(
            f"{graph / GRAPH} gives no {', '.join(missing)}, only {', '.join(has)}: it was made "
            "before there were any, or its model has no attention head. Make the release again: "
            "`photosearch index`."
        )


def agreement(golden: Golden, vectors: Vectors) -> float:
    """Smallest cosine between the golden vectors and others of the same photos, (n, out)."""
    return float((golden.vectors * vectors).sum(axis=1).min())
