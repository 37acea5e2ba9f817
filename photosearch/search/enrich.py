"""Candidates in, the same cards with title, price and picture out; knows nothing of vectors."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from photosearch.catalog.schemas import Card
from photosearch.catalog.tables import read_rows, read_table
from photosearch.search.query import Candidate
from photosearch.search.schemas import CardFacts, FoundCard
from photosearch.search.thumbnails import Thumbnail

log = logging.getLogger(__name__)


class CardFactsTable:
    """Facts of a release's cards in memory, as columns: rows are made only for what was found."""

    def __init__(self, cards: Path, thumbnails: Path) -> None:
        """Reads cards.parquet and thumbnails.parquet; raises BadTable if either is not whole."""
        self._cards = read_table(cards, Card)
        self._row_of = {
            card_id: row for row, card_id in enumerate(self._cards["card_id"].to_pylist())
        }
        self._thumbnail_of = {
            thumbnail.card_id: thumbnail.sha256 for thumbnail in read_rows(thumbnails, Thumbnail)
        }

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

    def articles(self) -> list[str | None]:
        """The article of each card, by row."""
        articles: list[str | None] = self._cards["article"].to_pylist()
        return articles

    def thumbnail_of(self, card_id: str) -> str | None:
        """File name of a card's picture; None where it has none, or there is no such card."""
        sha256 = self._thumbnail_of.get(card_id)
        return None if sha256 is None else f"{sha256}.jpg"

    def facts_of(self, rows: Sequence[int]) -> list[CardFacts]:
        """Facts of the cards in these rows, in their order."""
        if not rows:
            return []  # Arrow cannot take an untyped empty list of rows
        return [self._facts(row) for row in self._cards.take(list(rows)).to_pylist()]

    def _facts(self, row: dict[str, Any]) -> CardFacts:
        sha256 = self._thumbnail_of.get(row["card_id"])
        shown = {name: row[name] for name in CardFacts.model_fields if name in row}
        return CardFacts(
            **shown, thumbnail=None if sha256 is None else f"/v1/thumbnails/{sha256}.jpg"
        )
