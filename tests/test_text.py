"""Texts come to the photos: any encoder, the aligner, and "the same but red"."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_tower import untrained_tower

from photosearch.catalog.schemas import Card
from photosearch.embedding.aligner import Aligner, AlignerManifest, read_aligner, save_aligner
from photosearch.embedding.embedder import Vectors, unit
from photosearch.embedding.layers import Layer, read_layers, run_layers, save_layers
from photosearch.embedding.normal_equations import NormalEquations
from photosearch.embedding.text import sentence_encoder, text_encoder
from photosearch.errors import BadArtifact, TextEncoderUnavailable
from photosearch.search.refine import Refiner, RefinerManifest, read_refiner, save_refiner
from photosearch.text_settings import AlignerParams, RefinerParams
from training.aligner import starting_layers, train_aligner
from training.refiner import Shelf, train_refiner
from training.triplets import Triplet, triplets_from_cards

ALIGNER = AlignerParams(
    encoder="tower", start="closed_form", ridge=0.001, steps=60, batch=32, learning_rate=0.003,
    temperature=0.1, seed=7,
)  # fmt: skip
REFINER = RefinerParams(
    width=64, changed_most=2, targets_a_card=20, described_most=4, triplets_min=10, steps=150,
    batch=32, learning_rate=0.01, weight_decay=0.0, dropout=0.0, temperature=0.1, seed=7,
)  # fmt: skip
COLOURS = {"red": "красная", "blue": "синяя", "green": "зелёная", "white": "белая"}
PATTERNS = {"dots": "в горошек", "checks": "в клетку", "plain": "гладкая"}


def a_card(colour: str, pattern: str, *, kind: str = "Mugs", number: int = 0) -> Card:
    return Card(
        f"{kind} {colour} {pattern} {number}", f"{colour.capitalize()} mug, {pattern} KR-{number}7",
        f"Кружка {COLOURS[colour]} {PATTERNS[pattern]}", None, [kind], "Orion", None, None,
        f"{kind} {colour} {pattern}", attributes={"Colour": colour, "Pattern": pattern},
    )  # fmt: skip


def every_card() -> list[Card]:
    return [
        a_card(colour, pattern, number=number)
        for colour in COLOURS for pattern in PATTERNS for number in range(3)
    ]  # fmt: skip


def random_units(n: int, dim: int, *, seed: int) -> Vectors:
    return unit(np.random.default_rng(seed).standard_normal((n, dim)))


def sentence_folder(folder: Path) -> Path:
    """A real sentence-transformers model, words as random vectors, made without a download."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["[UNK]", "red", "blue", "mug", "lamp"]
    tokenizer = Tokenizer(models.WordLevel({w: n for n, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    weights = np.random.default_rng(7).standard_normal((len(words), 16)).astype(np.float32)
    made = StaticEmbedding(tokenizer, embedding_weights=weights)
    SentenceTransformer(modules=[made], device="cpu").save(str(folder))
    return folder


def test_a_sentence_transformers_folder_is_a_text_encoder(tmp_path: Path):
    encode = sentence_encoder(str(sentence_folder(tmp_path / "words")))
    red_mug, mug_red, lamp = encode(["red mug", "mug red", "blue lamp"])
    assert red_mug.shape == (16,)
    assert np.linalg.norm(red_mug) == pytest.approx(1, abs=1e-5)
    assert red_mug @ mug_red == pytest.approx(1, abs=1e-5)
    assert red_mug @ lamp < 0.9


def test_pieces_of_words_are_a_text_encoder_that_knows_every_alphabet(tmp_path: Path):
    encode = text_encoder("ngrams", tower=tmp_path / "not asked")
    red, loud, blue, nothing = encode(["red mug", "RED MUG", "синяя", ""])
    assert red.shape == (2048,)
    assert red @ loud == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(blue) == pytest.approx(1, abs=1e-5)
    assert not nothing.any()
    red_f, red_m = encode(["красная", "красный"])
    assert red_f @ red_m > 0.4 > red_f @ blue


def test_the_towers_own_text_side_is_a_text_encoder(tmp_path: Path):
    encode = text_encoder("tower", tower=untrained_tower(tmp_path / "tower"))
    assert encode(["Red mug", "Синяя лампа"]).shape == (2, 256)


def test_a_missing_folder_names_the_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        TextEncoderUnavailable, match=r"(?s)empty.*text\.aligner\.encoder.*HUB_MIRROR"
    ):
        sentence_encoder(str(tmp_path / "empty"))


def test_a_missing_package_names_the_way_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)  # as if it were not installed
    with pytest.raises(TextEncoderUnavailable, match="uv sync --extra sentences"):
        sentence_encoder("some/model")


@given(st.integers(1, 40))
def test_the_closed_form_does_not_depend_on_how_pairs_are_batched(batch: int):
    texts, photos = random_units(40, 5, seed=1), random_units(40, 4, seed=2)
    whole, parts = NormalEquations(5, 4), NormalEquations(5, 4)
    whole.add(texts, photos)
    for start in range(0, 40, batch):
        parts.add(texts[start : start + batch], photos[start : start + batch])
    assert parts.n_pairs == 40
    at_once, in_parts = whole.solve(ridge=0.1), parts.solve(ridge=0.1)
    assert np.allclose(at_once.weight, in_parts.weight, atol=1e-6)
    assert np.allclose(at_once.bias, in_parts.bias, atol=1e-6)


def test_the_closed_form_finds_the_map_that_made_the_photos():
    texts = random_units(200, 6, seed=3)
    weight, bias = random_units(4, 6, seed=4), random_units(1, 4, seed=5)[0]
    equations = NormalEquations(6, 4)
    equations.add(texts, texts @ weight.T + bias)
    found = equations.solve(ridge=1e-9)
    assert np.allclose(found.weight, weight, atol=1e-4)
    assert np.allclose(found.bias, bias, atol=1e-4)


def test_ridge_is_that_of_scikit_learn():
    from sklearn.linear_model import Ridge

    texts, photos = random_units(50, 6, seed=6), random_units(50, 4, seed=7)
    equations = NormalEquations(6, 4)
    equations.add(texts, photos)
    reference = Ridge(alpha=0.2 * (texts.astype(np.float64) ** 2).sum() / 6).fit(texts, photos)
    found = equations.solve(ridge=0.2)
    assert np.allclose(found.weight, reference.coef_, atol=1e-5)
    assert np.allclose(found.bias, reference.intercept_, atol=1e-5)


@pytest.mark.parametrize(("text_dim", "image_dim"), [(6, 4), (4, 6), (5, 5)])
def test_the_network_starts_as_the_closed_form(text_dim: int, image_dim: int):
    random = np.random.default_rng(8)
    closed_form = Layer(
        random.standard_normal((image_dim, text_dim)).astype(np.float32),
        random.standard_normal(image_dim).astype(np.float32),
    )
    layers = starting_layers("closed_form", text_dim, image_dim, closed_form=closed_form, seed=7)
    texts = random_units(20, text_dim, seed=9)
    assert np.allclose(run_layers(layers, texts), run_layers([closed_form], texts), atol=1e-5)


def test_the_orthogonal_start_nearly_keeps_directions():
    closed_form = Layer(np.zeros((64, 64), np.float32), np.zeros(64, np.float32))
    first, second = starting_layers("orthogonal", 64, 64, closed_form=closed_form, seed=7)
    assert np.allclose(first.weight.T @ first.weight, np.eye(64), atol=1e-5)
    assert np.array_equal(second.weight, first.weight.T)
    texts = random_units(20, 64, seed=10)
    cosines = (unit(run_layers([first, second], texts)) * texts).sum(axis=1)
    assert cosines.min() > 0.7


@pytest.mark.parametrize("start", ["closed_form", "orthogonal", "default"])
def test_the_aligner_learns_and_gives_unit_vectors(start: str):
    texts, photos = random_units(8, 6, seed=11), random_units(8, 4, seed=12)
    nothing = Layer(np.zeros((4, 6), np.float32), np.zeros(4, np.float32))
    layers = train_aligner(
        starting_layers(start, 6, 4, closed_form=nothing, seed=7),
        (texts, photos, np.arange(8)),
        aligner=ALIGNER.model_copy(update={"steps": 300, "learning_rate": 0.01}),
    )
    aligned = Aligner(AlignerManifest("tower", "m1", 6, 4), layers).align(texts)
    assert np.allclose(np.linalg.norm(aligned, axis=1), 1, atol=1e-5)
    assert ((aligned @ photos.T).argmax(axis=1) == np.arange(8)).mean() >= 7 / 8


def test_training_the_aligner_again_gives_the_same_weights():
    pairs = random_units(20, 6, seed=13), random_units(20, 4, seed=14), np.arange(20)
    start = starting_layers(
        "default", 6, 4, closed_form=Layer(np.zeros((4, 6)), np.zeros(4)), seed=7
    )
    one, two = (train_aligner(start, pairs, aligner=ALIGNER) for _ in range(2))
    assert all(np.array_equal(a.weight, b.weight) for a, b in zip(one, two, strict=True))


def an_aligner() -> Aligner:
    layer = Layer(random_units(4, 6, seed=15), np.zeros(4, np.float32))
    return Aligner(AlignerManifest("tower", "m1", 6, 4), [layer])


def test_an_aligner_comes_back_from_its_folder(tmp_path: Path):
    aligner, texts = an_aligner(), random_units(3, 6, seed=16)
    save_aligner(tmp_path / "text", aligner)
    back = read_aligner(tmp_path / "text", model_id="m1")
    assert back.manifest == aligner.manifest
    assert np.array_equal(back.align(texts), aligner.align(texts))


def test_an_aligner_of_another_model_is_refused(tmp_path: Path):
    save_aligner(tmp_path, an_aligner())
    with pytest.raises(BadArtifact, match=r"of model m1, not of m2.*photosearch text"):
        read_aligner(tmp_path, model_id="m2")


def test_vectors_of_another_encoder_are_refused():
    with pytest.raises(BadArtifact, match="6 numbers of 'tower', the text encoder gave 7"):
        an_aligner().align(random_units(1, 7, seed=17))


def test_damaged_weights_are_told(tmp_path: Path):
    save_layers(tmp_path / "layers", an_aligner().layers)
    (tmp_path / "layers").write_bytes((tmp_path / "layers").read_bytes()[:20])
    with pytest.raises(BadArtifact, match="holds no layers"):
        read_layers(tmp_path / "layers")


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
