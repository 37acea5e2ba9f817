"""The runtime of a graph: the fastest that agrees is chosen, and the log says why."""

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import drawn_graph
import numpy as np
import pytest
from drawn_graph import PHOTOS

from photosearch.assembly_serving import asked_for, graph_runtimes
from photosearch.embedding.graph import GraphEmbedder, Lanes, Run, agreement, read_golden
from photosearch.embedding.onnx_runtime import load_onnx
from photosearch.embedding.openvino_runtime import read_openvino, run_in_lanes
from photosearch.embedding.runtime_choice import (
    MIN_COSINE,
    Runtime,
    Trial,
    as_table,
    choose,
    load_fastest,
)
from photosearch.errors import BadParams, GraphDisagrees

model = drawn_graph.model
graph = drawn_graph.graph


def trial(name: str, ms: float, cosine: float) -> Trial:
    return Trial(name, "bf16" if "bf16" in name else "fp32", cosine, {1: ms, 8: ms / 2})


def test_the_fastest_runtime_that_agrees_is_chosen_and_the_reason_names_the_others():
    trials = [trial("a", 9.0, 1.0), trial("b bf16", 4.0, 0.996), trial("c", 2.0, 0.998)]
    number, reason = choose(trials)
    assert number == 1
    assert "fastest here of those that agree with PyTorch" in reason
    assert (
        "c fp32, 2.0 ms a photo, refused: cosine 0.99800 to PyTorch, 0.999 is the least" in reason
    )
    assert "| b bf16 | bf16 | all cores | 4.00 | 2.00 | 0.99600 | 0.995 |" in as_table(
        trials, threads=0
    )


def test_where_no_runtime_agrees_nothing_serves():
    with pytest.raises(GraphDisagrees, match=r"run by a makes .* cosine of only 0.5000"):
        choose([trial("a", 1.0, 0.5), trial("b", 1.0, float("-inf"))])
    assert not trial("a", 1.0, float("nan")).agrees


def test_a_runtime_that_disagrees_is_refused_aloud_though_it_is_the_fastest(
    model: Path, graph: Path, caplog: pytest.LogCaptureFixture
):
    def broken() -> Run:
        return lambda pixels: [np.ones((len(pixels), 64), np.float32)]

    golden = read_golden(graph, model=model)
    runtimes = [
        Runtime("broken", "fp32", broken),
        Runtime("onnxruntime", "fp32", lambda: load_onnx(graph, threads=1)),
    ]
    with caplog.at_level(logging.INFO):
        embedder = load_fastest(runtimes, model, golden)
    assert agreement(golden, embedder.embed(PHOTOS)) >= MIN_COSINE["fp32"]
    assert "runtime broken fp32" in caplog.text
    assert "refused: cosine" in caplog.text
    assert "runtime onnxruntime fp32" in caplog.text
    with pytest.raises(GraphDisagrees, match="photosearch models bench"):
        load_fastest(runtimes[:1], model, golden)


def test_photos_beside_others_are_run_in_lanes_and_else_by_all_of_the_graph(
    model: Path, graph: Path
):
    ran = list[tuple[str, int]]()
    run = load_onnx(graph, threads=1)

    def noting(how: str) -> Run:
        def noted(pixels: np.ndarray) -> list[np.ndarray]:
            ran.append((how, len(pixels)))
            return run(pixels)

        return noted

    golden = read_golden(graph, model=model)
    runtime = Runtime("both", "fp32", lambda: noting("whole"), lambda: Lanes(noting("lane"), 2))
    embedder = load_fastest([runtime], model, golden)
    assert embedder.n_lanes == 2
    ran.clear()
    embedder.embed(PHOTOS[:2])
    embedder.embed(PHOTOS[:3], beside=True)
    assert ran == [("whole", 2), ("lane", 3)]


def test_lanes_that_disagree_are_refused_aloud(
    model: Path, graph: Path, caplog: pytest.LogCaptureFixture
):
    wrong = Lanes(lambda pixels: [np.ones((len(pixels), 64), np.float32)], 2)
    runtime = Runtime("onnxruntime", "fp32", lambda: load_onnx(graph, threads=1), lambda: wrong)
    golden = read_golden(graph, model=model)
    embedder = load_fastest([runtime], model, golden)
    assert agreement(golden, embedder.embed(PHOTOS, beside=True)) >= MIN_COSINE["fp32"]
    assert embedder.n_lanes == 1
    assert "runtime onnxruntime fp32 in 2 lanes refused: cosine" in caplog.text


def test_openvino_is_asked_by_more_threads_than_it_has_lanes(model: Path, graph: Path):
    golden = read_golden(graph, model=model)
    lanes = run_in_lanes(read_openvino(graph), threads=2, precision="fp32")
    embedder = GraphEmbedder(model, load_onnx(graph, threads=1), lanes)
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: embedder.embed(PHOTOS, beside=True), range(40)))
    assert min(agreement(golden, vectors) for vectors in made) >= MIN_COSINE["fp32"]


def test_the_runtime_that_was_asked_for_runs_alone():
    def never() -> Run:
        raise AssertionError

    here = [Runtime("onnxruntime", "fp32", never), Runtime("openvino", "fp32", never)]
    assert asked_for("fastest", here) == here
    assert asked_for("openvino fp32", here) == here[1:]
    said = r"is 'openvino bf16', and this machine has onnxruntime fp32, openvino fp32\. Name one"
    with pytest.raises(BadParams, match=said):
        asked_for("openvino bf16", here)


def test_two_starts_by_the_same_runtime_make_the_same_vectors(model: Path, graph: Path):
    golden = read_golden(graph, model=model)
    only = asked_for("openvino fp32", graph_runtimes(graph, 1))
    first, second = (load_fastest(only, model, golden).embed(PHOTOS) for _ in range(2))
    assert np.array_equal(first, second)
