"""Tag chips of an answer: what the photo shows, and what tells the found cards apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from photosearch.embedding.embedder import Vectors
from photosearch.search.found import FoundCard
from photosearch.search.query import Query
from photosearch.search.schemas import TagChip
from photosearch.tagging.tag_index import Rows, TagIndex

LIKENESS_MAX = 0.7
"""Two chips whose found cards overlap more (Jaccard) say the same; the later one is left out."""
ASKED = 4
"""Times the chips wanted: some are in another language, or say what a better one says."""
SHOWN = 6
"""Chips of a language in an answer."""
LANGUAGES = ("en", "ru")
FOUND_MOST = 100
"""Cards that are looked at, best first."""


Kind = Literal["near", "splits"]


@dataclass(frozen=True, slots=True)
class Chip:
    tag: str
    language: str
    kind: Kind
    """Near to the photo, or carried by some of the found cards and not by others."""
    n_found: int
    """Found cards that carry it."""
    cosine: float
    """To the query."""


@dataclass(frozen=True, slots=True)
class _Tag:
    row: int
    cosine: float
    cards: frozenset[int]
    """Places of the found cards that carry it."""


def tag_chips(index: TagIndex, query: Query, found: Sequence[FoundCard]) -> list[TagChip]:
    """The step of the search: SHOWN chips in each language; none where no photo asks."""
    if query.vector is None:
        return []
    card_ids = [card.traits.card_id for card in found]
    return [
        TagChip(tag=chip.tag, language=chip.language, kind=chip.kind, n_found=chip.n_found)
        for language in LANGUAGES
        for chip in chips(index, query.vector, card_ids, limit=SHOWN, language=language)
    ]


def chips(
    index: TagIndex, vector: Vectors, found: Sequence[str], *, limit: int, language: str | None
) -> list[Chip]:
    """Half of the chips are near to the query, half split the answer; in turn, best first.

    A tag that every found card carries is left out: tapping it changes nothing. Tags split best
    that half of the cards carry (largest entropy).

    Args:
        index: The release's tags.
        vector: The query, (dim,) or longer.
        found: card_ids, best first; those after FOUND_MOST do not count.
        limit: Chips wanted.
        language: Of the tags, `en` or `ru`; None takes both.
    """
    carriers = _carriers(index, found[:FOUND_MOST])
    near = [
        _Tag(one.row, one.cosine, carriers.of(one.row))
        for one in index.nearest(vector, limit=ASKED * limit)
    ]
    splitting = _splitting(index, vector, carriers, ASKED * limit)
    wanted = [
        [
            tag
            for tag in tags
            if language in (None, index.languages[tag.row])
            and len(tag.cards) < max(carriers.n_found, 1)
        ]
        for tags in (near, splitting)
    ]
    return [
        Chip(
            tag=index.text(tag.row),
            language=str(index.languages[tag.row]),
            kind=kind,
            n_found=len(tag.cards),
            cosine=round(tag.cosine, 4),
        )
        for tag, kind in _in_turn(wanted[0], wanted[1], limit)
    ]


@dataclass(frozen=True, slots=True)
class _Carriers:
    """Tags of the found cards, and which of the cards carry each."""

    n_found: int
    rows: Rows
    """Of tags, ascending, (n_carried,)."""
    starts: NDArray[np.int64]
    """Where a tag's cards begin in `places`, (n_carried + 1,)."""
    places: NDArray[np.int64]
    """Of found cards, tag after tag."""

    def of(self, row: int) -> frozenset[int]:
        """Places of the found cards that carry a tag."""
        number = int(np.searchsorted(self.rows, row))
        if number == len(self.rows) or self.rows[number] != row:
            return frozenset()
        return frozenset(self.places[self.starts[number] : self.starts[number + 1]].tolist())


def _carriers(index: TagIndex, found: Sequence[str]) -> _Carriers:
    carried = [np.empty(0, np.int32), *(index.carried.of(card_id) for card_id in found)]
    rows = np.concatenate(carried)
    places = np.repeat(np.arange(-1, len(found)), [len(part) for part in carried])
    order = np.argsort(rows, kind="stable")
    tags, starts = np.unique(rows[order], return_index=True)
    return _Carriers(len(found), tags, np.append(starts, len(rows)), places[order])


def _splitting(index: TagIndex, vector: Vectors, carriers: _Carriers, n: int) -> list[_Tag]:
    """The `n` tags that tell most of a found card; of equal ones the nearest to the query."""
    cosines = index.cosines_of(carriers.rows, vector)
    shares = np.diff(carriers.starts) / max(carriers.n_found, 1)
    best = np.lexsort((carriers.rows, -cosines, -_entropy(shares)))
    return [
        _Tag(row, float(cosines[number]), carriers.of(row))
        for number in best[:n].tolist()
        for row in [int(carriers.rows[number])]
    ]


def _in_turn(
    near: Sequence[_Tag], splitting: Sequence[_Tag], limit: int
) -> list[tuple[_Tag, Kind]]:
    """Half of each, none that says what one before it says."""
    room: dict[Kind, int] = {"near": limit - limit // 2, "splits": limit // 2}
    chosen: list[tuple[_Tag, Kind]] = []
    for pair in zip_longest(near, splitting):
        for tag, kind in zip(pair, room, strict=True):
            if tag is None or not room[kind]:
                continue
            if not _says_nothing_new(tag, [other for other, _ in chosen]):
                room[kind] -= 1
                chosen.append((tag, kind))
    return chosen


def _entropy(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bits that knowing a tag tells of a found card, by the share that carries it."""
    inside = np.clip(shares, 1e-12, 1 - 1e-12)  # 0 * log(0) would be NaN
    return np.round(-inside * np.log2(inside) - (1 - inside) * np.log2(1 - inside), 9)


def _says_nothing_new(tag: _Tag, chosen: Sequence[_Tag]) -> bool:
    """Whether it was chosen, or is carried by nearly the same found cards as one that was."""
    return any(
        tag.row == other.row
        or (
            tag.cards and len(tag.cards & other.cards) > LIKENESS_MAX * len(tag.cards | other.cards)
        )
        for other in chosen
    )
