"""Answers that the ranker learns from and is judged by: of known products, and of shoppers."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
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
from photosearch.search.found import FoundCard, traits_of
from photosearch.search.popularity import Popularity
from photosearch.search.propensity import propensities
from photosearch.search.query import Candidate
from photosearch.search.tag_overlap import overlaps_of
from photosearch.tagging.tag_index import Carried

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
    tags: Carried | None
    """Of the cards, where there are any."""


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
    short, right_cards = short_of(shelf), right_by_product(shelf)
    answers = []
    for photo, vector in zip(queries, vectors, strict=True):
        product = shelf.cards[photo.card_id].group_id
        right = right_cards.get(product, set())
        hits = others(shelf, photo, vector, new_cards=right if as_new else set())
        found = found_cards(collapse(hits), shelf.cards)
        if right and found:
            evidence = Evidence(
                hits,
                short_cosines(short, vector, hits, shelf.short_length),
                overlaps_on(shelf, found, hits),
            )
            answers.append(Answered(product, found, evidence, is_any_of(found, right), len(right)))
    return answers


def found_cards(candidates: Sequence[Candidate], cards: Mapping[str, Card]) -> list[FoundCard]:
    """Candidates with the traits of their cards, in their order."""
    return [
        FoundCard(traits_of(cards[c.card_id]), c.photo_id, c.cosine, c.score) for c in candidates
    ]


def is_any_of(found: Sequence[FoundCard], right: Collection[str]) -> NDArray[np.bool_]:
    """Which of the found cards are right, (n_found,)."""
    return np.array([card.traits.card_id in right for card in found], np.bool_)


def overlaps_on(
    shelf: Shelf, found: Sequence[FoundCard], hits: Sequence[Hit]
) -> Mapping[str, float]:
    """See tag_overlap.py; nothing where the shelf has no tags."""
    return {} if shelf.tags is None else overlaps_of(found, hits, shelf.tags)


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


def right_by_product(shelf: Shelf) -> dict[str, set[str]]:
    """Cards on the shelf that are each product, by product group."""
    own: dict[str, set[str]] = defaultdict(set)
    for photo in shelf.photos:
        own[shelf.cards[photo.card_id].group_id].add(photo.card_id)
    right = {product: set(card_ids) for product, card_ids in own.items()}
    for pair in shelf.joined:
        for product in pair:
            right[product] = right.get(product, set()).union(*(own[one] for one in pair))
    return right


def others(
    shelf: Shelf, photo: CuratedPhoto, vector: Vectors, *, new_cards: Collection[str]
) -> list[Hit]:
    """Near photos without the query itself, its review, and buyers' photos of new cards."""
    hits = shelf.index.nearest(vector, limit=2 * shelf.hits_per_query)
    kept = [hit for hit in hits if is_other(photo, hit.card_id, hit.photo_id, new_cards)]
    return kept[: shelf.hits_per_query]


def is_other(photo: CuratedPhoto, card_id: str, photo_id: str, new_cards: Collection[str]) -> bool:
    """Whether a photo of the shelf may be found: see `others`."""
    is_of_review = photo_id.startswith(photo.photo_id.rpartition("/")[0] + "/")
    return not is_of_review and (card_id not in new_cards or GALLERY in photo_id)


def short_of(shelf: Shelf) -> dict[str, Vectors]:
    """The short vector of each photo of the shelf, by photo_id."""
    short = shorten(shelf.vectors, shelf.short_length)
    return {photo.photo_id: row for photo, row in zip(shelf.photos, short, strict=True)}


def short_cosines(
    short: Mapping[str, Vectors], vector: Vectors, hits: Sequence[Hit], length: int
) -> dict[str, float]:
    """Cosines of near photos to a query's vector, (dim,), at the short length, by photo_id."""
    asked = shorten(vector[None], length)[0]
    return {hit.photo_id: float(short[hit.photo_id] @ asked) for hit in hits}
