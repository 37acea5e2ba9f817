"""Towers: preprocessing, tokens, ids, and where a tower is fetched from."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from open_clip.timm_model import TimmModel
from PIL import Image
from small_tower import quarters, untrained_tower

from photosearch.embedding.backbones import (
    OpenClipTower,
    fetch_tower,
    load_open_clip,
    patch_tokens,
    save_weights,
)
from photosearch.embedding.embedder import unit
from photosearch.embedding.preprocess import Preprocessing, read_preprocessing
from photosearch.embedding.tower import CONFIG, WEIGHTS, tower_id
from photosearch.errors import BadArtifact, TowerUnreachable
from photosearch.settings import TowerParams

RED, GREEN, BLUE, WHITE = (200, 30, 30), (30, 160, 60), (40, 60, 200), (255, 255, 255)
PHOTOS = [quarters(RED, BLUE, WHITE, GREEN), quarters(BLUE, BLUE, RED, GREEN)]


@pytest.fixture(scope="module")
def tower_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_tower(tmp_path_factory.mktemp("towers") / "small")


@pytest.fixture(scope="module")
def tower(tower_folder: Path) -> OpenClipTower:
    return OpenClipTower(tower_folder)


def test_a_photo_is_squashed_to_the_square_and_nothing_is_cut_off():
    wide = Image.new("RGB", (120, 40), BLUE)
    wide.paste(RED, (0, 0, 60, 40))
    pixels = Preprocessing(32, (0, 0, 0), (1, 1, 1)).pixels(wide)
    assert (pixels.shape, pixels.dtype) == ((32, 32, 3), np.uint8)
    assert pixels[0, 0].tolist() == list(RED)
    assert pixels[-1, -1].tolist() == list(BLUE)


def test_normalising_subtracts_the_mean_and_divides_by_the_deviation_of_each_channel():
    white = Image.new("RGB", (50, 50), WHITE)
    batch = Preprocessing(32, (0.5, 0.0, 1.0), (0.5, 0.25, 1.0)).batch([white, white])
    assert (batch.shape, batch.dtype) == ((2, 3, 32, 32), np.float32)
    assert batch[0, :, 7, 7] == pytest.approx([1, 4, 0])
    assert batch.flags["C_CONTIGUOUS"]


def test_preprocessing_is_read_from_the_tower_folder(tower_folder: Path, tmp_path: Path):
    assert read_preprocessing(tower_folder).image_px == 64
    assert read_preprocessing(tower_folder).mean == (0.485, 0.456, 0.406)
    config = json.loads((tower_folder / CONFIG).read_text())
    config["model_cfg"]["vision_cfg"]["image_size"] = [48, 48]  # as some published towers say it
    (tmp_path / CONFIG).write_text(json.dumps(config))
    assert read_preprocessing(tmp_path).image_px == 48


def test_a_saved_tower_comes_back_bit_for_bit(tower_folder: Path, tmp_path: Path):
    model = load_open_clip(tower_folder)
    shutil.copytree(tower_folder, tmp_path / "copy")
    save_weights(model, tmp_path / "copy")
    again = load_open_clip(tmp_path / "copy")
    weights, weights_again = model.state_dict(), again.state_dict()
    assert weights.keys() == weights_again.keys()
    assert all(torch.equal(value, weights_again[name]) for name, value in weights.items())
    assert tower_id(tmp_path / "copy") == tower_id(tower_folder)


def test_a_tower_has_another_id_when_a_weight_or_the_preprocessing_changes(
    tower_folder: Path, tmp_path: Path
):
    folder = shutil.copytree(tower_folder, tmp_path / "changed")
    model = load_open_clip(folder)
    with torch.no_grad():
        model.logit_scale += 1e-3
    save_weights(model, folder)
    other_weights = tower_id(folder)
    (folder / CONFIG).write_text((folder / CONFIG).read_text().replace("0.485", "0.5"))
    assert len({tower_id(tower_folder), other_weights, tower_id(folder)}) == 3


def test_a_tower_folder_without_weights_says_so(tower_folder: Path, tmp_path: Path):
    shutil.copy(tower_folder / CONFIG, tmp_path)
    with pytest.raises(BadArtifact, match=rf"has no {WEIGHTS}. Run `photosearch tower`"):
        tower_id(tmp_path)
    with pytest.raises(BadArtifact, match=rf"has no {WEIGHTS}. Run `photosearch tower` to make it"):
        load_open_clip(tmp_path)


def test_damaged_weights_are_a_bad_artifact(tower_folder: Path, tmp_path: Path):
    folder = shutil.copytree(tower_folder, tmp_path / "damaged")
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:5000])
    with pytest.raises(BadArtifact, match=r"cannot be loaded.*Make the tower again"):
        load_open_clip(folder)


def test_photos_and_texts_of_a_tower_share_one_space(tower: OpenClipTower):
    photos = tower.embed_photos(PHOTOS)
    texts = tower.embed_texts(["red mug", "красная кружка", "never seen 漢字"])
    assert (photos.shape, texts.shape) == ((2, 256), (3, 256))
    for vectors in (photos, texts):
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert not np.allclose(texts[0], texts[1])


def test_tokens_of_a_convolutional_tower_average_to_its_own_pooling(tower: OpenClipTower):
    tokens = tower.tokens(PHOTOS)
    assert (tokens.shape, tokens.dtype) == ((2, tower.n_tokens, tower.width), np.float32)
    assert (tower.n_tokens, tower.width) == (4, 512)
    with torch.inference_mode():
        projected = tower._model.visual.head(torch.from_numpy(tokens.mean(axis=1)))
    cosines = (unit(projected.numpy()) * tower.embed_photos(PHOTOS)).sum(axis=1)
    assert cosines == pytest.approx(1, abs=1e-2)  # towers run in bfloat16 where the chip has it


def test_a_native_vit_tower_gives_its_patches_without_the_class_token(tmp_path: Path):
    model_cfg = {
        "embed_dim": 16,
        "vision_cfg": {
            "image_size": 64, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16,
        },
        "text_cfg": {
            "context_length": 8, "vocab_size": 50, "width": 16, "heads": 1, "layers": 1,
        },
    }  # fmt: skip
    statistics = {"mean": [0.5] * 3, "std": [0.5] * 3}
    config = {"model_cfg": model_cfg, "preprocess_cfg": statistics}
    (tmp_path / CONFIG).write_text(json.dumps(config))
    torch.manual_seed(0)
    save_weights(open_clip.CLIP(**model_cfg), tmp_path)
    vit = OpenClipTower(tmp_path)
    tokens = vit.tokens(PHOTOS)
    assert tokens.shape == (2, 16, 32)
    assert (vit.n_tokens, vit.width, vit.image_px) == (16, 32, 64)
    assert vit.embed_photos(PHOTOS).shape == (2, 16)  # asking for tokens changed nothing for good


def test_a_timm_vit_gives_its_patches_without_prefix_tokens():
    visual = TimmModel("test_vit", embed_dim=16, image_size=64, pool="avg", proj="linear").eval()
    with torch.inference_mode():
        tokens = patch_tokens(visual, torch.rand(2, 3, 64, 64))
    assert visual.trunk.num_prefix_tokens == 1
    assert tokens.shape == (2, 16, 64)


def test_a_tower_is_fetched_from_a_folder(tower_folder: Path, tower: OpenClipTower, tmp_path: Path):
    wanted = TowerParams(name="photosearch-small", pretrained=str(tower_folder), image_px=64)
    report = fetch_tower(wanted, tmp_path / "tower")
    assert report.origin == str(tower_folder)
    assert report.tower_id == tower_id(tmp_path / "tower") == tower.tower_id
    fetched = OpenClipTower(tmp_path / "tower")
    assert np.array_equal(fetched.tokens(PHOTOS), tower.tokens(PHOTOS))
    assert np.array_equal(fetched.embed_texts(["red mug"]), tower.embed_texts(["red mug"]))


def test_a_folder_without_weights_cannot_be_fetched(tower_folder: Path, tmp_path: Path):
    half = tmp_path / "half"
    half.mkdir()
    shutil.copy(tower_folder / CONFIG, half)
    with pytest.raises(TowerUnreachable, match=rf"but no {WEIGHTS}. Copy the weights there"):
        fetch_tower(TowerParams(name="x", pretrained=str(half), image_px=64), tmp_path / "tower")


def test_an_unknown_tag_names_the_known_ones_and_the_ways_out(tmp_path: Path):
    wanted = TowerParams(name="ViT-B-16-SigLIP2", pretrained="webly", image_px=224)
    with pytest.raises(TowerUnreachable) as caught:
        fetch_tower(wanted, tmp_path / "tower")
    message = str(caught.value)
    assert "'ViT-B-16-SigLIP2' has no weights 'webly'" in message
    assert "open_clip knows webli" in message
    assert f"no folder with {CONFIG}" in message
    assert "photosearch-small and own" in message


def test_the_hub_is_not_waited_for_when_it_is_forbidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    wanted = TowerParams(name="ViT-B-16-SigLIP2", pretrained="webli", image_px=224)
    started = time.monotonic()
    with pytest.raises(TowerUnreachable) as caught:
        fetch_tower(wanted, tmp_path / "tower")
    assert time.monotonic() - started < 3
    message = str(caught.value)
    assert "HF_HUB_OFFLINE=1 forbids it" in message
    assert "PHOTOSEARCH_HUB_MIRROR to a mirror" in message
    assert f"a folder with {CONFIG} and {WEIGHTS}" in message
    assert "photosearch-small and tower.pretrained to own" in message
    assert not (tmp_path / "tower").exists()


def test_a_mirror_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    wanted = TowerParams(name="ViT-B-16-SigLIP2", pretrained="webli", image_px=224)
    with pytest.raises(TowerUnreachable, match=r"cannot be fetched from http://127\.0\.0\.1:9: "):
        fetch_tower(wanted, tmp_path / "tower", mirror="http://127.0.0.1:9")
