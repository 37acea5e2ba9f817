"""A linear map after which what varies within a product counts little; knows no models."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from photosearch.embedding.embedder import Vectors

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Whitening:
    """`(vectors - centre) @ directions` varies by 1 within products, alike in every direction."""

    centre: Numbers
    """(dim,)."""
    directions: Numbers
    """(dim, dim), the most telling first: prefixes are good short vectors."""
    ratios: Numbers
    """(dim,): variance between products, by direction; that within them is 1."""


def whitening(
    vectors: Vectors, products: Sequence[str] | Sequence[int], *, shrinkage: float
) -> Whitening:
    """Finds the map after which what varies within products (ground, light) counts little.

    Only centres if no product has two looks.

    Args:
        vectors: (n, dim).
        products: The product of each vector.
        shrinkage: Share of the plain sphere in the covariance within products, in (0, 1]: few
            photos cannot tell all of it.

    Source: Hatch et al. 2006, "Within-class covariance normalization for SVM-based speaker
    recognition", in the axes of Fisher's discriminant analysis.
    """
    centre = vectors.mean(axis=0, dtype=np.float64)
    level = vectors - centre
    _, product, n_of_product = np.unique(
        np.asarray(products), return_inverse=True, return_counts=True
    )
    centres = np.zeros((len(n_of_product), level.shape[1]))
    np.add.at(centres, product, level)
    centres /= n_of_product[:, None]
    within = level - centres[product]
    covariance = within.T @ within / len(within)
    dim = len(covariance)
    size = np.trace(covariance) / dim
    if size <= 0:
        return Whitening(centre, np.eye(dim), np.ones(dim))
    covariance = (1 - shrinkage) * covariance + shrinkage * size * np.eye(dim)
    variances, axes = np.linalg.eigh(covariance)
    directions = axes / np.sqrt(variances)
    between = centres @ directions * np.sqrt(n_of_product / len(level))[:, None]
    ratios, turn = np.linalg.eigh(between.T @ between)  # the least telling first
    return Whitening(centre, (directions @ turn)[:, ::-1], np.maximum(ratios, 0)[::-1])
