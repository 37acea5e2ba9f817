"""Tiny ONNX graphs that take a photo and say what a test wants them to say."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper


def saying(
    path: Path,
    outputs: dict[str, NDArray[np.float32]],
    *,
    shape: tuple[int | str, ...] = (1, 3, 64, 64),
    input_type: int = TensorProto.FLOAT,
) -> Path:
    """Writes a graph that gives these outputs, whatever photo it sees."""
    nodes = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array, name))
        for name, array in outputs.items()
    ]
    told = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    photo = helper.make_tensor_value_info("photo", input_type, shape)
    return _write(path, helper.make_graph(nodes, "saying", [photo], told))


def finding_bright(path: Path, *, side: int) -> Path:
    """Writes a graph of the format `ours`: one box over the upper left quarter, as sure as that
    quarter is red, and the foreground is where the photo is red."""
    box = np.array([[[0, 0, 0.5, 0.5]]], np.float32)
    parts = {
        "starts": np.array([0, 0, 0, 0], np.int64),
        "ends": np.array([1, 1, side // 2, side // 2], np.int64),
        "red_ends": np.array([1, 1, side, side], np.int64),
        "full": np.array(255, np.float32),
        "row": np.array([1, 1], np.int64),
        "map": np.array([1, side, side], np.int64),
    }
    nodes = [
        helper.make_node("Constant", [], ["boxes"], value=numpy_helper.from_array(box)),
        helper.make_node("Slice", ["photo", "starts", "ends"], ["quarter"]),
        helper.make_node("ReduceMean", ["quarter"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "full"], ["sure"]),
        helper.make_node("Reshape", ["sure", "row"], ["confidences"]),
        helper.make_node("Slice", ["photo", "starts", "red_ends"], ["red"]),
        helper.make_node("Div", ["red", "full"], ["reds"]),
        helper.make_node("Reshape", ["reds", "map"], ["foreground"]),
    ]
    photo = helper.make_tensor_value_info("photo", TensorProto.FLOAT, (1, 3, side, side))
    told = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for name in ("boxes", "confidences", "foreground")
    ]
    weights = [numpy_helper.from_array(array, name) for name, array in parts.items()]
    return _write(path, helper.make_graph(nodes, "bright", [photo], told, weights))


def cancelling(path: Path, *, side: int) -> Path:
    """Writes a graph whose numbers are what is left of large ones: no two precisions agree."""
    weights = np.random.default_rng(3).normal(0, 50, (16, 3, 8, 8)).astype(np.float32)
    parts = {"full": np.array(255, np.float32), "weights": weights}
    nodes = [
        helper.make_node("Div", ["photo", "full"], ["shares"]),
        helper.make_node("Conv", ["shares", "weights"], ["confidences"], strides=[8, 8]),
    ]
    photo = helper.make_tensor_value_info("photo", TensorProto.FLOAT, (1, 3, side, side))
    told = [helper.make_tensor_value_info("confidences", TensorProto.FLOAT, None)]
    kept = [numpy_helper.from_array(array, name) for name, array in parts.items()]
    return _write(path, helper.make_graph(nodes, "cancelling", [photo], told, kept))


def determinant(path: Path, *, side: int) -> Path:
    """Writes a graph with a node that OpenVINO does not know."""
    photo = helper.make_tensor_value_info("photo", TensorProto.FLOAT, (1, 3, side, side))
    told = [helper.make_tensor_value_info("confidences", TensorProto.FLOAT, None)]
    nodes = [helper.make_node("Det", ["photo"], ["confidences"])]
    return _write(path, helper.make_graph(nodes, "determinant", [photo], told))


def _write(path: Path, graph: onnx.GraphProto) -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    path.write_bytes(model.SerializeToString())
    return path
