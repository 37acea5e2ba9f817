"""Photos made up for the tests of indexes: ids, cards and vectors."""

import numpy as np

from photosearch.embedding.embedder import Vectors, unit
from photosearch.index.filters import Listing
from photosearch.index.vector_index import Hit

RED = unit(np.array([1.0, 0.0]))
BLUE = unit(np.array([0.0, 1.0]))
PINK = unit(np.array([1.0, 0.4]))


def clustered(n_photos: int, dim: int, seed: int = 7) -> Vectors:
    """Unit vectors of photos, some twenty round each of the cards' centres."""
    dice = np.random.default_rng(seed)
    centres = dice.normal(size=(max(1, n_photos // 20), dim))
    return unit(
        centres[dice.integers(len(centres), size=n_photos)] + dice.normal(size=(n_photos, dim))
    )


def names(n_photos: int) -> tuple[list[str], list[Listing]]:
    return [f"p{row:05}" for row in range(n_photos)], [
        Listing(f"c{row // 20}") for row in range(n_photos)
    ]


def of_cards(*card_ids: str) -> list[Listing]:
    return [Listing(card_id) for card_id in card_ids]


def photo_ids(hits: list[Hit]) -> list[str]:
    return [hit.photo_id for hit in hits]
