"""What likes and dislikes bring, and cards like a card; for text_search.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from text_search_measures import interval_of
from text_search_shops import BUYERS, HITS, Place, asked_triplets, cards_near

from photosearch.catalog.schemas import Card
from photosearch.embedding.embedder import Vectors
from photosearch.index.vector_index import Hit
from photosearch.search.alike import cards_like
from photosearch.search.candidates import collapse
from photosearch.search.likes import moved_by_likes
from photosearch.settings import Params
from photosearch.text_search_settings import LikesParams

LIKED_MOST = 3


LIKES_GRID = tuple(product((0.75, 1.5, 3.0), (0.0, 0.15, 0.5, 1.0), (0.5, 0.7, 0.85)))


@dataclass(frozen=True, slots=True)
class Judged:
    """A shopper's photo and what she said of the cards shown first."""

    source: int
    liked: list[int]
    disliked: list[int]
    out: set[str]
    """Cards that count no more: judged, or of the source's product."""
    right: set[str]
    near: list[str]
    """Cards near the photo."""


def likes_report(tuning: Place, tested: Place, params: Params) -> dict[str, object]:
    """Recall@10 of the wanted card before and after likes and dislikes of what was shown.

    A shopper who wants the target sees ten cards near a photo of the source: likes, at most
    LIKED_MOST, cards of its kind that have the target's colour or pattern where the source has
    another; dislikes as many of the others. Shown cards that were judged count neither before nor
    after (residual collection); queries whose target was shown at once are left out.
    """
    judged = _judged(tuning, params)
    tried = {grid: _likes_hits(tuning, judged, grid) for grid in LIKES_GRID}
    best = max(LIKES_GRID, key=lambda grid: tried[grid][1].mean())
    before, after, cards = _likes_hits(tested, _judged(tested, params), best)
    low, high = interval_of(after - before, cards)
    return {
        "chosen": dict(zip(("liked", "disliked", "cosine_min"), best, strict=True)),
        "tuning": {str(grid): round(float(hits[1].mean()), 4) for grid, hits in tried.items()},
        "tuning_queries": len(tried[best][0]),
        "tuning_before": round(float(tried[best][0].mean()), 4),
        "queries": len(before),
        "before": round(float(before.mean()), 4),
        "after": round(float(after.mean()), 4),
        "gain_95": [low, high],
    }


def _judged(place: Place, params: Params) -> list[Judged]:
    """Each query with what the shopper said of the first ten."""
    cards = {card.card_id: (row, card) for row, card in enumerate(place.shop.cards)}
    judged = []
    for one in asked_triplets(place, params)[0]:
        row, source = cards[one.source]
        out = {c.card_id for c in place.shop.cards if c.group_id == source.group_id}
        target = cards[one.target][1]
        near = [c for c in cards_near(place, place.shop.vectors[row, BUYERS]) if c not in out]
        good = [c for c in near[:10] if _is_liked(cards[c][1], source, target)][:LIKED_MOST]
        bad = [c for c in near[:10] if c not in good][:LIKED_MOST]
        if good and not set(near[:10]) & set(one.right):
            rows = [[cards[c][0] for c in those] for those in (good, bad)]
            judged.append(Judged(row, rows[0], rows[1], out | {*good, *bad}, set(one.right), near))
    return judged


def _likes_hits(
    place: Place, judged: Sequence[Judged], grid: tuple[float, float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.str_]]:
    likes = LikesParams(liked=grid[0], disliked=grid[1], cosine_min=grid[2])
    own = place.shop.vectors[:, :BUYERS]
    before, after = [], []
    for one in judged:
        liked, disliked = [own[row] for row in one.liked], [own[row] for row in one.disliked]
        photo = place.shop.vectors[one.source, BUYERS]
        moved = moved_by_likes(photo, liked, disliked, likes=likes)
        before.append(_is_found(one.near, one.out, one.right))
        after.append(_is_found(cards_near(place, moved), one.out, one.right))
    sources = np.array([str(one.source) for one in judged])
    return np.array(before, np.float64), np.array(after, np.float64), sources


def _is_liked(card: Card, source: Card, target: Card) -> bool:
    changed = [n for n in target.attributes if target.attributes[n] != source.attributes[n]]
    return card.category == target.category and any(
        card.attributes[name] == target.attributes[name] for name in changed
    )


def alike_report(place: Place) -> dict[str, object]:
    """What share of the first 10 cards alike is of the card's kind, and who asks best."""
    kinds = {card.card_id: card.category for card in place.shop.cards}
    groups = {card.card_id: card.group_id for card in place.shop.cards}
    shares: dict[str, list[float]] = {"their mean asks": [], "each photo asks": []}

    def near(vector: Vectors) -> list[Hit]:
        return place.index.nearest(vector, limit=HITS)

    for row, card in enumerate(place.shop.cards):
        twins = {other for other, group in groups.items() if group == card.group_id}
        found = cards_like(card.card_id, near, place.index.vectors_of, twins=twins)
        each: dict[str, float] = {}
        for vector in place.shop.vectors[row, :BUYERS]:
            for one in collapse(near(vector)):
                each[one.card_id] = max(one.score, each.get(one.card_id, -1.0))
        best = [c for c in sorted(each, key=lambda c: -each[c]) if c not in twins]
        for way, ids in zip(shares, ([c.card_id for c in found], best), strict=True):
            shares[way].append(float(np.mean([kinds[c] == card.category for c in ids[:10]])))
    cards = np.array([card.card_id for card in place.shop.cards])
    return {
        way: [round(float(np.mean(values)), 4), *interval_of(np.array(values), cards)]
        for way, values in shares.items()
    }


def _is_found(ids: Sequence[str], out: set[str], right: set[str]) -> bool:
    return bool(right & set([card for card in ids if card not in out][:10]))
