"""Ridge regression summed up batch by batch: the closed form of the aligner; no torch."""

import numpy as np

from photosearch.embedding.embedder import Vectors
from photosearch.embedding.layers import Layer


class NormalEquations:
    """Ridge regression of photo vectors on text vectors, summed up batch by batch.

    Memory does not grow with the number of pairs: (text_dim + 1)^2 + (text_dim + 1) x image_dim.
    """

    def __init__(self, text_dim: int, image_dim: int) -> None:
        self.n_pairs = 0
        self._squares = np.zeros((text_dim + 1, text_dim + 1))
        self._products = np.zeros((text_dim + 1, image_dim))

    def add(self, texts: Vectors, photos: Vectors) -> None:
        """Takes pairs, (n, text_dim) and (n, image_dim)."""
        ones = np.ones((len(texts), 1))
        known = np.hstack([texts.astype(np.float64), ones])
        self._squares += known.T @ known
        self._products += known.T @ photos.astype(np.float64)
        self.n_pairs += len(texts)

    def solve(self, *, ridge: float) -> Layer:
        """The layer that minimises the squared error; `ridge` is a share of the mean square.

        The bias is not held down.

        Source: Hoerl and Kennard 1970, "Ridge Regression".
        """
        n_inputs = len(self._squares) - 1
        held = ridge * np.trace(self._squares[:-1, :-1]) / n_inputs
        down = np.diag([held] * n_inputs + [0.0])
        solved = np.linalg.solve(self._squares + down, self._products)
        return Layer(solved[:-1].T.astype(np.float32), solved[-1].astype(np.float32))
