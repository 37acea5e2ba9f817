"""The reasons to ask about a pair of photos: one function each, best pairs first.

Knows nothing of budgets; sees training photos only, so no pair of it crosses splits.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray

from photosearch.catalog.schemas import Card, ClickedPair, CuratedPhoto
from photosearch.curation.neighbours import neighbours_of_others
from photosearch.embedding.embedder import Vectors

Rows = tuple[int, int]
"""Rows of two photos, the smaller first."""

PHOTOS_A_CARD = 500
"""Of a card with more, gallery photos and then the first others are paired: 500 squared is 1 MB."""
NEIGHBOURS_A_PHOTO = 5
POOL_A_CARD = 200
"""Pairs of one card that may be unsure or disputed; of a large card the ones nearest to unsure."""
MIN_LOOK_ALIKES_A_CARD = 4
MIN_DISPUTE = 0.1
"""Two models disagree when their probabilities differ by at least this."""
MIN_SHOWN = 5
"""Clicks of fewer impressions say nothing."""
FAR_PAIRS_A_GOLD = 50


@dataclass(frozen=True, slots=True)
class Train:
    """Training photos, what they look like, and what their cards say."""

    photos: list[CuratedPhoto]
    vectors: Vectors
    """(n_photos, dim)."""
    groups: list[str]
    """Product group by photo."""
    cards: Mapping[str, Card]

    def cosine(self, rows: Rows) -> float:
        return float(self.vectors[rows[0]] @ self.vectors[rows[1]])


def cards_rows(train: Train) -> list[list[int]]:
    """Rows of the photos of each card, gallery first."""
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, photo in enumerate(train.photos):
        rows_of[photo.card_id].append(row)
    return [
        sorted(rows, key=lambda row: train.photos[row].kind != "gallery")[:PHOTOS_A_CARD]
        for rows in rows_of.values()
    ]


def same_card(train: Train) -> list[Rows]:
    """Photos of one card, the least alike of every card before the second least of any."""
    of_card = []
    for rows in cards_rows(train):
        cosines = train.vectors[rows] @ train.vectors[rows].T
        is_gallery = [train.photos[row].kind == "gallery" for row in rows]
        pairs = hardest_same(cosines, is_gallery, limit=len(rows))
        of_card.append([_ordered(rows[a], rows[b]) for a, b in pairs])
    rounds = zip_longest(*of_card)
    return list(
        chain.from_iterable(
            sorted((pair for pair in one if pair is not None), key=lambda p: (train.cosine(p), p))
            for one in rounds
        )
    )


def hardest_same(
    cosines: NDArray[np.float32], is_gallery: Sequence[bool], *, limit: int
) -> list[Rows]:
    """Picks pairs of photos of one card: gallery with buyer's first, least alike first.

    Each buyer's photo is asked about once, or one strange photo would take every question.

    Args:
        cosines: Between all photos of the card, (n, n).
        is_gallery: By photo, (n,).
        limit: At most so many pairs.

    Returns:
        Rows (a, b), a < b.
    """
    rows, columns = np.triu_indices(len(is_gallery), 1)
    gallery = np.asarray(is_gallery, dtype=np.int64)
    # one gallery photo first, then none (two buyers), then two (the seller shows variants himself)
    rank = np.array([1, 0, 2])[gallery[rows] + gallery[columns]]
    asked: set[int] = set()
    picked: list[Rows] = []
    for at in np.lexsort((columns, rows, cosines[rows, columns], rank)):
        if len(picked) >= limit:
            break
        pair = (int(rows[at]), int(columns[at]))
        buyers = {row for row in pair if not is_gallery[row]}
        if not buyers & asked:
            asked |= buyers
            picked.append(pair)
    return picked


def nearest_others(train: Train) -> dict[Rows, float]:
    """The nearest photos of other product groups, with their cosines, nearest first."""
    best, cosines = neighbours_of_others(train.vectors, train.groups, k=NEIGHBOURS_A_PHOTO)
    found = {
        _ordered(row, int(other)): float(cosine)
        for row in range(len(best))
        for other, cosine in zip(best[row], cosines[row], strict=True)
        if cosine > -np.inf
    }
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def neighbours(train: Train, others: Iterable[Rows], *, limit: int) -> list[Rows]:
    """Nearest photos of different products, in which no card takes much more than its share."""
    n_cards = len({photo.card_id for photo in train.photos})
    per_card = max(MIN_LOOK_ALIKES_A_CARD, math.ceil(4 * limit / max(n_cards, 1)))
    return _varied(train, others, per_card=per_card)


def pool(train: Train, others: Iterable[Rows], *, threshold: float) -> list[Rows]:
    """Pairs that may be unsure or disputed: of one card, and neighbours across cards."""
    found = set(others)
    for rows in cards_rows(train):
        cosines = train.vectors[rows] @ train.vectors[rows].T
        a, b = np.triu_indices(len(rows), 1)
        nearest = np.argsort(np.abs(cosines[a, b] - threshold), kind="stable")[:POOL_A_CARD]
        found |= {_ordered(rows[a[at]], rows[b[at]]) for at in nearest}
    return sorted(found)


def unsure(
    train: Train, pairs: Sequence[Rows], probabilities: NDArray[np.float64], *, limit: int
) -> list[Rows]:
    """Pairs nearest to the decision threshold first; no card takes much more than its share."""
    order = np.argsort(np.abs(probabilities - 0.5), kind="stable")
    n_cards = len({photo.card_id for photo in train.photos})
    per_card = max(MIN_LOOK_ALIKES_A_CARD, math.ceil(4 * limit / max(n_cards, 1)))
    return _varied(train, [pairs[at] for at in order], per_card=per_card)


def disputed(
    pairs: Sequence[Rows], ours: NDArray[np.float64], theirs: NDArray[np.float64]
) -> list[Rows]:
    """Pairs of which two models think differently, the widest apart first.

    Args:
        pairs: Candidates.
        ours: Probability of "same" by one model, by candidate.
        theirs: By the other; NaN where it does not know a photo.
    """
    apart = np.nan_to_num(np.abs(ours - theirs))
    return [pairs[at] for at in np.argsort(-apart, kind="stable") if apart[at] >= MIN_DISPUTE]


def contradicted(
    clicked: Mapping[Rows, ClickedPair], probability_of: Mapping[Rows, float]
) -> list[Rows]:
    """Pairs where clicks and model say opposite things, the loudest contradiction first.

    Shoppers click few of what they are shown, so a share of clicks is judged by its rank among all:
    the most clicked half speaks for "same".
    """
    shares = {rows: one.clicked / one.shown for rows, one in clicked.items()}
    ranked = sorted(shares, key=lambda rows: (shares[rows], rows))
    place = {rows: (n + 0.5) / len(ranked) for n, rows in enumerate(ranked)}
    opposed = [rows for rows in ranked if (place[rows] >= 0.5) != (probability_of[rows] >= 0.5)]
    return sorted(opposed, key=lambda rows: (-abs(place[rows] - probability_of[rows]), rows))


def gold(train: Train, *, limit: int, seed: int = 7) -> list[tuple[Rows, bool]]:
    """Easy pairs with known answers, half of them the same: they tell careless annotators.

    The same: two of a seller's own pictures of a card, the most alike of the card. Different: two
    photos of cards with different first categories, or of different groups where no category is
    known, the least alike of some by chance.
    """
    n_same = limit // 2
    alike = []
    for rows in cards_rows(train):
        seller = [row for row in rows if train.photos[row].kind == "gallery"]
        pairs = [_ordered(a, b) for n, a in enumerate(seller) for b in seller[n + 1 :]]
        if pairs:
            alike.append(max(pairs, key=lambda pair: (train.cosine(pair), pair)))
    alike.sort(key=lambda pair: (-train.cosine(pair), pair))
    same = [(pair, True) for pair in alike[:n_same]]
    return [*same, *((pair, False) for pair in _far_apart(train, limit=limit - n_same, seed=seed))]


def _far_apart(train: Train, *, limit: int, seed: int) -> list[Rows]:
    if len(train.photos) < 2:
        return []
    chance = np.random.default_rng(seed)
    drawn = chance.integers(0, len(train.photos), (FAR_PAIRS_A_GOLD * limit, 2))
    unlike = {_ordered(int(a), int(b)) for a, b in drawn if _is_unlike(train, int(a), int(b))}
    ranked = sorted(unlike, key=lambda pair: (train.cosine(pair), pair))
    return _varied(train, ranked, per_card=2)[:limit]


def _is_unlike(train: Train, a: int, b: int) -> bool:
    first = [train.cards[train.photos[row].card_id].category[:1] for row in (a, b)]
    is_other_category = first[0] != first[1] or not all(first)
    return train.groups[a] != train.groups[b] and is_other_category


def _varied(train: Train, ranked: Iterable[Rows], *, per_card: int) -> list[Rows]:
    """The pairs in their order, as long as no card appears more than `per_card` times."""
    times: Counter[str] = Counter()
    first: list[Rows] = []
    for rows in ranked:
        card_ids = {train.photos[row].card_id for row in rows}
        if all(times[card_id] < per_card for card_id in card_ids):
            times.update(card_ids)
            first.append(rows)
    return first


def _ordered(a: int, b: int) -> Rows:
    return (a, b) if a < b else (b, a)
