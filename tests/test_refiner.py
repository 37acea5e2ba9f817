""" "The same but red": triplets of cards teach the refiner, which beats adding the two vectors."""

import json
from pathlib import Path

import numpy as np
import pytest
from small_texts import REFINER, a_card, every_card, random_units

from photosearch.catalog.schemas import Card
from photosearch.embedding.embedder import Vectors, unit
from photosearch.embedding.layers import Layer
from photosearch.errors import BadArtifact
from photosearch.search.refine import Refiner, RefinerManifest, read_refiner, save_refiner
from training.refiner import Shelf, train_refiner
from training.triplets import Triplet, triplets_from_cards


def triplets(cards: list[Card], *, changed_most: int = 1) -> list[Triplet]:
    return triplets_from_cards(cards, changed_most=changed_most, targets_a_card=100, seed=7)


def test_a_triplet_joins_cards_that_differ_in_one_attribute():
    cards = {card.card_id: card for card in every_card()}
    made = triplets(list(cards.values()))
    assert len(made) == len(cards) * (3 + 2)  # other colours and other patterns
    for triplet in made:
        source, target = cards[triplet.source].attributes, cards[triplet.target].attributes
        assert tuple(n for n in source if source[n] != target[n]) == triplet.changes
        assert triplet.target in triplet.right
        assert all(cards[card].attributes == target for card in triplet.right)


def test_two_changes_are_asked_together():
    changes = {triplet.changes for triplet in triplets(every_card(), changed_most=2)}
    assert changes == {("Colour",), ("Pattern",), ("Colour", "Pattern")}


def test_cards_of_two_categories_or_without_attributes_make_no_triplet():
    bare = Card("bare", "Red mug", None, None, ["Mugs"], None, None, None, "bare")
    assert triplets([a_card("red", "dots"), a_card("blue", "dots", kind="Lamps"), bare]) == []


def test_a_shopper_asks_in_the_languages_of_the_titles():
    made = triplets(every_card())
    reds = next(t for t in made if t.changes == ("Colour",) and "Mugs red" in t.target)
    assert {"red", "the same but red", "красная", "такой же, но красная"} <= set(reds.texts)
    assert not any("orion" in text or "mug" in text for text in reds.texts)


def test_the_same_cards_and_seed_make_the_same_triplets():
    drawn = {"changed_most": 2, "targets_a_card": 2, "seed": 7}
    assert triplets_from_cards(every_card(), **drawn) == triplets_from_cards(every_card(), **drawn)


def test_an_untrained_refiner_gives_the_photo_itself():
    layers = [
        Layer(random_units(8, 8, seed=18), np.zeros(8, np.float32)),
        Layer(np.zeros((4, 8), np.float32), np.zeros(4, np.float32)),
    ]
    photos, texts = random_units(5, 4, seed=19), random_units(5, 4, seed=20)
    refined = Refiner(RefinerManifest("m1", "tower", 4, 4), layers).refine(photos, texts)
    assert np.allclose(refined, photos, atol=1e-6)


def test_the_refiner_finds_the_wanted_card_where_adding_does_not():
    cards = [card for card in every_card() if card.card_id.endswith(" 0")]
    vectors = random_units(len(cards), 16, seed=21)  # no sense in them: nothing adds up
    made = triplets(cards)
    asked = sorted({text for triplet in made for text in triplet.texts})
    words = dict(zip(asked, random_units(len(asked), 16, seed=22), strict=True))
    rows = {card.card_id: [row] for row, card in enumerate(cards)}
    layers = train_refiner(made, Shelf(rows, vectors), words, refiner=REFINER)
    refiner = Refiner(RefinerManifest("m1", "tower", 16, 16), layers)
    photos = np.concatenate([vectors[rows[triplet.source]] for triplet in made])
    texts = np.stack([words[triplet.texts[0]] for triplet in made])
    wanted = np.array([rows[triplet.target][0] for triplet in made])

    def first_is_right(queries: Vectors) -> float:
        return float(((queries @ vectors.T).argmax(axis=1) == wanted).mean())

    assert first_is_right(refiner.refine(photos, texts)) > 0.9
    assert first_is_right(unit(photos + texts)) < 0.2


def test_a_refiner_comes_back_from_its_folder_for_its_model_only(tmp_path: Path):
    layers = [Layer(random_units(4, 8, seed=23), np.zeros(4, np.float32))]
    refiner = Refiner(RefinerManifest("m1", "tower", 4, 4), layers)
    save_refiner(tmp_path, refiner)
    photos, texts = random_units(2, 4, seed=24), random_units(2, 4, seed=25)
    back = read_refiner(tmp_path, model_id="m1")
    assert np.array_equal(back.refine(photos, texts), refiner.refine(photos, texts))
    with pytest.raises(BadArtifact, match=r"model m1, not of m2"):
        read_refiner(tmp_path, model_id="m2")


def test_a_home_without_refiner_says_where_to_look(tmp_path: Path):
    (tmp_path / "refiner.json").write_text(json.dumps({"model_id": "m1"}))
    with pytest.raises(BadArtifact, match=r"cards with attributes.*text\.json"):
        read_refiner(tmp_path, model_id="m1")


def test_a_refiner_refuses_vectors_of_another_length():
    layers = [Layer(random_units(4, 8, seed=23), np.zeros(4, np.float32))]
    refiner = Refiner(RefinerManifest("m1", "tower", 4, 4), layers)
    with pytest.raises(
        BadArtifact, match="of 4 and 4 numbers, it got 4 of a photo and 5 of a text"
    ):
        refiner.refine(random_units(1, 4, seed=1), random_units(1, 5, seed=2))
