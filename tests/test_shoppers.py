"""Pretended shoppers: what they click follows from the rank, the product and what they prefer."""

import numpy as np
import pytest

from simulator.shoppers import appeal, clicks, look_share
from simulator.world import World

WORLD = World(seed=7, n_cards=60)


def with_role(role: str) -> tuple[int, int]:
    """A card of this role, and the card it was made from."""
    product = next(p for p in WORLD.products() if p.role == role)
    assert product.made_from is not None
    return product.number, product.made_from


def test_the_product_appeals_more_than_a_look_alike_and_that_more_than_another_kind():
    alike, source = with_role("look_alike")
    other = next(p.number for p in WORLD.products()
                 if p.look.kind != WORLD.product(source).look.kind)  # fmt: skip
    careless = (0.0, 0.0)
    appeals = [appeal(WORLD, source, card, care=careless) for card in (source, alike, other)]
    assert appeals == sorted(appeals, reverse=True)
    assert appeals[0] > 2 * appeals[1] > 4 * appeals[2]


def test_the_same_product_of_another_seller_appeals_by_its_price_and_stars_alone():
    resale, source = with_role("resale")
    assert appeal(WORLD, source, resale, care=(0, 0)) == appeal(WORLD, source, source, care=(0, 0))
    assert appeal(WORLD, source, resale) != appeal(WORLD, source, source)


def test_the_same_visit_clicks_the_same_cards():
    shown = list(range(20))
    assert clicks(WORLD, 5, 3, shown) == clicks(WORLD, 5, 3, shown)
    assert any(clicks(WORLD, 5, 3, shown) != clicks(WORLD, visit, 3, shown) for visit in range(50))


def test_a_card_is_clicked_as_often_as_it_is_looked_at_and_liked():
    likes = appeal(WORLD, 3, 3)
    for rank in (1, 4):
        shown = [10] * (rank - 1) + [3]
        clicked = np.mean([clicks(WORLD, visit, 3, shown)[-1] for visit in range(4000)])
        assert clicked == pytest.approx(likes * look_share(rank), abs=0.03)
