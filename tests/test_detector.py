"""Detectors from ONNX files: what goes in, what their numbers mean, and files that are wrong."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto
from PIL import Image
from transformers import RTDetrImageProcessor
from transformers.models.rt_detr.modeling_rt_detr import RTDetrObjectDetectionOutput

from photosearch.errors import BadArtifact
from photosearch.perception.detector import Found, cut_out
from photosearch.perception.detector_formats import Format, as_input, shown
from photosearch.perception.onnx_detector import OnnxDetector, read_classes
from tests.onnx_graphs import finding_bright, saying

PHOTO = Image.new("RGB", (200, 100), (200, 120, 40))
NAMES = ("cup", "lamp", "shoe")


def detector(
    path: Path, format_: Format, classes: Sequence[str] = NAMES, *, confidence_min: float = 0.5
) -> OnnxDetector:
    return OnnxDetector(
        path,
        format_=format_,
        classes=classes,
        confidence_min=confidence_min,
        overlap_max=0.6,
        keep_masks=True,
        threads=1,
    )


def floats(*rows: Sequence[float]) -> np.ndarray:
    return np.array([rows], np.float32)


def near(box: Sequence[float]) -> object:
    return pytest.approx(tuple(box), abs=1e-3)


# RT-DETR, D-FINE


def test_rtdetr_boxes_are_centres_and_sides_in_shares_of_the_photo(tmp_path: Path):
    boxes = floats([0.5, 0.5, 0.2, 0.4], [0.25, 0.5, 0.1, 0.2])
    logits = floats([-9, 2, -9], [3, -9, -9])
    path = saying(tmp_path / "d.onnx", {"logits": logits, "pred_boxes": boxes})
    first, second = detector(path, "rtdetr").find(PHOTO)
    assert (first.name, first.box) == ("cup", near((40, 40, 60, 60)))
    assert (second.name, second.box) == ("lamp", near((80, 30, 120, 70)))
    assert first.confidence == pytest.approx(1 / (1 + np.exp(-3)))
    assert first.mask is None


def test_rtdetr_is_decoded_as_transformers_decodes_it(tmp_path: Path):
    chance = np.random.default_rng(3)
    logits = chance.normal(-6, 0.5, (1, 12, 3)).astype(np.float32)
    logits[0, range(12), chance.integers(3, size=12)] = np.linspace(-3, 3, 12)
    centres = np.stack([np.linspace(0.08, 0.92, 12), chance.uniform(0.4, 0.6, 12)], 1)
    boxes = np.concatenate([centres, chance.uniform(0.1, 0.14, (12, 2))], 1)[None].astype("f4")
    told = RTDetrObjectDetectionOutput(
        logits=torch.from_numpy(logits), pred_boxes=torch.from_numpy(boxes)
    )
    wanted = RTDetrImageProcessor().post_process_object_detection(
        told, threshold=0.5, target_sizes=[(100, 200)]
    )[0]
    path = saying(tmp_path / "d.onnx", {"logits": logits, "pred_boxes": boxes})
    found = detector(path, "rtdetr").find(PHOTO)
    assert [f.name for f in found] == [NAMES[label] for label in wanted["labels"]]
    assert [f.confidence for f in found] == pytest.approx(wanted["scores"].tolist(), abs=1e-5)
    for one, box in zip(found, wanted["boxes"].tolist(), strict=True):
        assert one.box == near(np.clip(box, 0, (200, 100, 200, 100)))


def test_rtdetr_sees_the_photo_as_transformers_shows_it():
    gradient = Image.linear_gradient("L").resize((300, 180))
    photo = Image.merge("RGB", [gradient, gradient.rotate(180), gradient.point(lambda v: v // 2)])
    wanted = RTDetrImageProcessor(size={"height": 64, "width": 64})(photo, return_tensors="np")
    seen = as_input(photo, "rtdetr", (64, 64))
    assert seen.shape == (1, 3, 64, 64)
    assert np.abs(seen - wanted["pixel_values"]).max() < 0.02


# YOLOX


def test_yolox_offsets_count_from_cells_and_the_letterbox_is_undone(tmp_path: Path):
    rows = np.zeros((84, 8), np.float32)  # 64 px: 8 x 8 + 4 x 4 + 2 x 2 cells
    rows[8 * 2 + 5] = (0.5, 0.25, np.log(3), np.log(2), 0.9, 0.1, 0.2, 1.0)  # stride 8
    rows[64 + 4 + 1] = (0, 0.5, 0, np.log(0.5), 0.8, 1.0, 0, 0)  # stride 16
    path = saying(tmp_path / "y.onnx", {"output": rows[None]})
    shoe, cup = detector(path, "yolox").find(PHOTO)
    scale = 200 / 64  # the photo is twice as wide as high: 64 x 32 px of the square show it
    assert shoe.box == near((32 * scale, 10 * scale, 56 * scale, 26 * scale))
    assert (shoe.name, shoe.confidence) == ("shoe", pytest.approx(0.9))
    assert cup.box == near((8 * scale, 20 * scale, 24 * scale, 28 * scale))
    assert (cup.name, cup.confidence) == ("cup", pytest.approx(0.8))


def test_yolox_sees_blue_first_and_grey_below():
    seen = as_input(PHOTO, "yolox", (64, 64))
    assert seen[0, :, 10, 10].tolist() == [40, 120, 200]
    assert seen[0, :, 31, 63].tolist() == [40, 120, 200]
    assert (seen[0, :, 32:] == 114).all()


def test_a_graph_that_takes_any_size_is_shown_640_pixels(tmp_path: Path):
    n_cells = 80 * 80 + 40 * 40 + 20 * 20
    path = saying(
        tmp_path / "y.onnx",
        {"output": np.zeros((1, n_cells, 8), np.float32)},
        shape=("batch", 3, "height", "width"),
    )
    assert detector(path, "yolox").find(PHOTO) == []


@pytest.mark.parametrize("size", [(320, 320), (750, 1000), (749, 1203), (2600, 2600), (40, 900)])
def test_our_own_format_sees_the_whole_photo_however_large_it_is(size: tuple[int, int]):
    corners = np.array(
        [[(250, 0, 0), (0, 250, 0)], [(0, 0, 250), (250, 250, 250)]], np.uint8
    )  # red, green; blue, white
    photo = Image.fromarray(corners).resize(size, Image.Resampling.NEAREST)
    seen = shown(photo, "ours", (320, 320))
    assert seen.shape == (320, 320, 3)
    assert (seen[80:320:160, 80:320:160] == corners).all()
    assert np.abs(np.diff(seen[80, :, 0].astype(int))).argmax() in range(157, 162)


def test_nothing_thin_is_lost_on_a_strip():
    lines = np.zeros((6400, 330, 3), np.uint8)
    lines[::10] = 250  # one of ten rows
    seen = shown(Image.fromarray(lines), "ours", (320, 320))
    assert 15 < seen[10:-10].min() <= seen[10:-10].max() < 35


# All of them


def test_our_own_format_sees_rgb_and_gives_a_mask_inside_the_box(tmp_path: Path):
    photo = Image.new("RGB", (320, 640), "black")
    photo.paste((255, 0, 0), (0, 0, 120, 300))
    found = detector(finding_bright(tmp_path / "o.onnx", side=32), "ours", ("product",)).find(photo)
    assert [one.box for one in found] == [(0, 0, 160, 320)]
    assert found[0].confidence == pytest.approx(0.75 * 300 / 320, abs=0.03)
    mask = found[0].mask
    assert mask is not None
    assert mask.shape == (320, 160)
    assert mask[:280, :110].all()
    assert not mask[:, 130:].any()


def test_a_thing_without_background_stands_on_white():
    mask = np.zeros((20, 10), bool)
    mask[:, :5] = True
    found = Found((100, 50, 110, 70), 0.9, "cup", mask)
    assert cut_out(PHOTO, found).getcolors() == [(200, (200, 120, 40))]
    bare = cut_out(PHOTO, found, keep_background=False)
    assert bare.getpixel((0, 0)) == (200, 120, 40)
    assert bare.getpixel((9, 0)) == (255, 255, 255)


def test_without_a_mask_the_background_stays():
    for mask in (None, np.zeros((20, 10), bool)):
        found = Found((100, 50, 110, 70), 0.9, "cup", mask)
        assert cut_out(PHOTO, found, keep_background=False).getpixel((9, 9)) == (200, 120, 40)


def test_of_two_boxes_round_one_thing_the_surer_stays_whatever_they_are_called(tmp_path: Path):
    boxes = floats([0.5, 0.5, 0.4, 0.4], [0.51, 0.5, 0.4, 0.4], [0.5, 0.5, 0.2, 0.2])
    logits = floats([1, -9, -9], [-9, 2, -9], [-9, -9, 1.5])
    path = saying(tmp_path / "d.onnx", {"logits": logits, "pred_boxes": boxes})
    assert [one.name for one in detector(path, "rtdetr").find(PHOTO)] == ["lamp", "shoe"]


def test_boxes_outside_the_photo_too_small_or_no_numbers_are_left_out(tmp_path: Path):
    boxes = floats(
        [0.0, 0.5, 0.4, 0.4],
        [1.5, 0.5, 0.4, 0.4],
        [0.8, 0.5, 0.01, 0.5],
        [np.nan] * 4,
        [np.inf] * 4,
    )
    logits = np.full((1, 5, 3), 2, np.float32)
    path = saying(tmp_path / "d.onnx", {"logits": logits, "pred_boxes": boxes})
    assert [one.box for one in detector(path, "rtdetr").find(PHOTO)] == [near((0, 30, 40, 70))]


def test_one_detector_serves_several_threads(tmp_path: Path):
    found = detector(finding_bright(tmp_path / "o.onnx", side=32), "ours", ("product",))
    photos = [Image.new("RGB", (64, 64), (red, 0, 0)) for red in range(130, 250, 5)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(found.find, photos))
    reds = [round(things[0].confidence * 255) for things in answers]
    assert reds == list(range(130, 250, 5))


# Wrong files

RTDETR = {"logits": np.zeros((1, 4, 3), np.float32), "pred_boxes": np.zeros((1, 4, 4), np.float32)}


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(BadArtifact, match=r"There is no detector .*gone.onnx"):
        detector(tmp_path / "gone.onnx", "rtdetr")


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"<html>404</html>", b"\x08\x0a"])
def test_a_file_that_is_no_graph_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "d.onnx"
    path.write_bytes(content)
    with pytest.raises(BadArtifact, match=r"d.onnx cannot be used as a detector"):
        detector(path, "rtdetr")


def test_a_graph_cut_short_is_refused(tmp_path: Path):
    path = saying(tmp_path / "d.onnx", RTDETR)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(BadArtifact, match="cannot be used as a detector"):
        detector(path, "rtdetr")


def test_a_graph_of_another_format_is_refused(tmp_path: Path):
    path = saying(tmp_path / "d.onnx", RTDETR)
    with pytest.raises(BadArtifact, match=r"it is no `yolox` graph \(shape \(4, 3\) instead of"):
        detector(path, "yolox")
    with pytest.raises(BadArtifact, match=r"it is no `ours` graph \('boxes'\)"):
        detector(path, "ours")


@pytest.mark.parametrize(
    "outputs",
    [
        {**RTDETR, "pred_boxes": np.zeros((1, 5, 4), np.float32)},
        {**RTDETR, "pred_boxes": np.zeros((1, 4, 5), np.float32)},
        {**RTDETR, "logits": np.zeros((4, 3), np.float32)},
        {"logits": RTDETR["logits"]},
    ],
)
def test_outputs_of_other_shapes_are_refused(tmp_path: Path, outputs: dict[str, np.ndarray]):
    with pytest.raises(BadArtifact, match="it is no `rtdetr` graph"):
        detector(saying(tmp_path / "d.onnx", outputs), "rtdetr")


def test_a_class_list_of_another_length_is_refused(tmp_path: Path):
    with pytest.raises(BadArtifact, match=r"it has 3 classes, the class list 2"):
        detector(saying(tmp_path / "d.onnx", RTDETR), "rtdetr", NAMES[:2])


def test_a_half_precision_export_is_refused(tmp_path: Path):
    path = saying(tmp_path / "d.onnx", RTDETR, input_type=TensorProto.FLOAT16)
    with pytest.raises(BadArtifact, match=r"tensor\(float16\).*not one float32 photo"):
        detector(path, "rtdetr")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("names.txt", "cup\nlamp\n\nshoe\n"),
        ("names.json", '["cup", "lamp", "shoe"]'),
        ("config.json", json.dumps({"id2label": {"1": "lamp", "0": "cup", "2": "shoe"}})),
    ],
)
def test_class_lists_are_read_as_they_come(tmp_path: Path, name: str, text: str):
    path = tmp_path / name
    path.write_text(text)
    assert read_classes(path) == list(NAMES)


@pytest.mark.parametrize("text", ["{", "[1, 2]", '{"id2label": {"5": "cup"}}', "7"])
def test_a_file_without_class_names_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "names.json"
    path.write_text(text)
    with pytest.raises(BadArtifact, match=r"names.json has no class names"):
        read_classes(path)
