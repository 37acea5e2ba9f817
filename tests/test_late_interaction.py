"""Late interaction: tokens are shortened, kept beside an index, and compared with a query's."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file
from small_model import draw_weights
from small_tower import quarters, untrained_tower, write_curated

from photosearch.assembly_late import token_writer
from photosearch.catalog.schemas import Card, CuratedPhoto, Label
from photosearch.catalog.tables import write_table
from photosearch.embedding.backbones import OpenClipTower
from photosearch.embedding.catalog_tokens import catalog_tokens
from photosearch.embedding.embedder import unit
from photosearch.embedding.head import build_head
from photosearch.embedding.layers import Layer
from photosearch.embedding.model import HeadShape, Lineage, read_model, write_model
from photosearch.embedding.short_tokens import (
    Projection,
    ProjectionManifest,
    discriminant_layer,
    pack,
    read_projection,
    unpack,
)
from photosearch.embedding.tokens import cache_tokens
from photosearch.errors import BadArtifact, BadParams
from photosearch.head_settings import TokensParams
from photosearch.home import Home
from photosearch.late_settings import LateInteractionParams
from photosearch.release import Manifest, Release, seal, switch_live
from photosearch.search.found import FoundCard
from photosearch.search.late_interaction import compare_tokens, max_sim
from photosearch.search.photo_tokens import (
    FOLDER,
    PhotoTokens,
    TokensManifest,
    open_photo_tokens,
    tokens_of_release,
    write_photo_tokens,
)
from photosearch.search.schemas import CardFacts, Reason
from photosearch.settings import Services, Settings, load_params
from training.late_interaction import TokenSet, info_nce_of_max_sim, learn_short_tokens, train_layer

RED, GREEN, BLUE, WHITE = (200, 30, 30), (30, 160, 60), (40, 60, 200), (255, 255, 255)
LATE = LateInteractionParams(
    tokens="learned", dim=8, cards=2, weight=0.5, steps=20, batch=8, learning_rate=0.001,
    temperature=0.07, seed=7,
)  # fmt: skip
AS_THEY_ARE = Projection(
    ProjectionManifest("m", "none"), Layer(np.eye(4, dtype=np.float32), np.zeros(4, np.float32))
)
X, Y, Z = np.eye(4, dtype=np.float32)[:3]
TOKENS_OF_PHOTO = {"a/0": [X, Y], "b/0": [X, X], "c/0": [Z, Z], "д/0": [Y, Z]}


def photo(photo_id: str) -> CuratedPhoto:
    return CuratedPhoto(photo_id, photo_id[0], "gallery", "", "train", is_card_seen=True)


def found(card_id: str, score: float) -> FoundCard:
    facts = dict.fromkeys(CardFacts.model_fields) | {
        "card_id": card_id, "title": card_id, "category": [],
    }  # fmt: skip
    return FoundCard(CardFacts(**facts), f"{card_id}/0", score, score)


@pytest.fixture
def photo_tokens(tmp_path: Path) -> PhotoTokens:
    return stored(tmp_path, cards=3)


def stored(folder: Path, *, cards: int) -> PhotoTokens:
    write_photo_tokens(
        folder / FOLDER,
        [photo(photo_id) for photo_id in reversed(TOKENS_OF_PHOTO)],
        lambda photos: np.array([TOKENS_OF_PHOTO[p.photo_id] for p in photos], np.float32),
        projection=AS_THEY_ARE,
        manifest=TokensManifest("m", len(TOKENS_OF_PHOTO), cards, 0.5),
    )
    return open_photo_tokens(folder / FOLDER, model_id="m", n_photos=4)


def test_max_sim_is_the_mean_over_the_querys_tokens_of_their_best_cosine():
    query = unit(np.array([[1, 0, 0, 0], [1, 1, 0, 0]]))
    others = np.array([[X, Y], [Z, Z], [Y, Y]])
    assert max_sim(query, others) == pytest.approx(
        [(1 + 0.5**0.5) / 2, 0, (0 + 0.5**0.5) / 2], abs=1e-6
    )


def test_tokens_of_a_photo_come_back_by_its_id_whatever_their_order(photo_tokens: PhotoTokens):
    tokens = photo_tokens.of(["д/0", "a/0", "д/0"])
    assert tokens == pytest.approx(np.array([[Y, Z], [X, Y], [Y, Z]]))


def test_the_best_cards_are_ordered_by_score_and_tokens_and_say_why(photo_tokens: PhotoTokens):
    cards = [found("c", 0.8), found("b", 0.7), found("a", 0.6)]
    answer = compare_tokens(cards, np.array([X, Y]), photo_tokens)
    assert [card.facts.card_id for card in answer] == ["a", "b", "c"]
    assert [card.score for card in answer] == pytest.approx([1.1, 0.95, 0.8])
    assert answer[0].reasons == (Reason(step="late_interaction", what="max_sim", value=0.5),)
    assert cards[2].score == 0.6  # what went in stays as it was


def test_cards_beyond_the_best_stay_behind_them_whatever_their_tokens(tmp_path: Path):
    cards = [found("a", 0.1), found("c", 0.9), found("b", 0.8)]
    answer = compare_tokens(cards, np.array([X, Y]), stored(tmp_path, cards=2))
    assert [card.facts.card_id for card in answer] == ["b", "c", "a"]
    assert answer[2] == cards[0]  # not compared: same score, no reason


def test_no_cards_are_no_answer(photo_tokens: PhotoTokens):
    assert compare_tokens([], np.array([X, Y]), photo_tokens) == []


def test_a_photo_without_tokens_is_told_of(photo_tokens: PhotoTokens):
    told = r"1 of 2 photos have no tokens, the first is 'zz/0'.*photosearch index"
    with pytest.raises(BadArtifact, match=told):
        photo_tokens.of(["a/0", "zz/0"])


def test_packed_numbers_are_off_by_less_than_half_a_step():
    numbers = unit(np.random.default_rng(1).standard_normal((50, 8, 64)))
    assert np.abs(unpack(pack(numbers)) - numbers).max() <= 1 / 254 + 1e-6


def test_tokens_of_another_model_or_index_are_refused(photo_tokens: PhotoTokens, tmp_path: Path):
    assert photo_tokens.manifest.n_photos == 4
    with pytest.raises(BadArtifact, match="tokens of 4 photos, 5 are in the index"):
        open_photo_tokens(tmp_path / FOLDER, model_id="m", n_photos=5)
    with pytest.raises(BadArtifact, match="shortens tokens of model m, not of other"):
        open_photo_tokens(tmp_path / FOLDER, model_id="other", n_photos=4)
    (tmp_path / FOLDER / "tokens.npy").write_bytes(b"cut off")
    with pytest.raises(BadArtifact, match=r"no whole photo tokens .*photosearch index"):
        open_photo_tokens(tmp_path / FOLDER, model_id="m", n_photos=4)


def test_a_release_without_tokens_is_searched_without_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    manifest = Manifest("r1", "m", "", "", "exact", 64, [64], 4, 4, "", 1.0)
    with caplog.at_level(logging.INFO):
        assert tokens_of_release(Release(tmp_path, manifest)) is None
        assert "late interaction off: release r1 was made without it" in caplog.text
        stored(tmp_path, cards=2)
        assert tokens_of_release(Release(tmp_path, manifest)) is not None
        assert "late interaction on: 2 cards, weight 0.5, none tokens" in caplog.text


def noisy_tokens() -> TokenSet:
    """Four products told apart by the first two numbers, under much larger noise in the others."""
    dice = np.random.default_rng(3)
    signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], np.float32)
    tokens = dice.standard_normal((40, 2, 8)).astype(np.float32) * 5
    tokens[:, :, :2] = signs[np.arange(40) % 4, None] + dice.standard_normal((40, 2, 2)) * 0.1
    rows = {product: list(range(product, 40, 4)) for product in range(4)}
    return TokenSet(tokens, [str(row) for row in range(40)], rows)


def test_the_discriminant_keeps_what_tells_products_apart():
    training = noisy_tokens()
    layer = discriminant_layer(training.tokens, training.products, dim=2, shrinkage=0.1)
    assert layer.weight.shape == (2, 8)
    share = np.linalg.norm(layer.weight[:, :2]) / np.linalg.norm(layer.weight)
    assert share > 0.98


def test_learning_lowers_the_loss_and_depends_on_the_seed_alone():
    training = noisy_tokens()
    plain = Layer(np.eye(4, 8, dtype=np.float32), np.zeros(4, np.float32))
    late = LATE.model_copy(update={"steps": 60, "learning_rate": 0.05})
    layer, losses = train_layer(training, plain, late)
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:10])
    again, _ = train_layer(training, plain, late)
    other, _ = train_layer(training, plain, late.model_copy(update={"seed": 8}))
    assert (again.weight == layer.weight).all()
    assert (other.weight != layer.weight).any()
    assert (plain.weight == np.eye(4, 8)).all()


def test_the_loss_of_tokens_that_find_each_other_is_small_and_of_strangers_large():
    import torch

    tokens = torch.eye(4)[:, None].repeat(1, 2, 1)
    assert info_nce_of_max_sim(tokens, tokens, 0.1) < 0.001
    assert info_nce_of_max_sim(tokens, tokens.roll(1, 0), 0.1) > 5


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Three products, two photos each; a drawn attention head over an untrained tower."""
    home = Home(tmp_path / "home")
    untrained_tower(home.tower)
    shape = HeadShape("attention", 512, 64, [64], width=32, tokens=2, heads=2)
    head = build_head(shape)
    draw_weights(head, np.random.default_rng(7))
    save_file(head.state_dict(), tmp_path / "head.safetensors")
    write_model(
        home.candidate, tower=home.tower, head=shape, lineage=Lineage("d1", 0),
        head_weights=tmp_path / "head.safetensors",
    )  # fmt: skip
    names = {"a": (RED, BLUE), "b": (GREEN, WHITE), "c": (BLUE, GREEN)}
    write_curated(home, [
        (f"{name}/{kind}/0", quarters(*colours, colours[n], ground))
        for name, colours in names.items()
        for n, (kind, ground) in enumerate((("gallery", WHITE), ("review", RED)))
    ])  # fmt: skip
    cards = [Card(name, name, None, None, [], None, None, None, name) for name in names]
    write_table(home.curated / "cards.parquet", Card, cards)
    return home


def curated(home: Home) -> list[CuratedPhoto]:
    from photosearch.catalog.tables import read_rows

    return read_rows(home.curated / "photos.parquet", CuratedPhoto)


def with_cache(home: Home) -> Home:
    tokens = TokensParams(views=2, form="bf16", pool=1, seed=7)
    cache_tokens(home, OpenClipTower(home.tower), tokens=tokens)
    return home


def test_a_catalogues_tokens_are_the_same_from_the_cache_and_from_images(home: Home):
    photos = curated(home)
    by_tower = catalog_tokens(home, home.candidate)(photos)
    from_cache = catalog_tokens(with_cache(home), home.candidate)(photos)
    assert by_tower.shape == from_cache.shape == (6, 2, 32)
    assert (unit(by_tower) * unit(from_cache)).sum(axis=2).min() > 0.999
    assert np.abs(by_tower[0] - by_tower[2]).max() > 0.01


def settings_of(home: Home, late: LateInteractionParams) -> Settings:
    params = load_params(Path(__file__).parents[1] / "params.yaml")
    params = params.model_copy(update={"late_interaction": late})
    return Settings(home=home, params=params, services=Services())


@pytest.mark.parametrize("kind", ["discriminant", "learned"])
def test_what_was_learned_goes_into_a_release_with_the_tokens_of_its_photos(
    home: Home, kind: str, tmp_path: Path
):
    late = LATE.model_copy(update={"tokens": kind})
    report = learn_short_tokens(with_cache(home), late)
    assert (report.products, report.rows, report.dim) == (3, 12, 8)
    assert (report.loss_last is None) == (kind == "discriminant")
    write = token_writer(settings_of(home, late), home.candidate)
    assert write is not None
    write(tmp_path / "release", curated(home))
    model_id = read_model(home.candidate).model_id
    tokens = open_photo_tokens(tmp_path / "release" / FOLDER, model_id=model_id, n_photos=6)
    assert tokens.manifest == TokensManifest(model_id, 6, 2, 0.5)
    raw = catalog_tokens(home, home.candidate)(curated(home)[:1])
    own = max_sim(tokens.projection.shorten(raw[0]), tokens.of(["a/gallery/0", "b/gallery/0"]))
    assert own[0] == pytest.approx(1, abs=0.02)
    assert own[1] < own[0]


def test_cards_that_left_the_catalogue_since_the_tokens_were_cached_teach_nothing(home: Home):
    with_cache(home)
    cards = [Card(name, name, None, None, [], None, None, None, name) for name in "ab"]
    write_table(home.curated / "cards.parquet", Card, cards)
    label = Label("p", "a/gallery/0", "c/gallery/0", "different", 0.1, 3, ["ann"], "x", "2026")
    write_table(home.labels, Label, [label])
    assert learn_short_tokens(home, LATE).products == 2


def test_a_live_model_keeps_its_projection_when_the_candidate_moved_on(home: Home, tmp_path: Path):
    late = LATE.model_copy(update={"tokens": "discriminant"})
    model_id = read_model(home.candidate).model_id
    learn_short_tokens(with_cache(home), late)
    live = home.releases / "r1"
    token_writer(settings_of(home, late), home.candidate)(live, curated(home))
    seal(live, Manifest("r1", model_id, "", "", "exact", 64, [64], 6, 3, "", 1.0))
    switch_live(home.releases, "r1")
    foreign = read_projection(home.late, model_id=model_id)
    from photosearch.embedding.short_tokens import save_projection

    other = replace(foreign, manifest=ProjectionManifest("other", "learned"))
    save_projection(home.late, other)
    token_writer(settings_of(home, late), home.candidate)(tmp_path / "next", curated(home))
    kept = read_projection(tmp_path / "next" / FOLDER, model_id=model_id)
    assert (kept.layer.weight == foreign.layer.weight).all()


def test_turned_off_nothing_is_learned_and_nothing_is_written(home: Home):
    off = LATE.model_copy(update={"tokens": "none"})
    assert token_writer(settings_of(home, off), home.candidate) is None
    with pytest.raises(BadParams, match=r"tokens` is none in params.yaml"):
        learn_short_tokens(home, off)


def test_a_release_cannot_carry_tokens_before_they_were_learned(home: Home):
    with pytest.raises(BadArtifact, match="Run `photosearch late`"):
        token_writer(settings_of(home, LATE), home.candidate)


def test_a_model_without_an_attention_head_has_no_tokens(home: Home):
    mean = HeadShape("mean", 512, 64, [64])
    write_model(home.candidate, tower=home.tower, head=mean, lineage=Lineage("d1", 0))
    with pytest.raises(BadArtifact, match="late interaction needs an attention head"):
        catalog_tokens(home, home.candidate)
