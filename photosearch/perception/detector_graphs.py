"""A detector's graph from an ONNX file, running; knows not what its numbers mean.

By ONNX Runtime in fp32, or by OpenVINO in bf16: a third of the time, on processors that have it.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from photosearch.errors import BadArtifact

Outputs = dict[str, NDArray[np.float32]]
"""Of one photo, by name, in the graph's order."""
SIDE_PX = 640
"""For graphs that take any size: what RT-DETR, D-FINE and YOLOX are trained at."""
MOST_APART = 0.005
"""Mean distance of outputs, which are shares of 1, in bf16 and in fp32; our detector's is .0007."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DetectorGraph:
    seen_px: tuple[int, int]
    """Width and height that it takes."""
    run: Callable[[NDArray[np.float32]], Outputs]
    """(1, 3, height, width) -> outputs; raises one of RUNTIME_ERRORS. For several threads."""


OpenGraph = Callable[[Path, int], DetectorGraph]
"""The .onnx file, threads for one photo -> the graph; raises BadArtifact where it is none."""

RUNTIME_ERRORS = (
    *(ort.capi.onnxruntime_pybind11_state.Fail, ort.capi.onnxruntime_pybind11_state.InvalidGraph),
    ort.capi.onnxruntime_pybind11_state.InvalidProtobuf,
    ort.capi.onnxruntime_pybind11_state.InvalidArgument,
    ort.capi.onnxruntime_pybind11_state.NotImplemented,
    ort.capi.onnxruntime_pybind11_state.RuntimeException,
    RuntimeError,
)  # they have no common base but Exception


def by_onnxruntime(path: Path, threads: int) -> DetectorGraph:
    """In fp32; see OpenGraph."""
    if not path.is_file():
        raise BadArtifact(f"There is no detector {path}. Correct `detector.file` in params.yaml.")
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4  # what goes wrong is raised as well
    try:
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except RUNTIME_ERRORS as error:
        raise wrong_detector(path, f"ONNX Runtime cannot load it ({error})") from None
    photo, seen_px = _input_of(session, path)
    names = [output.name for output in session.get_outputs()]

    def run(pixels: NDArray[np.float32]) -> Outputs:
        return dict(zip(names, session.run(names, {photo: pixels}), strict=True))

    return DetectorGraph(seen_px, run)


def by_openvino(path: Path, threads: int) -> DetectorGraph:
    """In bf16, or as `by_onnxruntime` where that fails or says something else; see OpenGraph.

    For graphs whose outputs are all shares of 1, as those of the format `ours` are.
    """
    exact = by_onnxruntime(path, threads)
    width, height = exact.seen_px
    blocks = np.random.default_rng(1).integers(0, 256, (1, 3, -(-height // 8), -(-width // 8)))
    pixels = np.kron(blocks, np.ones((8, 8)))[..., :height, :width].astype(np.float32)
    try:
        run = _in_bf16(path, threads)
        expected, said = exact.run(pixels), run(pixels)
        apart = float(np.max([np.abs(expected[n] - said[n]).mean() for n in expected]))
    except (*RUNTIME_ERRORS, KeyError, ValueError) as error:
        log.warning("detector %s: OpenVINO cannot run it (%s)", path.name, error)
        return exact
    if not apart <= MOST_APART:  # NaN is refused too
        log.warning(
            "detector %s: OpenVINO bf16 refused, its outputs are %.4f from those of ONNX Runtime, "
            "%g are allowed", path.name, apart, MOST_APART,
        )  # fmt: skip
        return exact
    log.info("detector %s: OpenVINO bf16, outputs %.4f apart", path.name, apart)
    return replace(exact, run=run)


def wrong_detector(path: Path, why: str) -> BadArtifact:
    """The error for a file that is no detector of its format."""
    return BadArtifact(
        f"{path} cannot be used as a detector: {why}. Export it again as docs/operations.md says, "
        "and name its format in `detector.model` of params.yaml."
    )


def _in_bf16(path: Path, threads: int) -> Callable[[NDArray[np.float32]], Outputs]:
    import openvino

    wanted = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16",
        "INFERENCE_NUM_THREADS": threads,
    }
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(path), "CPU", wanted)
    names = [output.get_any_name() for output in compiled.outputs]
    request, one_at_a_time = compiled.create_infer_request(), Lock()

    def run(pixels: NDArray[np.float32]) -> Outputs:
        with one_at_a_time:  # a request that is under way refuses a second one
            request.infer([pixels])
            # they are reused: copy
            return {name: np.array(request.get_tensor(name).data, np.float32) for name in names}

    return run


def _input_of(session: ort.InferenceSession, path: Path) -> tuple[str, tuple[int, int]]:
    """Name of the one input, and the width and height that it takes."""
    inputs = session.get_inputs()
    shapes = {each.name: (each.type, each.shape) for each in inputs}
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
        raise wrong_detector(path, f"its inputs are {shapes}, not one float32 photo")
    height, width = (side if isinstance(side, int) else SIDE_PX for side in inputs[0].shape[2:])
    return inputs[0].name, (width, height)
