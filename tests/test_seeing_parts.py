"""What a release carries to look at photos with, and how it is asked from another process."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from onnx_graphs import saying
from seen_shelf import SHELF
from small_shop import painted

from bentos.detector_client import RemoteDetector, Shrunk
from bentos.reader_client import ReadWord, read_remotely
from photosearch.assembly_perception import seeing_of
from photosearch.assembly_serving import load_served_detector, load_served_reader
from photosearch.errors import BadArtifact, BadParams, EncoderUnavailable
from photosearch.home import Home
from photosearch.perception.detector import Found
from photosearch.perception.reader import Doubt, Word
from photosearch.perception_settings import DetectorParams, OcrParams
from photosearch.search.seeing import read_seeing, write_seeing

OCR = OcrParams(reader="rapidocr", side_px=640, confidence_min=0.5, threads=1)
DETECTOR = DetectorParams(
    model="ours", file="", classes="", confidence_min=0.3, overlap_max=0.6, masks=False, threads=1
)


def test_a_release_carries_what_it_looks_at_photos_with(tmp_path: Path):
    assert read_seeing(tmp_path) is None
    assert load_served_detector_of(tmp_path) is None
    seeing, graph = seeing_of(DETECTOR, OCR, Home(tmp_path))
    write_seeing(tmp_path, seeing, graph=graph)
    assert read_seeing(tmp_path) == seeing
    less_sure = DETECTOR.model_copy(update={"confidence_min": 0.2})
    assert seeing_of(less_sure, OCR, Home(tmp_path))[0].id != seeing.id
    (tmp_path / "seeing" / "seeing.json").write_text("{}")
    with pytest.raises(BadArtifact, match="does not say how to look at photos"):
        read_seeing(tmp_path)


def test_without_a_detector_and_a_reader_a_release_says_so(tmp_path: Path):
    params, ocr = DETECTOR.model_copy(update={"model": "none"}), OCR.model_copy()
    seeing, graph = seeing_of(params, ocr.model_copy(update={"reader": "off"}), Home(tmp_path))
    assert (seeing.detector, graph) == (None, None)
    write_seeing(tmp_path, seeing, graph=graph)
    assert [path.name for path in (tmp_path / "seeing").iterdir()] == ["seeing.json"]
    assert load_served_detector_of(tmp_path) is None


def test_masks_are_refused_in_a_release(tmp_path: Path):
    with pytest.raises(BadParams, match="a search cuts boxes out with what is behind"):
        seeing_of(DETECTOR.model_copy(update={"masks": True}), OCR, Home(tmp_path))


def load_served_detector_of(folder: Path):
    from types import SimpleNamespace

    release = SimpleNamespace(folder=folder)
    if (seeing := read_seeing(folder)) is not None and seeing.ocr.reader == "off":
        assert load_served_reader(release) is None
    return load_served_detector(release)


def test_without_bf16_a_detector_is_served_by_onnxruntime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    seeing, graph = seeing_of(DETECTOR, OCR, Home(tmp_path))
    write_seeing(tmp_path, seeing, graph=graph)
    with caplog.at_level(logging.INFO):
        monkeypatch.setattr("photosearch.embedding.openvino_runtime.has_bf16", lambda: True)
        assert load_served_detector_of(tmp_path) is not None
        assert "OpenVINO" in caplog.text  # taken or refused, but tried
        caplog.clear()
        monkeypatch.setattr("photosearch.embedding.openvino_runtime.has_bf16", lambda: False)
        assert load_served_detector_of(tmp_path) is not None
        assert "OpenVINO" not in caplog.text


def test_what_bf16_does_to_others_boxes_nobody_measured_so_onnxruntime_serves_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr("photosearch.embedding.openvino_runtime.has_bf16", lambda: True)
    (tmp_path / "names").write_text("shoe\n")
    outputs = {
        "rtdetr": {"logits": np.zeros((1, 3, 1)), "pred_boxes": np.zeros((1, 3, 4))},
        "yolox": {"output": np.zeros((1, 84, 6))},
    }
    for model, said in outputs.items():
        arrays = {name: array.astype(np.float32) for name, array in said.items()}
        saying(tmp_path / f"{model}.onnx", arrays)
        theirs = DETECTOR.model_copy(
            update={"model": model, "file": f"{model}.onnx", "classes": "names"}
        )
        seeing, graph = seeing_of(theirs, OCR, Home(tmp_path))
        write_seeing(tmp_path, seeing, graph=graph)
        with caplog.at_level(logging.INFO):
            assert load_served_detector_of(tmp_path) is not None
    assert "OpenVINO" not in caplog.text


def test_a_remote_detector_finds_what_the_detector_finds(tmp_path: Path):
    unsure = DETECTOR.model_copy(update={"confidence_min": 0.02})
    seeing, graph = seeing_of(unsure, OCR, Home(tmp_path))
    write_seeing(tmp_path, seeing, graph=graph)
    here = load_served_detector_of(tmp_path)
    assert here is not None
    assert seeing.detector is not None
    sent: list[tuple[int, ...]] = []

    def find(photo: Shrunk) -> Callable[[], list[Found]]:
        assert photo.release == "r1"
        sent.append(photo.rgb.shape)
        return partial(here.find_on, photo.as_image(), photo.size)

    photo = painted((240, 240, 235), (200, 40, 40), (240, 240, 235), size=(700, 500))
    remote = RemoteDetector(seeing.detector, release="r1", find=find)
    found = [(thing.box, thing.confidence, thing.name) for thing in remote.look(photo)()]
    assert found == [(thing.box, thing.confidence, thing.name) for thing in here.find(photo)]
    assert found != []
    assert sent[0] == (320, 320, 3)


def test_a_detector_that_is_away_is_unavailable(tmp_path: Path):
    seeing, _ = seeing_of(DETECTOR, OCR, Home(tmp_path))
    assert seeing.detector is not None

    def away(*_: Shrunk) -> NoReturn:
        raise ConnectionResetError("gone")

    for find in (away, lambda _: away):
        with pytest.raises(EncoderUnavailable, match="The detector does not answer"):
            RemoteDetector(seeing.detector, release="r1", find=find).look(SHELF)()


def test_words_cross_the_wire_as_they_are():
    word = Word("KR-4821", 0.9, (1.0, 2.0, 3.0, 4.0), 2, (Doubt(3, "6", 0.4),))

    def read(photo: np.ndarray) -> list[ReadWord]:
        assert photo.tobytes() == b"the photo"
        return [ReadWord.model_validate_json(ReadWord.of(word).model_dump_json())]

    assert read_remotely(b"the photo", read) == [word]
