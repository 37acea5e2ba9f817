"""How well a photo belongs to its card, from vectors alone: nearer to it than to any other card?

Works with any tower, also one that knows no words. Knows no files and no rules.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from photosearch.embedding.embedder import Vectors, unit
from photosearch.embedding.whitening import whitening

SHRINKAGE = 0.3
"""Of the covariance within cards: few cards cannot tell all. See `whitening`."""
COMPANY = 5
"""Nearest photos of other products, whose own belonging tells what kind of photo this is."""
COMPANY_WEIGHT = 0.5
FOLDS = 5
BLOCK_ROWS = 2048

Numbers = NDArray[np.float64]


def belonging(
    vectors: Vectors, cards: Sequence[str], groups: Sequence[str]
) -> tuple[Numbers, Numbers]:
    """How far each photo is on its own card's side, and the same of the photos it resembles.

    A photo's margin is its cosine to the centre of its card's other photos less that to the
    nearest centre of another product's card, in vectors whitened by other products' photos: below
    0 it resembles another product more.

    Photos of no product (parcels, receipts, floors) resemble each other across products, and none
    of them belongs where it is; so the margins of a photo's nearest strangers, its company, count
    by half. A wrong product's company are photos that belong.

    Args:
        vectors: Unit vectors, (n, dim).
        cards: The card of each photo.
        groups: The product group of each photo.

    Returns:
        Belonging (n,), NaN where the card has no other photo or there is no other product; and
        company (n,), the mean margin of the nearest strangers.
    """
    n = len(vectors)
    if len(set(groups)) < 2:
        return np.full(n, np.nan), np.zeros(n)
    group = np.unique(np.asarray(groups, dtype=object), return_inverse=True)[1]
    centred = vectors - vectors.mean(axis=0)
    margins = _margins(centred, cards, groups, fold=group % FOLDS)
    company = _company(unit(centred), group, np.nan_to_num(margins))
    return margins + COMPANY_WEIGHT * company, company


def _margins(
    centred: Vectors, cards: Sequence[str], groups: Sequence[str], *, fold: NDArray[np.int64]
) -> Numbers:
    """Margins of each fold, whitened by what the other folds vary by.

    Else a photo that does not belong would itself be what its card varies by, and be forgiven.
    """
    card, margins = np.asarray(cards, dtype=object), np.empty(len(centred))
    for number in np.unique(fold):
        rest = fold != number
        white = whitening(centred[rest], card[rest].tolist(), shrinkage=SHRINKAGE)
        told = margin(unit(centred @ white.directions), cards, groups)
        margins[~rest] = told[~rest]
    return margins


def margin(vectors: Vectors, cards: Sequence[str], groups: Sequence[str]) -> Numbers:
    """Cosine to the centre of the card's other photos less that to the nearest strange centre."""
    names, card = np.unique(np.asarray(cards, dtype=object), return_inverse=True)
    sums = np.zeros((len(names), vectors.shape[1]))
    np.add.at(sums, card, vectors.astype(np.float64))
    own = np.einsum("nd,nd->n", vectors, unit(sums[card] - vectors))
    own[np.bincount(card)[card] < 2] = np.nan
    group = np.unique(np.asarray(groups, dtype=object), return_inverse=True)[1]
    group_of_card = np.zeros(len(names), np.int64)
    group_of_card[card] = group
    centres, strange = unit(sums), np.empty(len(vectors))
    for start in range(0, len(vectors), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        cosines = vectors[block] @ centres.T
        cosines[group[block, None] == group_of_card] = -1
        strange[block] = cosines.max(axis=1)
    return np.asarray(own - strange, np.float64)


def _company(vectors: Vectors, group: NDArray[np.int64], margins: Numbers) -> Numbers:
    """Mean margin of the nearest photos of other products, (n,)."""
    company = np.empty(len(vectors))
    for start in range(0, len(vectors), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        cosines = vectors[block] @ vectors.T
        is_own = group[block, None] == group
        cosines[is_own] = -2
        k = min(COMPANY, int((~is_own).sum(axis=1).min()))
        nearest = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
        company[block] = margins[nearest].mean(axis=1)
    return company
