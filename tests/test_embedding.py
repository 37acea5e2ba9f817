"""Photos into tokens and unit vectors: towers, heads and model folders."""

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
from small_tower import quarters, untrained_tower, write_curated

from photosearch.catalog.images import load
from photosearch.embedding.backbones import (
    OpenClipTower,
    fetch_tower,
    load_open_clip,
    patch_tokens,
    pooled_patches,
    save_weights,
)
from photosearch.embedding.embedder import shorten, unit
from photosearch.embedding.head import AttentionHead, MeanPooling, build_head
from photosearch.embedding.model import HeadShape, Lineage, mean_pooling_of, read_model, write_model
from photosearch.embedding.preprocess import Preprocessing, read_preprocessing
from photosearch.embedding.torch_runtime import TorchEmbedder, load_head, pool_tokens
from photosearch.embedding.tower import CONFIG, WEIGHTS, tower_id
from photosearch.embedding.whitening import whitening
from photosearch.errors import BadArtifact, BadParams, TowerUnreachable
from photosearch.home import Home
from photosearch.settings import TowerParams

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


def test_unit_scales_every_row_and_leaves_zeros():
    vectors = unit(np.array([[3.0, 4.0], [0.0, 0.0]]))
    assert vectors.dtype == np.float32
    assert vectors.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0, 0]]


def test_shorten_keeps_the_first_numbers_and_length_one():
    vectors = unit(np.array([[3.0, 4.0, 12.0]]))
    assert shorten(vectors, 2) == pytest.approx(np.array([[0.6, 0.8]]))
    assert shorten(vectors, 3) == pytest.approx(vectors)


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


def test_pooled_patches_are_the_means_of_squares_and_of_what_is_left_at_the_edges():
    grid = torch.arange(9.0).reshape(1, 9, 1)
    assert pooled_patches(grid, 2).flatten().tolist() == [2.0, 3.5, 6.5, 8.0]
    assert torch.equal(pooled_patches(grid, 1), grid)
    with pytest.raises(
        BadParams, match=r"tokens\.pool 2 needs a square grid.*8\. Set tokens\.pool"
    ):
        pooled_patches(grid[:, :8], 2)


def test_a_model_of_pooled_patches_pools_them_when_it_embeds(tower_folder: Path, tmp_path: Path):
    head = HeadShape("mean", 512, 64, [64], pool=2)
    write_model(tmp_path / "pooled", tower=tower_folder, head=head, lineage=LINEAGE)
    seen = OpenClipTower(tower_folder, pool=2).tokens(PHOTOS)
    assert seen.shape == (2, 1, 512)
    embedded = TorchEmbedder(tmp_path / "pooled").embed(PHOTOS)
    assert embedded == pytest.approx(unit(seen[:, 0, :64]), abs=1e-5)


def test_an_untrained_attention_head_is_mean_pooling():
    tokens = torch.randn(5, 4, 512)
    attention, mean = build_head(ATTENTION, dropout=0.3).eval(), MeanPooling(ATTENTION)
    assert torch.allclose(attention(tokens), mean(tokens), atol=1e-5)
    assert attention(tokens).shape == (5, 64)


def test_a_head_that_starts_at_a_linear_map_is_that_map_of_the_mean_token():
    tokens, centre, directions = torch.randn(5, 4, 512), torch.randn(512), torch.randn(512, 512)
    head = AttentionHead(ATTENTION).eval()
    head.start_at(centre, directions)
    expected = ((tokens.mean(dim=1) - centre) @ directions)[:, :64]
    assert torch.allclose(head(tokens), expected, atol=1e-3)
    head.start_at(centre, directions[:, :16])
    assert torch.allclose(head(tokens)[:, :16], expected[:, :16], atol=1e-3)
    assert not head(tokens)[:, 16:].any()


def test_the_anchored_query_is_the_mean_query_of_the_data():
    torch.manual_seed(0)
    head = AttentionHead(ATTENTION, 0.5)
    batches = [torch.randn(3, 4, 512), torch.randn(2, 4, 512)]
    torch.manual_seed(1)
    head.anchor(batches)
    torch.manual_seed(1)
    ask = torch.nn.Linear(ATTENTION.width, ATTENTION.width)
    head.eval()
    queries = torch.cat([ask(head.reducer(tokens)) for tokens in batches])
    assert torch.allclose(head.query[0, 0], queries.mean(dim=(0, 1)), atol=1e-5)
    assert not head.query.requires_grad


def test_pooling_that_looks_at_all_tokens_alike_has_the_entropy_of_their_number():
    head = AttentionHead(ATTENTION).eval()
    torch.nn.init.zeros_(head.query)
    assert head.pooling_entropy(torch.randn(5, 4, 512)) == pytest.approx(
        np.log(ATTENTION.tokens), abs=1e-5
    )


def test_whitening_puts_what_tells_products_apart_before_what_varies_within_them():
    random = np.random.default_rng(0)
    products = np.repeat(np.arange(8), 50)
    light = random.normal(0, 3, (400, 1))  # varies most, says nothing
    colour = random.normal(0, 1, 8)[products, None] + random.normal(0, 0.1, (400, 1))
    vectors = np.hstack([light, colour, random.normal(0, 0.1, (400, 1))])
    white = whitening(vectors, products.tolist(), shrinkage=0.1)
    telling = ((vectors - white.centre) @ white.directions)[:, 0]
    assert abs(np.corrcoef(telling, colour[:, 0])[0, 1]) > 0.99
    within = telling - np.bincount(products, telling)[products] / 50
    assert within.std() < 0.2 * telling.std()
    assert white.ratios[0] > 1 > white.ratios[1]


def test_whitening_of_products_with_one_look_only_centres():
    white = whitening(np.eye(3), ["a", "b", "c"], shrinkage=0.1)
    assert white.centre.tolist() == pytest.approx([1 / 3] * 3)
    assert np.array_equal(white.directions, np.eye(3))


def test_mean_pooling_of_a_narrow_tower_leaves_out_lengths_it_cannot_make():
    mean = mean_pooling_of(HeadShape("attention", 48, 128, [128, 64, 32, 16], 16, 2, 2))
    assert (mean.kind, mean.lengths) == ("mean", [32, 16])
    assert build_head(mean)(torch.ones(1, 3, 48)).shape == (1, 48)


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
