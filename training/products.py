"""What labels say about photos: which belong to one product, which do not, which are strangers."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from photosearch.catalog.schemas import Card, Label, WeakPair


@dataclass(frozen=True, slots=True)
class Products:
    product_of_card: dict[str, int]
    """Cards of one product group, or of groups that people called the same, share a number."""
    look_alikes: dict[int, dict[int, float]]
    """Products that people were asked about and called different, and how sure they were in all."""
    strangers: set[str]
    """Photos that people say do not show their own card's product."""


def products_from_labels(
    cards: Sequence[Card], card_of_photo: Mapping[str, str], labels: Sequence[Label]
) -> Products:
    """Turns answers into training targets; an answer counts as far as its probability goes.

    Args:
        cards: Every card of the snapshot.
        card_of_photo: Card ids of the photos that labels speak of; labels about photos or cards
            that are not here any more are left aside.
        labels: Answers of people; `unclear` ones change nothing.
    """
    numbers = {group: n for n, group in enumerate(sorted({card.group_id for card in cards}))}
    parent = list(range(len(numbers)))
    group_number = {card.card_id: numbers[card.group_id] for card in cards}

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = number = parent[parent[number]]
        return number

    known = [
        label for label in labels
        if all(card_of_photo.get(one) in group_number for one in (label.photo_a, label.photo_b))
    ]  # fmt: skip
    doubts: dict[str, float] = defaultdict(float)
    different: list[tuple[int, int, float]] = []
    for label in known:
        card_a, card_b = card_of_photo[label.photo_a], card_of_photo[label.photo_b]
        a, b = group_number[card_a], group_number[card_b]
        same, other = label.probability_same, 1 - label.probability_same
        if label.answer == "same" and a != b:
            parent[max(root(a), root(b))] = min(root(a), root(b))
        elif label.answer == "different" and a != b:
            different.append((a, b, other))
        elif label.answer == "different":
            for photo_id in (label.photo_a, label.photo_b):
                doubts[photo_id] += other if "/review/" in photo_id else 0
        elif label.answer == "same":
            doubts[label.photo_a] -= same
            doubts[label.photo_b] -= same
    look_alikes: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for a, b, sure in different:
        if root(a) != root(b):
            look_alikes[root(a)][root(b)] += sure
            look_alikes[root(b)][root(a)] += sure
    return Products(
        {card_id: root(number) for card_id, number in group_number.items()},
        {product: dict(others) for product, others in look_alikes.items()},
        {photo_id for photo_id, doubt in doubts.items() if doubt > 0},
    )


def with_weak_pairs(
    products: Products,
    weak: Sequence[WeakPair],
    card_of_photo: Mapping[str, str],
    *,
    weight: float,
) -> Products:
    """Adds products that shoppers told apart to those that look alike; answers of people stand.

    Clicks join no products: shoppers also click what they would take instead.

    Args:
        products: By what people answered.
        weak: What clicks say; pairs of photos or cards that are not here are left aside.
        card_of_photo: Card ids of the photos that pairs speak of.
        weight: What one counts beside a pair that people told apart for sure.
    """
    look_alikes = {product: dict(others) for product, others in products.look_alikes.items()}
    for pair in weak:
        a, b = (
            products.product_of_card.get(card_of_photo.get(photo_id, ""))
            for photo_id in (pair.photo_a, pair.photo_b)
        )
        if pair.answer != "different" or a is None or b is None or a == b:
            continue
        for product, other in ((a, b), (b, a)):
            others = look_alikes.setdefault(product, {})
            others[other] = others.get(other, 0.0) + weight * (1 - pair.probability_same)
    return replace(products, look_alikes=look_alikes)
