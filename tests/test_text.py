"""Texts come to the photos: any encoder, and the aligner."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_texts import ALIGNER, random_units
from small_tower import untrained_tower

from photosearch.embedding.aligner import Aligner, AlignerManifest, read_aligner, save_aligner
from photosearch.embedding.embedder import unit
from photosearch.embedding.layers import Layer, read_layers, run_layers, save_layers
from photosearch.embedding.normal_equations import NormalEquations
from photosearch.embedding.text import sentence_encoder, text_encoder
from photosearch.errors import BadArtifact, TextEncoderUnavailable
from training.aligner import starting_layers, train_aligner


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
