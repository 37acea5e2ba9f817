"""Queries of any task that look for cards, and how well a gallery answered each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from photosearch.embedding.embedder import Vectors
from photosearch.errors import EmptySource
from photosearch.evaluation.benchmark import RANKS, Ranking, measure
from photosearch.evaluation.metrics import PerQuery
from photosearch.evaluation.nearest import Numbers, nearest_cards

NO_CARDS: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked, whoever answers; one entry a query."""

    names: list[str]
    """What a person calls the query: a photo's id, or a text."""
    cards: list[str]
    """The card that each query is about."""
    products: list[str]
    """Its product group: what intervals resample."""
    right: list[frozenset[str]]
    """Cards that are right answers; at least one."""
    hidden: list[frozenset[str]]
    """Cards that are not shown: what the shopper looks at already."""


@dataclass(frozen=True, slots=True)
class StoredCards:
    """A gallery: card numbers are places in `card_ids`."""

    card_ids: list[str]
    """Distinct, in order."""
    card_of_photo: Numbers
    vectors: NDArray[np.floating]
    """(n_photos, dim) unit vectors; may be a memory map."""


@dataclass(frozen=True, slots=True)
class Answered:
    """Answers of one model to what was asked, at one vector length."""

    shown: list[list[str]]
    """Cards, best first, at most RANKS a query."""
    cosines: list[list[float]]
    ranking: Ranking
    per_query: dict[str, PerQuery]
    """Metrics by name."""


def asked_for_groups(
    names: Sequence[str],
    cards: Sequence[str],
    group_of_card: Mapping[str, str],
    cards_of_group: Mapping[str, frozenset[str]],
) -> Asked:
    """Queries to which every card of their product is right, and nothing is hidden.

    Raises:
        EmptySource: Some query's product is not in the gallery at all.
    """
    products = [group_of_card[card] for card in cards]
    absent = [product for product in products if not cards_of_group.get(product)]
    if absent:
        raise EmptySource(
            f"{len(absent)} queries look for products that have no gallery picture, the first is "
            f"{absent[0]!r}. Run `photosearch curate`, which leaves such cards out."
        )
    right = [cards_of_group[product] for product in products]
    return Asked(list(names), list(cards), products, right, [NO_CARDS] * len(names))


def answer(asked: Asked, vectors: Vectors, gallery: StoredCards, *, length: int) -> Answered:
    """Ranks the gallery's cards for every query, (n_queries, dim), and measures the order."""
    most_hidden = max(map(len, asked.hidden), default=0)
    nearest = nearest_cards(
        vectors, gallery.vectors, gallery.card_of_photo, length=length, k=RANKS + most_hidden
    )
    shown, cosines = [], []
    for row, hidden in enumerate(asked.hidden):
        told = [
            (gallery.card_ids[number], float(cosine))
            for number, cosine in zip(nearest.cards[row], nearest.cosines[row], strict=True)
            if number >= 0 and gallery.card_ids[number] not in hidden
        ][:RANKS]
        shown.append([card for card, _ in told])
        cosines.append([cosine for _, cosine in told])
    found = np.zeros((len(shown), RANKS), np.bool_)
    for row, cards in enumerate(shown):
        found[row, : len(cards)] = [card in asked.right[row] for card in cards]
    n_relevant = [len(right - hid) for right, hid in zip(asked.right, asked.hidden, strict=True)]
    ranking = Ranking(found, np.array(n_relevant, np.int64))
    return Answered(shown, cosines, ranking, measure(ranking))
