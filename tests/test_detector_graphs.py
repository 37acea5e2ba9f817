"""A detector's graph by two runtimes: the faster one serves as long as it says the same."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from photosearch.embedding.openvino_runtime import has_bf16
from photosearch.errors import BadArtifact
from photosearch.perception.detector import overlaps
from photosearch.perception.detector_graphs import by_onnxruntime, by_openvino
from photosearch.perception.onnx_detector import CLASSES_OF_OURS, OURS, OnnxDetector
from simulator.scenes import make_scene
from simulator.world import World
from tests.onnx_graphs import cancelling, determinant

bf16 = pytest.mark.skipif(not has_bf16(), reason="this processor has no bf16")


def detector(open_graph) -> OnnxDetector:
    return OnnxDetector(
        OURS, format_="ours", classes=CLASSES_OF_OURS, confidence_min=0.3, overlap_max=0.6,
        keep_masks=False, threads=1, open_graph=open_graph,
    )  # fmt: skip


@bf16
def test_our_detector_finds_the_same_things_in_bf16(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO):
        exact, fast = detector(by_onnxruntime), detector(by_openvino)
    assert "OpenVINO bf16, outputs" in caplog.text
    assert fast.seen_px == exact.seen_px
    world = World(402, 30)
    for number in range(6):
        photo = make_scene(world, number, cards=[number, number + 7]).image
        here, there = exact.find(photo), fast.find(photo)
        assert len(here) > 0
        shared = overlaps(np.array([one.box for one in here]), np.array([one.box for one in there]))
        assert shared.max(axis=1).min() > 0.9


@bf16
def test_threads_share_a_graph_in_bf16():
    graph = by_openvino(OURS, 1)
    width, height = graph.seen_px
    photos = [np.full((1, 3, height, width), light, np.float32) for light in range(0, 240, 20)]
    alone = [graph.run(photo)["confidences"] for photo in photos]
    with ThreadPoolExecutor(4) as pool:
        together = [outputs["confidences"] for outputs in pool.map(graph.run, photos)]
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


@bf16
@pytest.mark.parametrize(
    ("write", "told"),
    [(cancelling, "OpenVINO bf16 refused"), (determinant, "OpenVINO cannot run it")],
)
def test_a_graph_of_which_bf16_says_something_else_or_nothing_goes_on_in_fp32(
    write: Callable[..., Path], told: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    path = write(tmp_path / "d.onnx", side=60)
    with caplog.at_level(logging.WARNING):
        graph = by_openvino(path, 1)
    assert told in caplog.text
    photo = np.random.default_rng(2).uniform(0, 1, (1, 3, 60, 60)).astype(np.float32)
    exact = by_onnxruntime(path, 1).run(photo)
    assert np.array_equal(graph.run(photo)["confidences"], exact["confidences"])


@pytest.mark.parametrize("open_graph", [by_onnxruntime, by_openvino])
def test_what_is_no_graph_is_refused_by_both(tmp_path: Path, open_graph):
    with pytest.raises(BadArtifact, match="There is no detector"):
        open_graph(tmp_path / "gone.onnx", 1)
    (tmp_path / "d.onnx").write_bytes(b"no graph")
    with pytest.raises(BadArtifact, match="ONNX Runtime cannot load it"):
        open_graph(tmp_path / "d.onnx", 1)
