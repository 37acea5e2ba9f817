"""A simulated shop as answers to buyers' photos, and the shoppers who click in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from simulated_shop import simulated_shop

from photosearch.catalog.schemas import Card, CuratedPhoto, Impression
from photosearch.evaluation.metrics import PerQuery, graded_ndcg_at_k
from photosearch.search.features import FEATURES
from photosearch.search.found import FoundCard
from simulator.photos import reviews
from simulator.shoppers import appeal, clicks
from simulator.world import World
from training.ranker_data import Answered, Shelf, ask_shelf, exact_index

SHOWN, BEST = 20, 10
GRADE_MOST = 5.0
Rows = Mapping[str, NDArray[np.float64]]
"""Features by card_id, of one answer."""


@dataclass(frozen=True, slots=True)
class Street:
    world: World
    answers: list[Answered]
    """The answer to a buyer's photo of each card."""
    wanted: list[int]
    """Numbers of these cards."""

    def appeals(self, row: int, cards: Sequence[FoundCard]) -> list[float]:
        """What the mean shopper who wants a query's product thinks of cards."""
        return [appeal(self.world, self.wanted[row], number_of(card)) for card in cards]

    def visit(
        self, number: int, row: int, ranked: Sequence[FoundCard], rows: Rows
    ) -> list[Impression]:
        """What a shopper who asks a query is shown, and clicks."""
        shown = ranked[:SHOWN]
        clicked = clicks(self.world, number, self.wanted[row], [number_of(c) for c in shown])
        return [
            Impression(
                f"visit-{number:06d}", card.traits.card_id, rank, is_clicked,
                dict(zip(FEATURES, rows[card.traits.card_id].tolist(), strict=True)),
            )
            for rank, (card, is_clicked) in enumerate(zip(shown, clicked, strict=True), start=1)
        ]  # fmt: skip

    def shoppers_ndcg(self, orders: Sequence[Sequence[FoundCard]]) -> PerQuery:
        """nDCG@10 of the mean shopper's appeal, graded 0 to 5; the best order is of all found."""
        shown, best = np.zeros((2, len(orders), BEST))
        for row, order in enumerate(orders):
            grades = np.array(self.appeals(row, order)) * GRADE_MOST
            shown[row, : len(grades)] = grades[:BEST]
            best[row, : len(grades)] = np.sort(grades)[::-1][:BEST]
        return graded_ndcg_at_k(shown, best, BEST)


def open_street(model: Path, kept: Path, *, seed: int, n_cards: int) -> Street:
    """Asks a simulated shop with a buyer's photo of each of its cards."""
    shop, world = simulated_shop(model, seed=seed, n_cards=n_cards, kept=kept), World(seed, n_cards)
    cards = {card.card_id: _rated(world, n, card) for n, card in enumerate(shop.cards)}
    pictures = [
        CuratedPhoto(f"{card_id}/gallery/{place}", card_id, "gallery", "", "test", False)
        for card_id in cards
        for place in (0, 1)
    ]
    vectors = shop.vectors[:, :2].reshape(len(pictures), -1)
    shelf = Shelf(exact_index(pictures, vectors), pictures, vectors, cards, set(), 64, 100, None)
    asked = [CuratedPhoto(f"{c}/review/r/0", c, "review", "", "test", False) for c in cards]
    return Street(world, ask_shelf(shelf, asked, shop.vectors[:, 2]), list(range(n_cards)))


def number_of(card: FoundCard) -> int:
    return int(card.traits.card_id.removeprefix("c"))


def _rated(world: World, number: int, card: Card) -> Card:
    """With the stars that the marketplace would tell."""
    stars = [review.rating for review in reviews(world, number)]
    return replace(card, rating=round(sum(stars) / len(stars), 2), n_reviews=len(stars))
