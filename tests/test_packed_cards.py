"""Facts and traits of a million cards: what goes in comes out, and ids lead to their rows."""

import math
from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa
import pytest

from photosearch.catalog.schemas import Card
from photosearch.catalog.tables import arrow_schema
from photosearch.index.id_rows import UNKNOWN, IdRows
from photosearch.search.card_traits import CardTraits
from photosearch.search.found import traits_of
from photosearch.search.packed_cards import PackedCards
from photosearch.search.schemas import CardFacts

PLAIN = Card("c1", "Mug", None, None, ["Home", "Mugs"], None, None, 9.5, "g1")
ODD = Card(
    "c2", 'A "big" \\ mug\n\t\x01', "Кружка ☕", "", ['5" plates', "\\"], "b", "a/1", 1e-7, "g2",
    seller="s", rating=0.1 + 0.2, n_reviews=2**40, status="on_sale",
)  # fmt: skip
BARE = Card("c3", "", None, None, [], None, None, None, "g3")


def packed(cards: list[Card], thumbnails: list[str | None]) -> PackedCards:
    table = pa.Table.from_pylist([asdict(card) for card in cards], schema=arrow_schema(Card))
    return PackedCards(table, pa.array(thumbnails, pa.string()))


def test_packed_facts_are_those_of_the_cards():
    cards, pictures = [PLAIN, ODD, BARE], ["/v1/thumbnails/1.jpg", None, None]
    shown = set(CardFacts.model_fields) - {"thumbnail"}
    expected = [
        CardFacts(
            **{name: value for name, value in asdict(card).items() if name in shown},
            thumbnail=picture,
        )
        for card, picture in zip(cards, pictures, strict=True)
    ]
    assert packed(cards, pictures).of([0, 1, 2, 1]) == [*expected, expected[1]]


def test_a_number_that_is_none_is_not_known():
    odd = [Card("c", "t", None, None, [], None, None, price, "g") for price in (math.nan, math.inf)]
    assert [card.price for card in packed(odd, [None, None]).of([0, 1])] == [None, None]


def test_traits_are_those_of_the_cards():
    cards = [PLAIN, ODD, BARE, replace(PLAIN, price=math.nan, rating=math.inf)]
    table = pa.Table.from_pylist([asdict(card) for card in cards], schema=arrow_schema(Card))
    rows = np.array([2, 0, 1, 3, 0])
    ids = [cards[row].card_id for row in rows]
    unknown = replace(cards[3], price=None, rating=None)
    expected = [traits_of(unknown if row == 3 else cards[row]) for row in rows]
    assert CardTraits(table).of(ids, rows) == expected
    assert CardTraits(table[:0]).of([], rows[:0]) == []


def test_nothing_is_packed_and_nothing_asked_for():
    assert packed([], []).of([]) == []
    assert packed([PLAIN], [None]).of([]) == []


@pytest.mark.parametrize("n_ids", [0, 1, 2, 3, 1000])
def test_each_id_leads_to_its_row_and_a_strange_one_to_none(n_ids: int):
    ids = [f"card-{row}" for row in range(n_ids)]
    table = IdRows(ids)
    assert len(table) == n_ids
    assert table.rows(ids).tolist() == list(range(n_ids))
    assert table.rows(["strange", *ids[:1]]).tolist() == [UNKNOWN, *range(n_ids)[:1]]
    assert table.rows([]).tolist() == []
