"""Shelves let no card that passes a filter out, whatever its price or rating."""

from hypothesis import given
from hypothesis import strategies as st

from photosearch.index.filters import CardFilter, Listing, passes
from photosearch.index.qdrant_points import conditions
from photosearch.index.shelves import (
    is_whole_shelf,
    shelves_by_price,
    shelves_by_rating,
    shelves_of,
)

CATEGORY = ("Home", "Mugs")
AMOUNTS = st.one_of(st.none(), st.floats(0, 1e12), st.sampled_from([0.0, 0.01, 1.0, 99.9, 1e9]))
RATINGS = st.one_of(st.none(), st.floats(0, 5), st.sampled_from([0.0, 4.0, 4.9, 5.0]))
PATHS = st.sampled_from([(), ("Home",), CATEGORY, (*CATEGORY, "Red"), ("Clothes",)])


CARDS = st.builds(Listing, st.just("mug"), PATHS, st.none(), AMOUNTS, RATINGS)
FILTERS = st.builds(CardFilter, PATHS, st.just(()), AMOUNTS, AMOUNTS, RATINGS)


@given(CARDS, FILTERS)
def test_a_card_that_passes_stands_on_a_shelf_that_is_asked(card: Listing, where: CardFilter):
    shelves = set(shelves_of(card))
    if passes(card, where):
        for wanted in filter(None, (shelves_by_price(where), shelves_by_rating(where))):
            assert shelves & set(wanted)


def test_few_shelves_are_asked_for_a_range_of_prices():
    assert len(shelves_by_price(CardFilter(CATEGORY, price_min=100, price_max=200))) == 4
    assert len(shelves_by_price(CardFilter(CATEGORY))) == 0
    assert len(shelves_by_price(CardFilter(price_min=100))) == 0
    assert len(shelves_by_price(CardFilter(CATEGORY, price_min=0))) < 110


def test_what_a_shelf_says_is_not_asked_again():
    where = CardFilter(CATEGORY, price_max=100, rating_min=4.8)
    assert fields_of(where) == ["shelf", "shelf", "price"]  # shelves of 4.8 hold nothing below
    assert fields_of(CardFilter(CATEGORY, rating_min=4.85)) == ["shelf", "rating"]
    assert fields_of(CardFilter(CATEGORY)) == ["category"]
    assert fields_of(CardFilter(price_max=100, rating_min=4)) == ["price", "rating"]


def test_ratings_that_most_cards_have_are_not_asked_by_shelf():
    assert fields_of(CardFilter(CATEGORY, rating_min=4.5)) == ["category", "rating"]
    assert fields_of(CardFilter(CATEGORY, price_max=100, rating_min=4)) == [
        "shelf",
        "price",
        "rating",
    ]


def test_photos_without_shelves_are_asked_for_everything():
    where = CardFilter(CATEGORY, price_max=100, rating_min=4)
    assert fields_of(where, has_shelves=False) == ["category", "price", "rating"]


@given(st.floats(0, 5), st.floats(0, 5))
def test_a_whole_shelf_holds_nothing_below(rating: float, asked: float):
    card = Listing("mug", CATEGORY, None, None, rating)
    for least in (asked, round(asked, 1)):
        where = CardFilter(CATEGORY, rating_min=least)
        if is_whole_shelf(least) and set(shelves_of(card)) & set(shelves_by_rating(where)):
            assert passes(card, where)


def fields_of(where: CardFilter, **how: bool) -> list[str]:
    return [one.field for one in conditions(where, **how)]
