"""Our own detector: what it learns from, that it learns, and the graph that comes out."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image, ImageDraw

from labeling.boxes import DrawnBox
from photosearch.catalog.images import store
from photosearch.catalog.tables import write_table
from photosearch.errors import BadTable
from photosearch.home import Home
from photosearch.perception.onnx_detector import CLASSES_OF_OURS, OnnxDetector
from training.boxed_photos import (
    UNKNOWN,
    BoxedPixels,
    photos_of_home,
    photos_of_scenes,
    read_pixels,
)
from training.detector import Recipe, Stage, random_views, train_detector
from training.detector_export import Origin, export_detector
from training.detector_losses import detector_loss, targets_of
from training.detector_network import Decoded, ProductNetwork, boxes_of

ROOT = Path(__file__).parents[1]
COLOURS = ("red", "gold", "lime", "cyan", "blue", "magenta", "orange", "white")
QUICK = Recipe(stages=(Stage(96, 60, 0.004),), batch=8, smallest_part=0.99, light=0.05)


def keep(images: Path, photo: Image.Image) -> str:
    content = io.BytesIO()
    photo.save(content, "PNG")
    return store(images, content.getvalue())


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight coloured blocks on grey, one a photo, and a photo without any."""
    folder = tmp_path_factory.mktemp("scenes")
    (folder / "masks").mkdir()
    rows, empty = [], keep(folder / "images", Image.new("RGB", (160, 160), (90, 90, 90)))
    for number, colour in enumerate(COLOURS):
        photo = Image.new("RGB", (160, 160), (90, 90, 90))
        left, top = 10 + 12 * number, 80 - 8 * number
        box = (left, top, left + 50, top + 40)
        ImageDraw.Draw(photo).rectangle(box, fill=colour)
        mask = Image.new("L", photo.size)
        ImageDraw.Draw(mask).rectangle(box, fill=255)
        sha256 = keep(folder / "images", photo)
        mask.save(folder / "masks" / f"{sha256}.png")
        sides = zip(("left", "top", "right", "bottom"), box, strict=True)
        rows.append({"sha256": sha256} | {name: side / 160 for name, side in sides})
    Image.new("L", (160, 160)).save(folder / "masks" / f"{empty}.png")
    (folder / "empty.txt").write_text(f"{empty}\n")
    pq.write_table(pa.Table.from_pylist(rows), folder / "boxes.parquet")
    return folder


def test_a_folder_of_scenes_has_photos_with_and_without_products(scenes: Path):
    photos = photos_of_scenes(scenes)
    assert sorted(len(photo.boxes) for photo in photos) == [0] + [1] * 8
    kept = read_pixels(photos, side_px=80)
    assert kept.pixels.shape == (9, 80, 80, 3)
    for mask, boxes in zip(kept.masks, kept.boxes, strict=True):
        assert set(np.unique(mask)) <= {0, 255}
        assert (mask.max() == 255) == (len(boxes) == 1)


def test_boxes_that_people_drew_are_read_with_their_photos(tmp_path: Path):
    home = Home(tmp_path)
    sha256 = keep(home.images, Image.new("RGB", (40, 30), "red"))
    drawn = [
        DrawnBox("c1/review/0", sha256, *box, "ann@example.org", "2026-01-02T03:04:05Z")
        for box in [(0.1, 0.2, 0.5, 0.6), (0.3, 0.3, 0.3001, 0.9)]
    ]
    write_table(home.labels.with_name("boxes.parquet"), DrawnBox, drawn)
    (photo,) = photos_of_home(home)
    assert photo.boxes.tolist() == [pytest.approx([0.1, 0.2, 0.5, 0.6])]  # the other is a slip
    assert photo.mask is None
    assert (read_pixels([photo], side_px=32).masks == UNKNOWN).all()


def test_a_home_where_nobody_drew_boxes_says_how_to_get_them(tmp_path: Path):
    with pytest.raises(BadTable, match=r"boxes.parquet has no boxes .*`photosearch label`"):
        photos_of_home(Home(tmp_path))


def test_views_move_boxes_as_they_move_pixels():
    pixels = np.zeros((1, 128, 128, 3), np.uint8)
    pixels[0, 32:64, 16:80] = 200
    masks = np.where(pixels[..., 0] > 0, 255, 0).astype(np.uint8)
    kept = BoxedPixels(pixels, masks, [np.array([[16, 32, 80, 64]], np.float32) / 128])
    for seed in range(20):
        how = (128, Recipe(smallest_part=0.6))
        views = random_views(kept, np.array([0]), how, np.random.default_rng(seed))
        shown = views.pixels[0, 0] > 60
        rows, columns = (np.flatnonzero(shown.any(axis).numpy()) for axis in (1, 0))
        seen = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) / 128
        assert views.boxes.numpy()[0] == pytest.approx(seen, abs=0.02)
        assert views.masks[0].mean() == pytest.approx(float(shown.float().mean()), abs=0.03)


def test_the_targets_of_a_perfect_network_cost_nearly_nothing():
    boxes = torch.tensor([[0.1, 0.2, 0.5, 0.6], [0.6, 0.5, 0.9, 0.9]])
    targets = targets_of(boxes, torch.tensor([0, 1]), n_photos=2, cells=20)
    assert targets.centres.flatten(1).max(1).values.tolist() == [1, 1]
    x, y = (torch.arange(20) + 0.5) / 20, ((torch.arange(20) + 0.5) / 20)[:, None]
    left, top, right, bottom = targets.boxes.unbind(1)
    sides = torch.stack([x - left, y - top, right - x, bottom - y], 1)
    assert torch.allclose(boxes_of(sides), targets.boxes, atol=1e-6)
    sure = torch.where(targets.centres == 1, 9.0, -9.0)
    masks = torch.zeros(2, 40, 40)
    perfect = detector_loss((sure, sides, masks - 9), targets, masks)
    assert perfect < 0.01
    wrong = detector_loss((-sure, sides, masks - 9), targets, masks)
    shifted = detector_loss((sure, sides + 0.05, masks - 9), targets, masks)
    unmasked = detector_loss((sure, sides, masks + 9), targets, masks)
    assert min(wrong, shifted, unmasked) > 0.1


def test_where_nobody_knows_the_mask_it_costs_nothing():
    targets = targets_of(torch.empty(0, 4), torch.empty(0, dtype=torch.long), n_photos=1, cells=4)
    maps = (torch.full((1, 4, 4), -9.0), torch.zeros(1, 4, 4, 4), torch.full((1, 8, 8), 9.0))
    assert detector_loss(maps, targets, torch.full((1, 8, 8), -1.0)) < 0.01
    assert detector_loss(maps, targets, torch.zeros(1, 8, 8)) > 1


@pytest.fixture(scope="module")
def learnt(scenes: Path) -> ProductNetwork:
    return train_detector(photos_of_scenes(scenes), QUICK)


def test_a_network_learns_nine_photos_by_heart(scenes: Path, learnt: ProductNetwork):
    photos = photos_of_scenes(scenes)
    kept = read_pixels(photos, side_px=96)
    pixels = torch.from_numpy(kept.pixels).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        boxes, confidences, foreground = Decoded(learnt)(pixels)
    for row, photo in enumerate(photos):
        if not len(photo.boxes):
            assert confidences[row].max() < 0.2
            continue
        best = confidences[row].argmax()
        assert boxes[row, best].numpy() == pytest.approx(photo.boxes[0], abs=0.05)
        wanted = torch.from_numpy(kept.masks[row, ::4, ::4] > 0)
        assert ((foreground[row] > 0.5) == wanted).float().mean() > 0.95


def test_the_exported_graph_finds_what_the_network_finds(
    tmp_path: Path, scenes: Path, learnt: ProductNetwork
):
    path = tmp_path / "d.onnx"
    origin = Origin("blocks", 9, 8, QUICK, ["make it so"])
    card = export_detector(learnt, path, origin)
    assert path.stat().st_size < 2.2 * card.n_parameters  # half precision
    assert str(ROOT).encode() not in path.read_bytes()
    told = json.loads(path.with_suffix(".json").read_text())
    assert told["origin"]["recipe"]["stages"] == [
        {"image_px": 96, "epochs": 60, "learning_rate": 0.004}
    ]
    detector = OnnxDetector(
        path,
        format_="ours",
        classes=CLASSES_OF_OURS,
        confidence_min=0.0,
        overlap_max=1.0,
        keep_masks=False,
        threads=1,
    )
    photo = Image.open(photos_of_scenes(scenes)[0].photo).convert("RGB")
    pixels = torch.from_numpy(np.asarray(photo.resize((320, 320), Image.Resampling.BICUBIC)).copy())
    with torch.inference_mode():
        boxes, confidences, _ = Decoded(learnt)(pixels.permute(2, 0, 1)[None].float())
    first = detector.find(photo)[0]
    best = confidences[0].argmax()
    assert first.confidence == pytest.approx(confidences[0, best].item(), abs=0.01)
    assert np.array(first.box) / 160 == pytest.approx(boxes[0, best].clamp(0, 1), abs=0.01)


def test_equal_seeds_give_equal_networks(scenes: Path):
    photos = photos_of_scenes(scenes)
    short = Recipe(stages=(Stage(64, 2, 0.003),), batch=4)
    once, again = (train_detector(photos, short).state_dict() for _ in range(2))
    assert all(torch.equal(once[name], again[name]) for name in once)
