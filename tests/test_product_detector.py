"""The detector that photosearch brings, on the simulator's scenes, and the verb that asks it."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from processes import ROOT, run
from pydantic import ValidationError

from photosearch.assembly_perception import load_detector
from photosearch.errors import BadArtifact
from photosearch.evaluation.detection import average_precision
from photosearch.home import Home
from photosearch.perception.detector import Detector, overlaps
from photosearch.perception.onnx_detector import OURS
from photosearch.perception_settings import DetectorParams
from photosearch.settings import load_params
from simulator.scenes import Scene, make_scene
from simulator.world import World

WORLD = World(401, 60)
"""Its seed is none of those that were trained on."""
EMPTY = (5, 9, 12, 25)
"""Scenes of that world with no product."""
PARAMS = load_params(ROOT / "simulator" / "params.yaml").detector


@pytest.fixture(scope="module")
def detector() -> Detector:
    loaded = load_detector(PARAMS, Home(ROOT))
    assert loaded is not None
    return loaded


def scenes(n_scenes: int, n_products: int) -> list[Scene]:
    """Scenes with so many products, or nearly: one that finds no place is left out."""
    cards = np.arange(n_scenes * n_products).reshape(n_scenes, n_products) % WORLD.n_cards
    return [make_scene(WORLD, 100 + n, cards=row.tolist()) for n, row in enumerate(cards)]


def precision(detector: Detector, shown: list[Scene]) -> float:
    truth = [np.array([product.box for product in scene.products], float) for scene in shown]
    return average_precision([detector.find(scene.image) for scene in shown], truth)


def test_its_card_is_of_this_very_file():
    card = json.loads(OURS.with_suffix(".json").read_text())
    assert card["sha256"] == hashlib.sha256(OURS.read_bytes()).hexdigest()
    assert OURS.stat().st_size <= 4_000_000


def test_where_no_product_is_it_finds_next_to_nothing(detector: Detector):
    shown = [make_scene(WORLD, number) for number in EMPTY]
    assert all(scene.products == [] for scene in shown)
    assert sum(len(detector.find(scene.image)) for scene in shown) <= 2


def test_a_photo_of_one_colour_has_nothing_on_it(detector: Detector):
    for colour in ("white", "black", "grey"):
        assert detector.find(Image.new("RGB", (300, 400), colour)) == []


def test_one_product_is_found_once(detector: Detector):
    shown = scenes(6, 1)
    assert precision(detector, shown) > 0.95
    assert sum(len(detector.find(scene.image)) for scene in shown) <= 8


def test_ten_products_are_mostly_found(detector: Detector):
    assert precision(detector, scenes(3, 10)) > 0.6


def test_products_that_overlap_get_a_box_each(detector: Detector):
    crowded = []
    for scene in scenes(30, 2):
        boxes = np.array([product.box for product in scene.products], float)
        if len(boxes) == 2 and overlaps(boxes, boxes)[0, 1] > 0.1:
            crowded.append(scene)
    assert len(crowded) >= 2
    assert precision(detector, crowded) > 0.75


def test_its_masks_cover_products_and_not_the_ground(detector: Detector):
    with_masks = load_detector(PARAMS.model_copy(update={"masks": True}), Home(ROOT))
    assert with_masks is not None
    right, seen = 0, 0
    shown = scenes(3, 1)
    for scene in shown:
        for thing in with_masks.find(scene.image)[:1]:
            left, top, _, _ = map(round, thing.box)
            assert thing.mask is not None
            height, width = thing.mask.shape
            true = scene.products[0].mask[top : top + height, left : left + width]
            right += int((true & thing.mask).sum())
            seen += int((true | thing.mask).sum())
    assert right / seen > 0.8
    assert all(thing.mask is None for thing in detector.find(shown[0].image))


def test_params_can_turn_it_off():
    assert load_detector(PARAMS.model_copy(update={"model": "none"}), Home(ROOT)) is None


def test_a_model_from_outside_needs_file_and_classes():
    with pytest.raises(
        ValidationError, match="rtdetr comes from a file: name `file` and `classes`"
    ):
        DetectorParams(**PARAMS.model_dump() | {"model": "rtdetr", "file": "d.onnx"})


def test_files_in_params_lie_in_the_home(tmp_path: Path):
    named = {"model": "yolox", "file": "models/y.onnx", "classes": "models/names.txt"}
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "names.txt").write_text("cup\n")
    with pytest.raises(BadArtifact, match=f"no detector {tmp_path / 'models' / 'y.onnx'}"):
        load_detector(PARAMS.model_copy(update=named), Home(tmp_path))


def test_the_verb_prints_boxes_and_keeps_crops(tmp_path: Path):
    home = tmp_path / "home"
    (home / ".dvc").mkdir(parents=True)
    (home / "params.yaml").write_text((ROOT / "simulator" / "params.yaml").read_text())
    scene = make_scene(WORLD, 5, cards=[3])
    content = io.BytesIO()
    scene.image.save(content, "JPEG", quality=90)
    (tmp_path / "photo.jpg").write_bytes(content.getvalue())
    done = run("detect", "photo.jpg", "--crops", "crops", "--home", home, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["size"] == list(scene.image.size)
    found, true = told["things"][0]["box"], scene.products[0].box
    assert overlaps(np.array([found]), np.array([true], float))[0, 0] > 0.6
    with Image.open(tmp_path / "crops" / "0.png") as cut:
        size = cut.size
    assert size == (round(found[2]) - round(found[0]), round(found[3]) - round(found[1]))


def test_the_verb_says_that_the_detector_is_off(tmp_path: Path):
    home = tmp_path / "home"
    (home / ".dvc").mkdir(parents=True)
    params = (ROOT / "simulator" / "params.yaml").read_text().replace("model: ours", "model: none")
    (home / "params.yaml").write_text(params)
    Image.new("RGB", (20, 20)).save(tmp_path / "photo.png")
    done = run("detect", "photo.png", "--home", home, folder=tmp_path)
    assert done.returncode == 2
    assert "`detector.model` is none in params.yaml" in done.stderr
