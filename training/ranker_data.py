"""Answers that the ranker learns from and is judged by: of known products, and of shoppers."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from photosearch.catalog.schemas import Card, CuratedPhoto, Impression
from photosearch.embedding.embedder import Vectors, shorten
from photosearch.evaluation.calibration import SameProbability
from photosearch.index.filters import Listing
from photosearch.index.vector_index import ExactIndex, Hit
from photosearch.ranking_settings import PropensityParams
from photosearch.search.candidates import collapse
from photosearch.search.features import (
    FEATURES,
    GALLERY,
    SHOP,
    Evidence,
    Features,
    card_features,
    row_of,
)
from photosearch.search.popularity import Popularity
from photosearch.search.propensity import propensities
from photosearch.search.schemas import CardFacts, FoundCard

GroupPair = frozenset[str]


@dataclass(frozen=True, slots=True)
class Shelf:
    """The photos that are searched."""

    index: ExactIndex
    photos: Sequence[CuratedPhoto]
    """Those in the index."""
    vectors: Vectors
    """Of these, (n_photos, dim)."""
    cards: Mapping[str, Card]
    joined: set[GroupPair]
    """Product groups that people called the same."""
    short_length: int
    hits_per_query: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What the search found for a photo whose product is known."""

    product: str
    """Group of the photo's card."""
    found: list[FoundCard]
    """Best first, as candidates have them."""
    evidence: Evidence
    is_right: NDArray[np.bool_]
    """(n_found,)"""
    n_right: int
    """Cards of the product on the shelf, found or not."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """Cards of one answer, and which of them should come first."""

    features: Features
    """(n_cards, len(FEATURES))"""
    scores: NDArray[np.float64]
    """What the trees start from, (n_cards,)."""
    is_wanted: NDArray[np.bool_]
    """(n_cards,)"""
    weight: float


def exact_index(photos: Sequence[CuratedPhoto], vectors: Vectors) -> ExactIndex:
    """The photos as a release's index holds them; `vectors`: (n_photos, dim)."""
    index = ExactIndex(vectors.shape[1])
    index.add([p.photo_id for p in photos], [Listing(p.card_id) for p in photos], vectors)
    return index


def ask_shelf(
    shelf: Shelf, queries: Sequence[CuratedPhoto], vectors: Vectors, *, as_new: bool = False
) -> list[Answered]:
    """Searches with each photo as if it and the other photos of its review were not there.

    Queries whose product is on no card of the shelf are left out: nothing could be right.

    Args:
        shelf: What is searched.
        queries: Buyers' photos; those on the shelf do not find themselves.
        vectors: Theirs, (n_queries, dim).
        as_new: As if nobody had photographed the product yet: buyers' photos of it are not there.
    """
    short, right_cards = _short_of(shelf), _right_cards(shelf)
    answers = []
    for photo, vector in zip(queries, vectors, strict=True):
        product = shelf.cards[photo.card_id].group_id
        right = right_cards.get(product, set())
        hits = _others(shelf, photo, vector, new_cards=right if as_new else set())
        found = found_cards(hits, shelf.cards)
        is_right = np.array([card.facts.card_id in right for card in found], np.bool_)
        if right and found:
            evidence = Evidence(hits, _short_cosines(short, vector, hits, shelf.short_length))
            answers.append(Answered(product, found, evidence, is_right, len(right)))
    return answers


def found_cards(hits: Sequence[Hit], cards: Mapping[str, Card]) -> list[FoundCard]:
    """Near photos as cards with their facts, best first."""
    return [
        FoundCard(facts_of(cards[c.card_id]), c.photo_id, c.cosine, c.score) for c in collapse(hits)
    ]


def facts_of(card: Card) -> CardFacts:
    """What the page knows of a card, without its picture."""
    known = {name: getattr(card, name) for name in CardFacts.model_fields if name != "thumbnail"}
    return CardFacts(**known, thumbnail=None)


def lesson_of(
    answered: Answered, popular: Popularity, curve: SameProbability, *, n_cards: int
) -> Lesson:
    """What an answer teaches: which cards are the product.

    Of the shop nothing is told: a card that is right often would be known by its price.
    """
    found, right = answered.found[:n_cards], answered.is_right[:n_cards]
    table = card_features(found, answered.evidence, popular, curve)
    table[:, [FEATURES.index(name) for name in SHOP]] = np.nan
    return Lesson(table, np.array([card.score for card in found]), right, 1.0)


def lessons_from_clicks(impressions: Iterable[Impression], looks: PropensityParams) -> list[Lesson]:
    """One lesson a click: the clicked card before all that were shown and not clicked.

    Its weight is 1 / propensity of the clicked rank, so that clicks far down, which few shoppers
    can give, count for those who did not look.

    Source: Joachims et al. 2017, "Unbiased Learning-to-Rank with Biased Feedback", eq. 4, with
    LambdaRank's loss in place of the hinge loss.
    """
    lessons = []
    rows = sorted(impressions, key=lambda row: (row.query_id, row.rank))
    for _, answer in groupby(rows, key=lambda row: row.query_id):
        lessons += _lessons_of(list(answer), looks)
    return lessons


def _lessons_of(shown: Sequence[Impression], looks: PropensityParams) -> list[Lesson]:
    table = np.array([row_of(row.features) for row in shown])
    scores = table[:, FEATURES.index("score")]
    clicked = np.array([row.is_clicked for row in shown], np.bool_)
    looked = propensities(
        np.array([row.rank for row in shown], np.int64),
        steepness=looks.steepness, least=looks.least,
    )  # fmt: skip
    lessons = []
    for place in np.flatnonzero(clicked).tolist():
        kept = ~clicked
        kept[place] = True
        if kept.sum() > 1:
            wanted = (np.arange(len(shown)) == place)[kept]
            lessons.append(Lesson(table[kept], scores[kept], wanted, float(1 / looked[place])))
    return lessons


def _right_cards(shelf: Shelf) -> dict[str, set[str]]:
    """Cards on the shelf that are each product, by product group."""
    own: dict[str, set[str]] = defaultdict(set)
    for photo in shelf.photos:
        own[shelf.cards[photo.card_id].group_id].add(photo.card_id)
    right = {product: set(card_ids) for product, card_ids in own.items()}
    for pair in shelf.joined:
        for product in pair:
            right[product] = right.get(product, set()).union(*(own[one] for one in pair))
    return right


def _others(
    shelf: Shelf, photo: CuratedPhoto, vector: Vectors, *, new_cards: set[str]
) -> list[Hit]:
    """Near photos without the query itself, its review, and buyers' photos of new cards."""
    same_review = photo.photo_id.rpartition("/")[0] + "/"
    hits = shelf.index.nearest(vector, limit=2 * shelf.hits_per_query)
    kept = [
        hit
        for hit in hits
        if not hit.photo_id.startswith(same_review)
        and (hit.card_id not in new_cards or GALLERY in hit.photo_id)
    ]
    return kept[: shelf.hits_per_query]


def _short_of(shelf: Shelf) -> dict[str, Vectors]:
    short = shorten(shelf.vectors, shelf.short_length)
    return {photo.photo_id: row for photo, row in zip(shelf.photos, short, strict=True)}


def _short_cosines(
    short: Mapping[str, Vectors], vector: Vectors, hits: Sequence[Hit], length: int
) -> dict[str, float]:
    asked = shorten(vector[None], length)[0]
    return {hit.photo_id: float(short[hit.photo_id] @ asked) for hit in hits}
