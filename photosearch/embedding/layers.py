"""A small network as arrays: runs, saves and reads it without torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photosearch.embedding.embedder import Vectors
from photosearch.errors import BadArtifact


@dataclass(frozen=True, slots=True)
class Layer:
    weight: NDArray[np.float32]
    """(n_out, n_in)."""
    bias: NDArray[np.float32]
    """(n_out,)."""


def run_layers(layers: Sequence[Layer], vectors: Vectors) -> Vectors:
    """(n, n_in of the first) -> (n, n_out of the last), not normalised; ReLU between layers."""
    for number, layer in enumerate(layers):
        vectors = (np.maximum(vectors, 0) if number else vectors) @ layer.weight.T + layer.bias
    return vectors


def save_layers(path: Path, layers: Sequence[Layer]) -> None:
    """Writes a safetensors file; the folder must be there."""
    from safetensors.numpy import save_file

    arrays = {}
    for number, layer in enumerate(layers):
        arrays[f"{number}.weight"] = np.ascontiguousarray(layer.weight)
        arrays[f"{number}.bias"] = np.ascontiguousarray(layer.bias)
    save_file(arrays, path)


def read_layers(path: Path) -> list[Layer]:
    """Reads what `save_layers` wrote; raises BadArtifact if the file is not whole."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = load_file(path)
        n_layers = len(arrays) // 2
        return [Layer(arrays[f"{n}.weight"], arrays[f"{n}.bias"]) for n in range(n_layers)]
    except (OSError, KeyError, SafetensorError) as error:
        raise BadArtifact(
            f"{path} holds no layers ({error}). Run `photosearch text` to make it."
        ) from None
