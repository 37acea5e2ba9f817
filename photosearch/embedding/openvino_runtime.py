"""Runs a graph with OpenVINO, in fp32, or in bf16 where the processor multiplies that faster."""

from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Literal

import numpy as np
import openvino
from numpy.typing import NDArray

from photosearch.embedding.graph import GRAPH, PIXELS, VECTORS, Lanes, Run, refuse_missing
from photosearch.embedding.runtime_choice import Precision
from photosearch.errors import BadArtifact

DEVICE = "CPU"
HINTS: dict[Precision, str] = {"fp32": "f32", "bf16": "bf16"}


def has_bf16() -> bool:
    """Whether OpenVINO has bf16 kernels for this processor (AVX-512 bf16 or AMX)."""
    return "BF16" in openvino.Core().get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")


def load_openvino(
    graph: Path,
    *,
    threads: int,
    precision: Precision,
    outputs: Sequence[str] = (VECTORS,),
) -> Run:
    """Loads the graph of a folder, to run one batch at a time by all threads.

    Args:
        graph: See graph.py.
        threads: Of one batch; 0 takes all cores.
        precision: In which matrices are multiplied; the vectors are float32 all the same.
        outputs: What is wanted of it; what only others need is cut off.

    Raises:
        BadArtifact: The file is damaged, its weights are not beside it, or it lacks an output.
    """
    return run_whole(read_openvino(graph, outputs), threads=threads, precision=precision)


def read_openvino(graph: Path, outputs: Sequence[str] = (VECTORS,)) -> openvino.Model:
    """Reads the graph of a folder, to be run in one way or more, which share its weights.

    Raises:
        BadArtifact: See `load_openvino`.
    """
    try:
        whole = openvino.Core().read_model(graph / GRAPH)
    except RuntimeError as error:
        raise BadArtifact(
            f"OpenVINO cannot load {graph / GRAPH}: {error}. Make the release again: "
            "`photosearch index`."
        ) from error
    refuse_missing(graph, outputs, has=[output.get_any_name() for output in whole.outputs])
    results = [whole.output(name).get_node() for name in outputs]
    return openvino.Model(results, whole.get_parameters())


def run_whole(model: openvino.Model, *, threads: int, precision: Precision) -> Run:
    """One batch at a time, by all threads; 0 takes all cores."""
    return _runs(_compiled(model, "LATENCY", threads, precision), n=1)


def run_in_lanes(model: openvino.Model, *, threads: int, precision: Precision) -> Lanes:
    """As many batches at a time as OpenVINO finds best for so many threads; 0 takes all cores."""
    compiled = _compiled(model, "THROUGHPUT", threads, precision)
    n = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
    return Lanes(_runs(compiled, n=n), n)


def _compiled(
    model: openvino.Model,
    hint: Literal["LATENCY", "THROUGHPUT"],
    threads: int,
    precision: Precision,
) -> openvino.CompiledModel:
    wanted: dict[str, str | int] = {
        "PERFORMANCE_HINT": hint,
        "INFERENCE_PRECISION_HINT": HINTS[precision],
    }
    if threads:
        wanted["INFERENCE_NUM_THREADS"] = threads
    try:
        return openvino.Core().compile_model(model, DEVICE, wanted)
    except RuntimeError as error:
        raise BadArtifact(
            f"OpenVINO cannot run a graph that it has read: {error}. Make the release again: "
            "`photosearch index`."
        ) from error


def _runs(compiled: openvino.CompiledModel, *, n: int) -> Run:
    """`n` at once; who comes while all are under way waits, as each refuses a second batch."""
    names = [output.get_any_name() for output in compiled.outputs]
    free: SimpleQueue[openvino.InferRequest] = SimpleQueue()
    for _ in range(n):
        free.put(compiled.create_infer_request())

    def run(pixels: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        request = free.get()
        try:
            request.infer({PIXELS: pixels})
            # they are reused: copy
            return [np.array(request.get_tensor(name).data, np.float32) for name in names]
        finally:
            free.put(request)

    return run
