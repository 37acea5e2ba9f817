"""Candidates in, the same cards with what is known of them out; knows nothing of vectors."""

import logging
from collections.abc import Sequence
from itertools import compress
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from photosearch.catalog.schemas import Card
from photosearch.catalog.tables import read_table
from photosearch.index.id_rows import UNKNOWN, IdRows
from photosearch.search.card_traits import CardTraits
from photosearch.search.found import FoundCard
from photosearch.search.packed_cards import PackedCards
from photosearch.search.query import Candidate
from photosearch.search.schemas import CardFacts
from photosearch.search.thumbnails import Thumbnail

THUMBNAILS = "/v1/thumbnails/"

log = logging.getLogger(__name__)


class CardFactsTable:
    """A release's cards in memory.

    What rules and rankers ask of a card is made for all that was found, what the page shows of it
    for those of one page.
    """

    def __init__(self, cards: Path, thumbnails: Path) -> None:
        """Reads cards.parquet and thumbnails.parquet; raises BadTable if either is not whole."""
        table, pictures = read_table(cards, Card), read_table(thumbnails, Thumbnail)
        self._ids = IdRows(table["card_id"].to_pylist())
        self._articles = table["article"]
        self._pictures = pictures["sha256"].combine_chunks()
        # as columns, for a million dictionaries of lists take more than the vectors
        rows = self._ids.rows(pictures["card_id"].to_pylist())
        self._gallery_of = _spans(rows, len(self._ids))
        self._facts = PackedCards(table, self._thumbnails())
        self._traits = CardTraits(table)

    def enrich(self, candidates: Sequence[Candidate]) -> list[FoundCard]:
        """Adds traits, in the same order; a card that the table does not know is left out."""
        card_ids = [candidate.card_id for candidate in candidates]
        rows = self._ids.rows(card_ids)
        if not (is_known := rows != UNKNOWN).all():
            missing = list(compress(card_ids, ~is_known))
            log.warning("%d found cards have no facts, first %s", len(missing), missing[0])
            candidates, card_ids = (
                list(compress(candidates, is_known)),
                list(compress(card_ids, is_known)),
            )
            rows = rows[is_known]
        return [
            FoundCard(traits, candidate.photo_id, candidate.cosine, candidate.score)
            for traits, candidate in zip(self._traits.of(card_ids, rows), candidates, strict=True)
        ]

    def facts(self, card_ids: Sequence[str]) -> list[CardFacts]:
        """What the page shows of cards of the table, in their order."""
        return self._facts.of(self._ids.rows(card_ids).tolist())

    def of(self, card_id: str) -> CardFacts | None:
        """Facts of a card; None where the table does not know it."""
        row = self._row(card_id)
        return None if row is None else self._facts.of([row])[0]

    def gallery(self, card_id: str) -> list[str]:
        """Where pictures of a card are served, its thumbnail first."""
        row = self._row(card_id)
        if row is None:
            return []
        first, end = self._gallery_of[row].tolist()
        return [f"{THUMBNAILS}{sha256}.jpg" for sha256 in self._pictures[first:end].to_pylist()]

    def articles(self) -> list[str | None]:
        """The article of each card, by row."""
        articles: list[str | None] = self._articles.to_pylist()
        return articles

    def thumbnail_of(self, card_id: str) -> str | None:
        """File name of a card's picture; None where it has none, or there is no such card."""
        gallery = self.gallery(card_id)
        return PurePosixPath(gallery[0]).name if gallery else None

    def facts_of(self, rows: Sequence[int]) -> list[CardFacts]:
        """Facts of the cards in these rows, in their order."""
        return self._facts.of(rows)

    def _row(self, card_id: str) -> int | None:
        row = int(self._ids.rows([card_id])[0])
        return None if row == UNKNOWN else row

    def _thumbnails(self) -> pa.Array:
        """Where each card's thumbnail is served, by row; null where the card has none."""
        first, end = self._gallery_of.T
        shown = self._pictures.take(pa.array(first, mask=first == end))
        return pc.binary_join_element_wise(THUMBNAILS, shown, ".jpg", "")


def _spans(rows: NDArray[np.int64], n_cards: int) -> NDArray[np.int64]:
    """Where the pictures of each card begin and end, (n_cards, 2).

    Args:
        rows: The card of each picture, (n_pictures,); a card's pictures lie together. UNKNOWN ones
            are left out.
        n_cards: Of all cards.
    """
    spans = np.zeros((n_cards, 2), np.int64)
    edges = np.flatnonzero(np.diff(rows, prepend=-2, append=-2))
    of = rows[edges[:-1]]
    is_known = of != UNKNOWN
    spans[of[is_known]] = np.stack([edges[:-1], edges[1:]], axis=1)[is_known]
    return spans
