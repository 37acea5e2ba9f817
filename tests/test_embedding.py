"""Photos become unit vectors: a model folder is read as it was written, or refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from small_tower import quarters, untrained_tower, write_curated

from photosearch.catalog.images import load
from photosearch.embedding.backbones import (
    OpenClipTower,
)
from photosearch.embedding.embedder import shorten, unit
from photosearch.embedding.head import AttentionHead, build_head
from photosearch.embedding.model import HeadShape, Lineage, read_model, write_model
from photosearch.embedding.torch_runtime import TorchEmbedder, load_head, pool_tokens
from photosearch.embedding.tower import CONFIG, tower_id
from photosearch.errors import BadArtifact
from photosearch.home import Home

RED, GREEN, BLUE, WHITE = (200, 30, 30), (30, 160, 60), (40, 60, 200), (255, 255, 255)
PHOTOS = [quarters(RED, BLUE, WHITE, GREEN), quarters(BLUE, BLUE, RED, GREEN)]
ATTENTION = HeadShape("attention", 512, 64, [64, 32], width=16, tokens=2, heads=2)
LINEAGE = Lineage("d1", 3)


@pytest.fixture(scope="module")
def tower_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_tower(tmp_path_factory.mktemp("towers") / "small")


@pytest.fixture(scope="module")
def tower(tower_folder: Path) -> OpenClipTower:
    return OpenClipTower(tower_folder)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    write_curated(home, [(f"c{n}/gallery/0", photo) for n, photo in enumerate(PHOTOS)])
    return home


@pytest.fixture(scope="module")
def model_folder(tower_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with an attention head that was moved away from mean pooling."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(1)
    head = build_head(ATTENTION)
    assert isinstance(head, AttentionHead)
    torch.nn.init.normal_(head.out.weight)
    save_file(head.state_dict(), folder / "trained.safetensors")
    write_model(
        folder / "model",
        tower=tower_folder,
        head=ATTENTION,
        lineage=LINEAGE,
        head_weights=folder / "trained.safetensors",
    )
    return folder / "model"


def test_unit_scales_every_row_and_leaves_zeros():
    vectors = unit(np.array([[3.0, 4.0], [0.0, 0.0]]))
    assert vectors.dtype == np.float32
    assert vectors.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0, 0]]


def test_shorten_keeps_the_first_numbers_and_length_one():
    vectors = unit(np.array([[3.0, 4.0, 12.0]]))
    assert shorten(vectors, 2) == pytest.approx(np.array([[0.6, 0.8]]))
    assert shorten(vectors, 3) == pytest.approx(vectors)


def test_a_model_of_pooled_patches_pools_them_when_it_embeds(tower_folder: Path, tmp_path: Path):
    head = HeadShape("mean", 512, 64, [64], pool=2)
    write_model(tmp_path / "pooled", tower=tower_folder, head=head, lineage=LINEAGE)
    seen = OpenClipTower(tower_folder, pool=2).tokens(PHOTOS)
    assert seen.shape == (2, 1, 512)
    embedded = TorchEmbedder(tmp_path / "pooled").embed(PHOTOS)
    assert embedded == pytest.approx(unit(seen[:, 0, :64]), abs=1e-5)


def test_a_model_folder_is_read_as_it_was_written(model_folder: Path, tower_folder: Path):
    manifest = read_model(model_folder)
    assert manifest.head == ATTENTION
    assert manifest.lineage == LINEAGE
    assert manifest.tower_id == tower_id(tower_folder)
    assert len(manifest.model_id) == 12
    assert sorted(path.name for path in model_folder.parent.iterdir()) == [
        "model",
        "trained.safetensors",
    ]


def test_another_head_is_another_model(model_folder: Path, tower_folder: Path, tmp_path: Path):
    mean = HeadShape("mean", 512, 64, [64])
    manifest = write_model(tmp_path / "mean", tower=tower_folder, head=mean, lineage=LINEAGE)
    again = write_model(tmp_path / "mean", tower=tower_folder, head=mean, lineage=LINEAGE)
    assert manifest == again
    assert manifest.model_id != read_model(model_folder).model_id


def test_a_model_without_its_manifest_is_refused(model_folder: Path, tmp_path: Path):
    folder = shutil.copytree(model_folder, tmp_path / "model")
    (folder / "model.json").unlink()
    with pytest.raises(BadArtifact, match=r"not a whole model.*Run `photosearch train`"):
        read_model(folder)


def test_a_manifest_that_lost_a_value_is_refused(model_folder: Path, tmp_path: Path):
    folder = shutil.copytree(model_folder, tmp_path / "model")
    values = json.loads((folder / "model.json").read_text())
    del values["lineage"]
    (folder / "model.json").write_text(json.dumps(values))
    with pytest.raises(BadArtifact, match=r"not a whole model .'lineage'"):
        read_model(folder)


def test_a_model_whose_tower_was_changed_is_refused(model_folder: Path, tmp_path: Path):
    folder = shutil.copytree(model_folder, tmp_path / "model")
    config = folder / "tower" / CONFIG
    config.write_text(config.read_text().replace("0.485", "0.5"))
    with pytest.raises(BadArtifact, match="it was changed after it was made"):
        TorchEmbedder(folder)


def test_head_weights_that_are_gone_damaged_or_do_not_fit_are_refused(
    model_folder: Path, tmp_path: Path
):
    folder = shutil.copytree(model_folder, tmp_path / "model")
    values = json.loads((folder / "model.json").read_text())
    values["head"]["width"] = 32
    (folder / "model.json").write_text(json.dumps(values))
    with pytest.raises(BadArtifact, match=r"(?s)does not fit HeadShape.*Train it again"):
        load_head(folder, read_model(folder))
    (folder / "head.safetensors").write_bytes(b"cut off")
    with pytest.raises(BadArtifact, match="does not fit"):
        load_head(folder, read_model(folder))
    (folder / "head.safetensors").unlink()
    with pytest.raises(BadArtifact, match="No such file"):
        load_head(folder, read_model(folder))


def test_an_embedder_gives_unit_vectors_of_its_longest_length(
    model_folder: Path, tower: OpenClipTower
):
    embedder = TorchEmbedder(model_folder)
    vectors = embedder.embed(PHOTOS)
    assert embedder.lengths == (64, 32)
    assert embedder.model_id == read_model(model_folder).model_id
    assert (vectors.shape, vectors.dtype) == ((2, 64), np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    head = load_head(model_folder, read_model(model_folder))
    assert vectors == pytest.approx(pool_tokens(head, tower.tokens(PHOTOS)), abs=1e-5)


def test_nothing_to_embed_gives_no_rows_of_the_right_width(model_folder: Path):
    nothing = TorchEmbedder(model_folder).embed([])
    assert (nothing.shape, nothing.dtype) == ((0, 64), np.float32)


def test_the_baseline_of_a_model_is_mean_pooling_of_its_tower(
    model_folder: Path, tower: OpenClipTower
):
    baseline = TorchEmbedder(model_folder, is_baseline=True)
    expected = unit(tower.tokens(PHOTOS).mean(axis=1)[:, :64])
    assert baseline.model_id == f"{read_model(model_folder).model_id}-mean"
    assert baseline.embed(PHOTOS) == pytest.approx(expected, abs=1e-5)


def test_a_stored_photo_has_the_same_vector_as_before_it_was_stored(home: Home, model_folder: Path):
    photos = write_curated(home, [("c0/gallery/0", PHOTOS[0])])
    embedder = TorchEmbedder(model_folder)
    stored = load(home.images, photos[0].sha256)
    assert np.array_equal(embedder.embed([stored]), embedder.embed([PHOTOS[0]]))
