"""What every model of a home is asked in `photosearch benchmark`: read once, the same for all."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from photosearch.catalog.schemas import Card, CuratedPhoto, DrawnBox
from photosearch.catalog.tables import read_rows
from photosearch.evaluation.grades import GradesOf, read_grades
from photosearch.evaluation.photo_to_card import Task, load_task
from photosearch.evaluation.verification import Pairs, pairs_of
from photosearch.evaluation.views import drawn_boxes
from photosearch.home import Home
from photosearch.judging_settings import BenchmarkParams

Item = TypeVar("Item")


class AskedChange(Protocol):
    """A card, and the words that lead from it to others: training/triplets.py makes them."""

    @property
    def source(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def right(self) -> tuple[str, ...]: ...
    @property
    def texts(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class HeldOut:
    home: Home
    queries: list[CuratedPhoto]
    """Buyers' photos never seen in training."""
    gallery: list[CuratedPhoto]
    """The cards' own pictures."""
    cards: dict[str, Card]
    group_of_card: dict[str, str]
    cards_of_group: dict[str, frozenset[str]]
    """Those with a gallery picture."""
    seen_groups: frozenset[str]
    """Product groups with photos in training."""
    boxes: dict[str, DrawnBox]
    grades: GradesOf
    pool: list[CuratedPhoto]
    """Held-out photos of which pairs are made."""
    pairs: Pairs
    changes: list[AskedChange]
    """From and to cards never seen in training."""
    strength: BenchmarkParams

    def slices(self, products: Sequence[str], cards: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
        """Which queries of these products and cards belong to each slice; none is empty."""
        seen = np.array([product in self.seen_groups for product in products], np.bool_)
        categories = np.array([category_of(self.cards[card]) for card in cards])
        made = {"all": np.ones(len(products), np.bool_), "seen": seen, "unseen": ~seen}
        made |= {f"category {name}": categories == name for name in sorted(set(categories))}
        return {name: members for name, members in made.items() if members.any()}


def category_of(card: Card) -> str:
    """Its top category; cards without one are told apart as `none`."""
    return (card.category or ["none"])[0]


def read_held_out(
    home: Home, strength: BenchmarkParams, *, changes: Sequence[AskedChange]
) -> HeldOut:
    """Reads the curated tables, what people drew and graded, and makes pairs.

    Args:
        home: After `curate`.
        strength: See params.yaml.
        changes: Ways from card to card; those of cards never seen in training are kept.

    Raises:
        EmptySource: No photo is left to ask with.
        BadTable, BadSource: A table, or the file of grades, is not whole.
    """
    task = load_task(home)
    cards = {card.card_id: card for card in read_rows(home.curated / "cards.parquet", Card)}
    photos = read_rows(home.curated / "photos.parquet", CuratedPhoto)
    cards_of_group: dict[str, set[str]] = defaultdict(set)
    for photo in task.gallery:
        cards_of_group[task.group_of_card[photo.card_id]].add(photo.card_id)
    seen = frozenset(task.group_of_card[photo.card_id] for photo in photos if photo.is_card_seen)
    queries = chosen(task.queries, strength.queries_max, strength.seed)
    pool = [*queries, *_unseen_pictures(task, queries)]
    unseen = frozenset().union(*(of_it for g, of_it in cards_of_group.items() if g not in seen))
    kept = [change for change in changes if {change.source, change.target} <= unseen]
    return HeldOut(
        home,
        queries,
        task.gallery,
        cards,
        task.group_of_card,
        {group: frozenset(of_it) for group, of_it in cards_of_group.items()},
        seen,
        drawn_boxes(home.boxes),
        read_grades(home.relevance),
        pool,
        pairs_of(pool, cards, seed=strength.seed),
        chosen(kept, strength.queries_max, strength.seed),
        strength,
    )


def chosen(items: Sequence[Item], most: int, seed: int) -> list[Item]:
    """At most so many, by chance, in their order."""
    rows = np.random.default_rng(seed).permutation(len(items))[:most]
    return [items[row] for row in np.sort(rows).tolist()]


def _unseen_pictures(task: Task, queries: Sequence[CuratedPhoto]) -> list[CuratedPhoto]:
    """Gallery pictures that are held out, of the products that queries show."""
    asked = {task.group_of_card[photo.card_id] for photo in queries}
    return [
        photo
        for photo in task.gallery
        if photo.split != "train" and task.group_of_card[photo.card_id] in asked
    ]
