"""More like this card: its own gallery photos ask; it and its twins are left out."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from photosearch.catalog.schemas import Card
from photosearch.catalog.tables import read_table
from photosearch.embedding.embedder import unit
from photosearch.errors import BadRequest
from photosearch.index.vector_index import Hit, Vectors
from photosearch.search.candidates import collapse
from photosearch.search.query import Candidate

Near = Callable[[Vectors], list[Hit]]
"""Unit vector (dim,) -> near photos, nearest first; filtered already."""
VectorsOf = Callable[[Sequence[str]], dict[str, tuple[list[str], Vectors]]]
"""Cards -> photos of each in the index: ids, and unit vectors (n, dim)."""


def cards_like(
    card_id: str, near: Near, vectors_of: VectorsOf, *, twins: Collection[str]
) -> list[Candidate]:
    """Cards whose photos are near a card's own, best first.

    The mean of its gallery photos asks, once: to ask with each of them finds no better
    (docs/experiments/text_search.md).

    Args:
        card_id: Where there is no gallery photo, its buyers' photos ask.
        near: The search.
        vectors_of: See SearchedIndex.
        twins: Cards of the same product; left out, as the card itself.

    Raises:
        BadRequest: The index holds no photo of it.
    """
    known = vectors_of([card_id])
    if card_id not in known:
        raise BadRequest(
            f"No photo of card {card_id!r} is in the index, so nothing can be like it. Ask with "
            "the id of a card that a search of this release has found."
        )
    photo_ids, vectors = known[card_id]
    own = [row for row, name in enumerate(photo_ids) if name.startswith(f"{card_id}/gallery/")]
    asked = unit(vectors[own or slice(None)].mean(axis=0))
    return [found for found in collapse(near(asked)) if found.card_id not in {card_id, *twins}]


def twins_by_card(cards: Path) -> dict[str, frozenset[str]]:
    """Cards of a cards.parquet that are sold more than once -> the others of their product.

    Raises:
        BadTable: The table is not whole.
    """
    of_product: dict[str, list[str]] = defaultdict(list)
    table = read_table(cards, Card)
    pairs = zip(table["card_id"].to_pylist(), table["group_id"].to_pylist(), strict=True)
    for card_id, group_id in pairs:
        of_product[group_id].append(card_id)
    return {
        card_id: frozenset(together) - {card_id}
        for together in of_product.values()
        if len(together) > 1
        for card_id in together
    }
