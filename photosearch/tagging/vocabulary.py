"""The tags of a home become the tags of a release: each gets the mean vector of its cards."""

import logging
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photosearch.catalog.schemas import CardTags, Tag
from photosearch.catalog.tables import read_rows
from photosearch.embedding.embedder import Vectors, shorten, unit
from photosearch.tagging.generate import CARRIED, TAGS
from photosearch.tagging.tag_index import TagsManifest, save_vectors, with_codes
from photosearch.tags_settings import TagsParams

log = logging.getLogger(__name__)

Batch = tuple[Sequence[str], Sequence[str], Vectors]
"""Photo ids, card ids and vectors (n, dim), as `VectorIndex.scroll` gives them."""


@dataclass(frozen=True, slots=True)
class CardVectors:
    """One vector a card."""

    row_of: dict[str, int]
    vectors: Vectors
    """Unit vectors, (n_cards, dim)."""


def write_tags(
    folder: Path, made: Path, photos: Iterable[Batch], *, model_id: str, params: TagsParams
) -> TagsManifest:
    """Writes `folder`, the tags of a release that is being built; see tag_index.py.

    A tag that no indexed card carries any more has a zero vector, and is near to nothing.

    Args:
        folder: Does not exist yet.
        made: Where the stage `tags` wrote its tables.
        photos: All photos of the release's index.
        model_id: The model that made their vectors.
        params: See params.yaml; a tag's vector is as long as the beginning of theirs.

    Raises:
        BadTable: The stage `tags` did not run, or its tables are damaged.
    """
    dim = params.dim
    tags, carried = read_rows(made / TAGS, Tag), read_rows(made / CARRIED, CardTags)
    folder.mkdir(parents=True)
    shutil.copyfile(made / TAGS, folder / TAGS)
    shutil.copyfile(made / CARRIED, folder / CARRIED)
    cards = mean_of_cards(photos, dim)
    vectors = tag_vectors(carried, cards, n_tags=len(tags))
    manifest = save_vectors(folder, with_codes(vectors.astype(np.float16)), model_id)
    log.info("%d tags have vectors of %d numbers, of %d cards", len(tags), dim, len(cards.row_of))
    return manifest


def mean_of_cards(photos: Iterable[Batch], dim: int) -> CardVectors:
    """The mean of each card's photos, scaled to length 1."""
    row_of: dict[str, int] = {}
    sums: list[Vectors] = []
    for _, card_ids, vectors in photos:
        for card_id, vector in zip(card_ids, shorten(vectors, dim), strict=True):
            row = row_of.setdefault(card_id, len(sums))
            if row == len(sums):
                sums.append(vector.copy())
            else:
                sums[row] += vector
    return CardVectors(row_of, unit(np.array(sums, np.float32).reshape(-1, dim)))


def tag_vectors(carried: Sequence[CardTags], cards: CardVectors, *, n_tags: int) -> Vectors:
    """Mean of the cards that carry each tag; unit vectors, (n_tags, dim).

    Taking off what all cards have in common brought nothing: docs/experiments/tags.md.
    """
    sums = np.zeros((n_tags, cards.vectors.shape[1]), np.float32)
    for card in carried:
        if card.card_id in cards.row_of:
            sums[card.tags] += cards.vectors[cards.row_of[card.card_id]]
    return unit(sums)
