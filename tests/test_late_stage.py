"""The tokens of late interaction are learned, and go into a release with its photos."""

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
    ProjectionManifest,
    discriminant_layer,
    read_projection,
)
from photosearch.embedding.tokens import cache_tokens
from photosearch.errors import BadArtifact, BadParams
from photosearch.head_settings import TokensParams
from photosearch.home import Home
from photosearch.late_settings import LateInteractionParams
from photosearch.release import Manifest, seal, switch_live
from photosearch.search.late_interaction import max_sim
from photosearch.search.photo_tokens import (
    FOLDER,
    TokensManifest,
    open_photo_tokens,
)
from photosearch.settings import Services, Settings, load_params
from training.late_interaction import TokenSet, info_nce_of_max_sim, learn_short_tokens, train_layer

RED, GREEN, BLUE, WHITE = (200, 30, 30), (30, 160, 60), (40, 60, 200), (255, 255, 255)
LATE = LateInteractionParams(
    tokens="learned", dim=8, cards=2, weight=0.5, steps=20, batch=8, learning_rate=0.001,
    temperature=0.07, seed=7,
)  # fmt: skip


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
