"""Which photos are of something else than their card sells."""

from dataclasses import replace

import numpy as np
import pytest
from painted_scenes import RULES, on_white

from photosearch.catalog.schemas import Photo
from photosearch.curation.belonging import belonging, margin
from photosearch.curation.looks import look_at
from photosearch.curation.sight import strangers
from photosearch.embedding.embedder import unit


def cards_of_vectors(n_cards: int = 12, n_photos: int = 6) -> tuple[np.ndarray, list[str]]:
    dice = np.random.default_rng(1)
    centres = unit(dice.normal(size=(n_cards, 24)))
    vectors = unit(
        np.repeat(centres, n_photos, axis=0) + 0.08 * dice.normal(size=(n_cards * n_photos, 24))
    )
    return vectors, [f"c{row // n_photos}" for row in range(n_cards * n_photos)]


def test_a_margin_leaves_the_photo_itself_out_of_its_card_s_centre():
    x, y = unit(np.eye(2, dtype=np.float32))
    margins = margin(
        np.stack([x, x, y, y, y]), ["a", "a", "a", "b", "b"], ["a", "a", "a", "b", "b"]
    )
    half = np.sqrt(0.5)
    assert margins == pytest.approx(
        [half, half, -1, 1 - 1 / np.sqrt(5), 1 - 1 / np.sqrt(5)], abs=1e-6
    )


def test_a_photo_at_another_card_belongs_least_and_its_company_is_at_home():
    vectors, cards = cards_of_vectors()
    vectors[0] = vectors[8]  # the second card's
    found, company = belonging(vectors, cards, cards)
    assert found.argmin() == 0
    assert found[0] < -0.25
    assert np.sort(found)[1] > 0
    assert company[0] > 0


def test_a_photo_found_at_many_cards_has_strange_company():
    vectors, cards = cards_of_vectors()
    parcel = unit(np.random.default_rng(5).normal(size=24))
    for card in range(8):
        vectors[6 * card] = unit(parcel + 0.05 * np.random.default_rng(card).normal(size=24))
    found, company = belonging(vectors, cards, cards)
    parcels = np.arange(0, 48, 6)
    assert set(np.argsort(found)[:8]) == set(parcels)
    assert company[parcels].max() < -0.2


def test_strangers_are_named_by_skin_and_by_company():
    vectors, cards = cards_of_vectors()
    parcel = unit(np.random.default_rng(5).normal(size=24))
    for card in range(8):
        vectors[6 * card] = unit(parcel + 0.05 * np.random.default_rng(card).normal(size=24))
    vectors[55], vectors[61] = vectors[70], vectors[15]  # two photos of other products
    photos = [
        Photo(f"{card}/review/r/{row}", card, "review", "r", f"{row:064x}", 9, 9, None)
        for row, card in enumerate(cards)
    ]
    looks = {photo.photo_id: look_at(on_white(1)) for photo in photos[:1]}
    looks = dict.fromkeys([photo.photo_id for photo in photos], looks[photos[0].photo_id])
    looks[photos[61].photo_id] = replace(looks[photos[61].photo_id], skin=0.9)
    looks[photos[0].photo_id] = replace(looks[photos[0].photo_id], skin=0.9)  # a brown parcel
    params = RULES.model_copy(
        update={"belonging_min": -0.1, "person_skin_min": 0.75, "person_belonging_min": -0.1}
    )
    found = strangers(
        photos,
        {photo.photo_id: vector for photo, vector in zip(photos, vectors, strict=True)},
        group_of={card: card for card in cards},
        looks=looks,
        params=params,
    )
    rows = {int(row.photo_id.split("/")[-1]): row.reason for row in found}
    assert rows == {6 * card: "not_a_product" for card in range(8)} | {
        55: "wrong_product",
        61: "person",
    }


def test_a_stranger_is_not_forgiven_for_being_what_its_card_varies_by():
    dice = np.random.default_rng(1)
    card = np.repeat(np.arange(30), 5)
    vectors = dice.normal(size=(30, 128))[card] + dice.normal(size=(150, 128))
    is_stranger = np.arange(150) % 15 == 0
    vectors[is_stranger] = 1.4 * dice.normal(size=(10, 128))
    names = [f"c{number:02}" for number in card]
    found, _ = belonging(unit(vectors), names, names)
    assert found[is_stranger].max() < found[~is_stranger].min()  # whitened by all: .78 and .66


def test_offers_of_one_product_are_no_strangers_to_each_other():
    vectors, cards = cards_of_vectors(n_cards=2)
    alone = belonging(vectors, cards, ["g"] * len(cards))
    assert np.isnan(alone[0]).all()


def test_a_photo_without_others_of_its_card_is_not_judged():
    vectors, cards = cards_of_vectors()
    found, _ = belonging(vectors, ["lone", *cards[1:]], ["lone", *cards[1:]])
    assert np.isnan(found[0])
    assert np.isfinite(found[1:]).all()
