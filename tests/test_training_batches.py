"""Which photos meet in a batch: products, their look-alikes, and what people say of both."""

from typing import Literal

import numpy as np
import pytest
from asked_labels import a_card, a_label

from photosearch.catalog.schemas import WeakPair
from training.hard_negatives import hard_negatives, joined
from training.products import products_from_labels, with_weak_pairs
from training.sampler import ProductSampler


def sampler(
    look_alikes: dict[int, dict[int, float]] | None = None, *, seed: int = 7
) -> ProductSampler:
    rows = {product: range(product * 10, product * 10 + 6) for product in range(8)}
    return ProductSampler(rows, lambda: look_alikes or {}, batch=16, seed=seed)


def test_a_batch_holds_several_rows_of_each_product():
    batches = list(sampler())
    assert len(batches) == len(sampler()) == 3  # 48 rows, 16 a batch
    for batch in batches:
        products = [row // 10 for row in batch]
        assert {products.count(product) for product in products} == {4}
        assert len(set(products)) == 4
        assert len(set(batch)) == 16


def test_a_product_with_few_photos_shows_them_more_than_once():
    (batch,) = ProductSampler({1: [5, 6], 2: [7]}, dict, batch=8, seed=0)
    assert len(batch) == 8
    assert set(batch[:4]) | set(batch[4:]) <= {5, 6, 7}
    assert batch.count(7) == 4


def test_look_alikes_stand_side_by_side():
    twins = {product: {product ^ 1: 1.0} for product in range(8)}
    for batch in sampler(twins):
        products = {row // 10 for row in batch}
        assert all(product ^ 1 in products for product in products)


def test_a_look_alike_that_people_were_sure_of_comes_more_often():
    drawn = sampler(
        {product: {(product + 1) % 8: 0.9, (product + 2) % 8: 0.1} for product in range(8)}
    )
    sure = doubtful = 0
    for epoch in range(40):
        drawn.set_epoch(epoch)
        for batch in drawn:
            first, second = batch[0] // 10, batch[4] // 10
            sure += second == (first + 1) % 8
            doubtful += second == (first + 2) % 8
    assert sure > 4 * doubtful > 0


def test_a_look_alike_that_has_no_photos_is_left_out():
    batch = next(iter(sampler({product: {99: 1.0} for product in range(8)})))
    assert 99 not in {row // 10 for row in batch}


def test_batches_depend_on_seed_and_epoch_alone():
    first, again, other_seed = sampler(), sampler(), sampler(seed=8)
    assert list(first) == list(again) == list(first)
    assert list(other_seed) != list(first)
    again.set_epoch(1)
    assert list(again) != list(first)
    first.set_epoch(1)
    assert list(again) == list(first)


CARDS = [a_card("a"), a_card("b"), a_card("b2", "b"), a_card("c")]
CARD_OF = {
    f"{card_id}/{kind}/{n}": card_id
    for card_id in ("a", "b", "b2", "c")
    for kind in ("gallery", "review/1")
    for n in (0, 1)
}


def test_cards_of_one_group_are_one_product():
    products = products_from_labels(CARDS, CARD_OF, [])
    assert products.product_of_card["b"] == products.product_of_card["b2"]
    assert len(set(products.product_of_card.values())) == 3
    assert (products.look_alikes, products.strangers) == ({}, set())


def test_same_merges_the_groups_of_both_cards():
    labels = [
        a_label("a/gallery/0", "b/gallery/0", "same"),
        a_label("b2/gallery/0", "c/gallery/0", "same"),
    ]
    assert set(products_from_labels(CARDS, CARD_OF, labels).product_of_card.values()) == {0}


def test_different_makes_look_alikes_of_both_products():
    labels = [
        a_label("a/gallery/0", "b2/gallery/0", "different"),
        a_label("a/gallery/1", "b/gallery/0", "different", sure=0.75),
    ]
    products = products_from_labels(CARDS, CARD_OF, labels)
    a, b = products.product_of_card["a"], products.product_of_card["b"]
    assert products.look_alikes == {a: {b: 1.75}, b: {a: 1.75}}
    assert products.strangers == set()


def test_different_does_not_stand_against_a_chain_of_same():
    labels = [
        a_label("a/gallery/0", "c/gallery/0", "different"),
        a_label("a/gallery/0", "b/gallery/0", "same"),
        a_label("b/gallery/0", "c/gallery/0", "same"),
    ]
    assert products_from_labels(CARDS, CARD_OF, labels).look_alikes == {}


def test_a_buyers_photo_unlike_its_own_card_is_a_stranger():
    labels = [a_label("a/gallery/0", "a/review/1/0", "different")]
    products = products_from_labels(CARDS, CARD_OF, labels)
    assert products.strangers == {"a/review/1/0"}  # never the card's own picture
    assert products.look_alikes == {}


def test_as_many_same_answers_clear_a_stranger():
    labels = [
        a_label("a/gallery/0", "a/review/1/0", "different"),
        a_label("a/gallery/1", "a/review/1/0", "same"),
    ]
    assert products_from_labels(CARDS, CARD_OF, labels).strangers == set()


def test_two_doubtful_answers_do_not_outweigh_a_sure_one():
    labels = [
        a_label("a/gallery/0", "a/review/1/0", "different", sure=0.55),
        a_label("a/gallery/1", "a/review/1/0", "different", sure=0.4),
        a_label("a/gallery/1", "a/review/1/0", "same", sure=0.99),
    ]
    assert products_from_labels(CARDS, CARD_OF, labels).strangers == set()


def test_hard_negatives_are_the_products_of_the_nearest_other_photos():
    angles = np.radians([0, 2, 10, 12, 90, 95])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = hard_negatives(vectors, [1, 1, 2, 2, 3, 3], k=2)
    assert found == {1: {2: 1.0}, 2: {1: 1.0}, 3: {2: 1.0}}


def test_products_that_people_called_different_weigh_more_than_those_that_only_look_alike():
    both = joined({1: {2: 0.9}}, {1: {2: 0.5, 3: 0.5}, 4: {1: 1.0}})
    assert both == {1: {2: 1.4, 3: 0.5}, 4: {1: 1.0}}


def test_unclear_answers_and_photos_that_are_gone_change_nothing():
    labels = [
        a_label("a/gallery/0", "b/gallery/0", "unclear"),
        a_label("a/gallery/0", "a/review/1/0", "unclear"),
        a_label("a/gallery/0", "gone/gallery/0", "same"),
    ]
    nothing = products_from_labels(CARDS, CARD_OF, [])
    assert products_from_labels(CARDS, CARD_OF, labels) == nothing


def test_look_alikes_are_found_anew_each_epoch():
    asked = []

    def found() -> dict[int, dict[int, float]]:
        asked.append(len(asked))
        return {}

    drawn = ProductSampler({1: range(4), 2: range(4, 8)}, found, batch=8, seed=7)
    for epoch in range(3):
        drawn.set_epoch(epoch)
        list(drawn)
    assert len(asked) == 3


def weakly(a: str, b: str, answer: Literal["same", "different"], probability: float) -> WeakPair:
    return WeakPair(f"{a}/gallery/0", f"{b}/gallery/0", answer, probability, 20.0)


def test_shoppers_add_look_alikes_that_count_less_than_those_of_people():
    labels = [a_label("a/gallery/0", "b/gallery/0", "different")]
    told = products_from_labels(CARDS, CARD_OF, labels)
    weak = [weakly("a", "b", "different", 0.1), weakly("a", "c", "different", 0.2)]
    products = with_weak_pairs(told, weak, CARD_OF, weight=0.5)
    a, b, c = (products.product_of_card[card_id] for card_id in "abc")
    assert products.look_alikes[a] == pytest.approx({b: 1.0 + 0.45, c: 0.4})
    assert products.look_alikes[c] == pytest.approx({a: 0.4})
    assert told.look_alikes[a] == {b: 1.0}  # not changed in place


def test_clicks_join_no_products_and_part_none_that_people_joined():
    told = products_from_labels(CARDS, CARD_OF, [a_label("a/gallery/0", "b/gallery/0", "same")])
    weak = [weakly("a", "b", "different", 0.1), weakly("a", "c", "same", 0.9),
            weakly("b", "gone", "different", 0.1)]  # fmt: skip
    assert with_weak_pairs(told, weak, CARD_OF, weight=1.0) == told
