"""Candidates in, the same cards with title, price and picture out; knows nothing of vectors."""

import logging
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from photosearch.catalog.schemas import Card
from photosearch.catalog.tables import read_table
from photosearch.search.found import FoundCard
from photosearch.search.query import Candidate
from photosearch.search.schemas import CardFacts
from photosearch.search.thumbnails import Thumbnail

SHOWN = tuple(name for name in CardFacts.model_fields if name != "thumbnail")
"""Columns of cards.parquet that an answer tells."""

log = logging.getLogger(__name__)


class CardFactsTable:
    """Facts of a release's cards in memory, as columns: rows are made only for what was found."""

    def __init__(self, cards: Path, thumbnails: Path) -> None:
        """Reads cards.parquet and thumbnails.parquet; raises BadTable if either is not whole."""
        # In one piece: of a million cards in eight pieces, a hundred take 16 ms instead of .2.
        self._cards = read_table(cards, Card).select(SHOWN).combine_chunks()
        self._row_of = {
            card_id: row for row, card_id in enumerate(self._cards["card_id"].to_pylist())
        }
        table = read_table(thumbnails, Thumbnail)
        self._pictures = table["sha256"].combine_chunks()
        # as columns, for a million dictionaries of lists take more than the vectors
        self._gallery_of = _spans(table["card_id"].to_pylist(), self._row_of)

    def enrich(self, candidates: Sequence[Candidate]) -> list[FoundCard]:
        """Adds facts, in the same order; a card that the table does not know is left out."""
        known = [candidate for candidate in candidates if candidate.card_id in self._row_of]
        if len(known) < len(candidates):
            missing = [
                candidate.card_id
                for candidate in candidates
                if candidate.card_id not in self._row_of
            ]
            log.warning("%d found cards have no facts, first %s", len(missing), missing[0])
        facts = self.facts_of([self._row_of[candidate.card_id] for candidate in known])
        return [
            FoundCard(card, candidate.photo_id, candidate.cosine, candidate.score)
            for card, candidate in zip(facts, known, strict=True)
        ]

    def of(self, card_id: str) -> CardFacts | None:
        """Facts of a card; None where the table does not know it."""
        row = self._row_of.get(card_id)
        return None if row is None else self.facts_of([row])[0]

    def gallery(self, card_id: str) -> list[str]:
        """Where pictures of a card are served, its thumbnail first."""
        row = self._row_of.get(card_id)
        return [] if row is None else self._gallery(row)

    def articles(self) -> list[str | None]:
        """The article of each card, by row."""
        articles: list[str | None] = self._cards["article"].to_pylist()
        return articles

    def thumbnail_of(self, card_id: str) -> str | None:
        """File name of a card's picture; None where it has none, or there is no such card."""
        gallery = self.gallery(card_id)
        return PurePosixPath(gallery[0]).name if gallery else None

    def facts_of(self, rows: Sequence[int]) -> list[CardFacts]:
        """Facts of the cards in these rows, in their order."""
        if not rows:
            return []  # Arrow cannot take an untyped empty list of rows
        found = self._cards.take(list(rows))
        # column by column, for a dictionary of every row takes longer
        columns = [found[name].to_pylist() for name in SHOWN]
        return [
            CardFacts(**dict(zip(SHOWN, values, strict=True)), thumbnail=thumbnail)
            for thumbnail, *values in zip(self._thumbnails(rows), *columns, strict=True)
        ]

    def _thumbnails(self, rows: Sequence[int]) -> list[str | None]:
        """Where each row's thumbnail is served; None where the card has none."""
        spans = self._gallery_of[list(rows)]
        has_one = spans[:, 0] < spans[:, 1]
        shown = iter(self._pictures.take(spans[has_one, 0]).to_pylist())
        return [_address(next(shown)) if has else None for has in has_one.tolist()]

    def _gallery(self, row: int) -> list[str]:
        first, end = self._gallery_of[row].tolist()
        return [_address(sha256) for sha256 in self._pictures[first:end].to_pylist()]


def _spans(card_ids: Sequence[str], row_of: Mapping[str, int]) -> NDArray[np.int64]:
    """Where the rows of each card begin and end, (n_cards, 2); a card's rows lie together."""
    spans = np.zeros((len(row_of), 2), np.int64)
    place = 0
    for card_id, rows in groupby(card_ids):
        n_rows = len(list(rows))
        if card_id in row_of:
            spans[row_of[card_id]] = place, place + n_rows
        place += n_rows
    return spans


def _address(sha256: str) -> str:
    return f"/v1/thumbnails/{sha256}.jpg"
