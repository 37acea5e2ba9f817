"""A linear map after which what varies within a product counts little; knows no models."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from photosearch.embedding.embedder import Vectors

SHRINKAGE = 0.3
"""Share of the plain sphere in the covariance within products: few photos cannot tell all."""

Numbers = NDArray[np.float64]


def whitening(vectors: Vectors, products: Sequence[str] | Sequence[int]) -> tuple[Numbers, Numbers]:
    """Centre and directions: `(vectors - centre) @ directions` varies alike within every product.

    The first of the new numbers tell products apart best, so prefixes are good short vectors.

    Args:
        vectors: (n, dim).
        products: The product of each vector.

    Returns:
        Centre (dim,) and directions (dim, dim); only centred if no product has two looks.

    Source: Hatch et al. 2006, "Within-class covariance normalization for SVM-based speaker
    recognition", shrunk to a sphere; turned as in Fisher's discriminant analysis.
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
    size = np.trace(covariance) / len(covariance)
    if size <= 0:
        return centre, np.eye(len(covariance))
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * size * np.eye(len(covariance))
    variances, axes = np.linalg.eigh(covariance)
    directions = axes / np.sqrt(variances)
    between = (centres * np.sqrt(n_of_product)[:, None]) @ directions
    turn = np.linalg.eigh(between.T @ between)[1][:, ::-1]  # eigh gives the least telling first
    return centre, directions @ turn
