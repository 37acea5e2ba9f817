"""Vectors of a catalogue: from cached tokens where there are any, else by the tower."""

from pathlib import Path

import numpy as np
import pytest
from small_tower import quarters, untrained_tower, write_curated

from photosearch.catalog.schemas import CuratedPhoto
from photosearch.embedding.backbones import OpenClipTower
from photosearch.embedding.catalog_vectors import catalog_vectors
from photosearch.embedding.model import HeadShape, Lineage, write_model
from photosearch.embedding.tokens import cache_tokens
from photosearch.embedding.torch_runtime import TorchEmbedder
from photosearch.head_settings import TokensParams
from photosearch.home import Home

RED, GREEN, BLUE, WHITE = (200, 30, 30), (30, 160, 60), (40, 60, 200), (255, 255, 255)
PHOTOS = [
    quarters(RED, BLUE, WHITE, GREEN),
    quarters(BLUE, BLUE, RED, GREEN),
    quarters(WHITE, GREEN, RED, RED),
]
TOKENS = TokensParams(views=2, form="bf16", pool=1, seed=7)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Its model is mean pooling of an untrained tower."""
    home = Home(tmp_path / "home")
    untrained_tower(home.tower)
    head = HeadShape("mean", 512, 64, [64])
    write_model(home.candidate, tower=home.tower, head=head, lineage=Lineage("d1", 0))
    return home


def curated(home: Home, *numbers: int) -> list[CuratedPhoto]:
    return write_curated(home, [(f"c{n}/gallery/0", PHOTOS[n]) for n in numbers])


class Unasked(TorchEmbedder):
    """A running model that must not be shown a photo."""

    def embed(self, photos):
        raise AssertionError(f"{len(photos)} photos were shown to the tower")


def test_a_new_head_embeds_a_catalogue_without_the_tower(home: Home):
    photos = curated(home, 0, 1, 2)
    cache_tokens(home, OpenClipTower(home.tower), tokens=TOKENS)
    vectors = catalog_vectors(home, home.candidate, Unasked(home.candidate))(photos)
    by_tower = TorchEmbedder(home.candidate).embed(PHOTOS)
    assert (vectors * by_tower).sum(axis=1).min() > 0.999


def test_photos_without_tokens_are_embedded_in_their_place(home: Home):
    curated(home, 0, 2)
    cache_tokens(home, OpenClipTower(home.tower), tokens=TOKENS)
    photos = curated(home, 0, 1, 2)
    embedder = TorchEmbedder(home.candidate)
    vectors = catalog_vectors(home, home.candidate, embedder)(photos)
    assert (vectors * embedder.embed(PHOTOS)).sum(axis=1).min() > 0.999


@pytest.mark.parametrize("pool", [None, 2])
def test_without_tokens_of_this_tower_all_photos_are_embedded(home: Home, pool: int | None):
    photos = curated(home, 0, 1)
    if pool is not None:
        tokens = TOKENS.model_copy(update={"pool": pool})
        cache_tokens(home, OpenClipTower(home.tower, pool=pool), tokens=tokens)
    embedder = TorchEmbedder(home.candidate)
    vectors = catalog_vectors(home, home.candidate, embedder)(photos)
    assert np.array_equal(vectors, embedder.embed(PHOTOS[:2]))
