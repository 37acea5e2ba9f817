"""What filters keep, and how what a card's photos carry is changed: one suite for every index."""

from collections.abc import Sequence
from dataclasses import replace

import every_index
import numpy as np
import pytest
from every_index import IndexOfDim
from photo_vectors import BLUE, PINK, RED, clustered, photo_ids

from photosearch.catalog.schemas import Card
from photosearch.embedding.embedder import Vectors
from photosearch.index.filters import CardFilter, Listing, listing_of, passes
from photosearch.index.vector_index import ExactIndex, Hit, VectorIndex
from photosearch.search.candidates import nearest_cards

pytestmark = every_index.IN_MEMORY
index_of = every_index.index_of

N_PHOTOS, DIM = 600, 32


def shelf() -> tuple[list[str], list[Listing], Vectors]:
    """Photos of 300 cards, two each; some cards tell neither brand nor price nor rating."""
    dice = np.random.default_rng(7)
    listings = [
        Listing(
            f"c{card:03}",
            category=("Worn", "Shoes", "Boots")[: 1 + card % 3] if card % 2 else ("Home",),
            brand=[None, "Nord", "Sud", "Ost"][card % 4],
            price=None if card % 7 == 0 else float(np.round(dice.lognormal(3, 1), 2)),
            rating=None if card % 5 == 0 else float(dice.integers(2, 11)) / 2,
            n_reviews=card,
            seller=f"s{card % 9}",
            article=f"A-{card}",
            status="on_sale",
        )
        for card in range(N_PHOTOS // 2)
    ]
    ids = [f"p{row:04}" for row in range(N_PHOTOS)]
    return ids, [listings[row // 2] for row in range(N_PHOTOS)], clustered(N_PHOTOS, DIM)


@pytest.fixture
def filled(index_of: IndexOfDim) -> VectorIndex:
    index = index_of(DIM)
    index.add(*shelf())
    index.optimize()
    return index


OFFERED = [
    CardFilter(),
    CardFilter(category=("Worn",)),
    CardFilter(category=("Worn", "Shoes", "Boots")),
    CardFilter(brands=("Nord",)),
    CardFilter(brands=("Nord", "Ost")),
    CardFilter(price_min=10, price_max=40),
    CardFilter(price_max=8.5),
    CardFilter(rating_min=4.5),
    CardFilter(category=("Home",), price_min=20),
    CardFilter(category=("Worn",), brands=("Sud", "Ost"), price_max=50, rating_min=3),
]


@pytest.mark.parametrize("where", OFFERED, ids=str)
def test_filtered_search_finds_what_exact_search_finds(
    filled: VectorIndex, where: CardFilter
) -> None:
    ids, listings, vectors = shelf()
    listing_of_photo = dict(zip(ids, listings, strict=True))
    exact = ExactIndex(DIM)
    exact.add(ids, listings, vectors)
    right = 0
    for query in clustered(N_PHOTOS + 20, DIM)[-20:]:
        hits = filled.nearest(query, limit=10, where=where)
        assert all(passes(listing_of_photo[hit.photo_id], where) for hit in hits)
        right += len(
            set(photo_ids(hits)) & set(photo_ids(exact.nearest(query, limit=10, where=where)))
        )
    assert right >= 0.95 * 200


@pytest.mark.parametrize(
    "nothing",
    [
        CardFilter(category=("Sold nowhere",)),
        CardFilter(category=("Wor",)),  # a path's step is whole
        CardFilter(category=("Shoes",)),  # and begins at the root
        CardFilter(brands=("nord",)),
        CardFilter(price_min=1e9),
        CardFilter(price_min=9, price_max=8),
        CardFilter(category=("Home",), brands=("Nord",)),
    ],
    ids=str,
)
def test_a_filter_that_nothing_passes_finds_nothing(
    filled: VectorIndex, nothing: CardFilter
) -> None:
    assert filled.nearest(clustered(1, DIM)[0], limit=10, where=nothing) == []


def test_equal_cosines_under_a_filter_come_in_order_of_photo_id(index_of: IndexOfDim) -> None:
    index, in_shop = index_of(2), Listing("a", brand="Nord")
    index.add(["d", "a", "c", "b"], [in_shop] * 4, np.stack([RED] * 4))
    index.add(["nearer"], [Listing("x")], PINK[None])
    wanted = CardFilter(brands=("Nord",))
    assert photo_ids(index.nearest(PINK, limit=5, where=wanted)) == ["a", "b", "c", "d"]


def test_the_bounds_of_a_price_belong_to_it(index_of: IndexOfDim) -> None:
    index = index_of(2)
    index.add(["x"], [Listing("x", price=19.99)], RED[None])
    for where, is_found in (
        (CardFilter(price_min=19.99, price_max=19.99), True),
        (CardFilter(price_max=19.98), False),
        (CardFilter(price_min=20), False),
    ):
        assert bool(index.nearest(RED, limit=1, where=where)) is is_found


def test_a_card_is_found_once_and_only_if_it_passes(filled: VectorIndex) -> None:
    query = clustered(1, DIM)[0]
    wanted = CardFilter(category=("Worn",))
    cards = nearest_cards(filled, query, hits_per_query=60, where=wanted)
    assert len({card.card_id for card in cards}) == len(cards) >= 25


def test_changed_listings_change_what_filters_find_and_no_cosine(filled: VectorIndex) -> None:
    ids, listings, vectors = shelf()
    sale = [
        replace(listing, price=0.5, category=("Sale", "Last"), rating=None)
        for listing in listings[100:200:2]
    ]
    before = filled.nearest(vectors[100], limit=3)
    filled.update_listings(sale)
    assert filled.count() == N_PHOTOS
    assert close_to(filled.nearest(vectors[100], limit=3), before)
    for cheap in (CardFilter(price_max=1), CardFilter(category=("Sale",))):
        found = photo_ids(filled.nearest(vectors[100], limit=200, where=cheap))
        assert set(found) >= set(ids[100:200])
        assert len(found) < 120  # the others cost more than that
    rated = photo_ids(filled.nearest(vectors[100], limit=2000, where=CardFilter(rating_min=0)))
    assert not set(rated) & set(ids[100:200])
    filled.optimize()
    last = CardFilter(category=("Sale", "Last"))
    assert set(photo_ids(filled.nearest(vectors[100], limit=200, where=last))) == set(ids[100:200])


def close_to(hits: Sequence[Hit], others: Sequence[Hit]) -> bool:
    cosines = [hit.cosine for hit in others]
    return photo_ids(list(hits)) == photo_ids(list(others)) and [
        hit.cosine for hit in hits
    ] == pytest.approx(cosines, abs=1e-5)


def test_the_last_listing_of_a_card_is_kept(index_of: IndexOfDim) -> None:
    index = index_of(2)
    index.add(["x"], [Listing("x", price=1)], RED[None])
    index.update_listings([Listing("x", price=2), Listing("nobody"), Listing("x", price=3)])
    index.update_listings([])
    assert [listings for _, listings, _ in index.scroll()] == [[Listing("x", price=3)]]
    assert index.count() == 1


def test_another_index_is_filled_from_what_scroll_gives(filled: VectorIndex) -> None:
    ids, listings, _ = shelf()
    copy = ExactIndex(DIM)
    for batch in filled.scroll(batch=500):
        copy.add(*batch)
    told: dict[str, Listing] = {}
    for some_ids, some_listings, _ in copy.scroll():
        told |= zip(some_ids, some_listings, strict=True)
    assert told == dict(zip(ids, listings, strict=True))
    query, wanted = clustered(1, DIM, seed=8)[0], CardFilter(brands=("Sud",))
    theirs = filled.nearest(query, limit=5, where=wanted)
    assert photo_ids(copy.nearest(query, limit=5, where=wanted)) == photo_ids(theirs)


def test_a_photo_that_moves_to_another_card_takes_its_listing(index_of: IndexOfDim) -> None:
    index = index_of(2)
    index.add(["x"], [Listing("old", price=5, brand="Nord")], RED[None])
    index.add(["x"], [Listing("new", price=9)], BLUE[None])
    assert index.nearest(RED, limit=1, where=CardFilter(brands=("Nord",))) == []
    found = index.nearest(BLUE, limit=1, where=CardFilter(price_min=9))
    assert [hit.card_id for hit in found] == ["new"]


# What a filter means


SHOE = Listing("shoe", ("Worn", "Shoes"), brand="Nord", price=40.0, rating=4.5)


@pytest.mark.parametrize(
    ("wanted", "is_found"),
    [
        (CardFilter(), True),
        (CardFilter(category=("Worn",)), True),
        (CardFilter(category=("Home",)), False),
        (CardFilter(brands=("Sud", "Nord")), True),
        (CardFilter(brands=("Sud",)), False),
        (CardFilter(price_min=40, price_max=40), True),
        (CardFilter(price_max=39.99), False),
        (CardFilter(rating_min=4.6), False),
    ],
)
def test_a_filter_keeps_what_was_asked_for(wanted: CardFilter, is_found: bool):
    assert passes(SHOE, wanted) is is_found


def test_a_card_that_does_not_tell_its_price_passes_no_price_filter():
    assert not passes(Listing("shoe"), CardFilter(price_max=100))
    assert passes(Listing("shoe"), CardFilter())


def test_a_listing_tells_what_the_catalogue_tells():
    card = Card(
        "c1", "Boot", None, None, ["Worn", "Shoes"], "Nord", "A-1", 9.5, "g1",
        seller="s1", rating=4.5, n_reviews=3, status="on_sale",
    )  # fmt: skip
    assert listing_of(card) == Listing(
        "c1", ("Worn", "Shoes"), "Nord", 9.5, 4.5, 3, "s1", "A-1", "on_sale"
    )
