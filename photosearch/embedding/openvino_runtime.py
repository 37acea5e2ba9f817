"""Runs a graph with OpenVINO, in fp32, or in bf16 where the processor multiplies that faster."""

from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Literal

import numpy as np
import openvino
from numpy.typing import NDArray

from photosearch.embedding.graph import GRAPH, PIXELS, VECTORS, Lanes, Run, refuse_missing
from photosearch.errors import BadArtifact

DEVICE = "CPU"
HINTS = {"fp32": "f32", "bf16": "bf16"}


def has_bf16() -> bool:
    """Whether OpenVINO has bf16 kernels for this processor (AVX-512 bf16 or AMX)."""
    return "BF16" in openvino.Core().get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")


def load_openvino(
    graph: Path,
    *,
    threads: int,
    precision: Literal["fp32", "bf16"],
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
    return _runs(_compiled(graph, "LATENCY", threads, precision, outputs), outputs, n=1)


def load_openvino_lanes(
    graph: Path,
    *,
    threads: int,
    precision: Literal["fp32", "bf16"],
    outputs: Sequence[str] = (VECTORS,),
) -> Lanes:
    """The same, to run as many batches at a time as OpenVINO finds best for so many threads."""
    compiled = _compiled(graph, "THROUGHPUT", threads, precision, outputs)
    n = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
    return Lanes(_runs(compiled, outputs, n=n), n)


def _compiled(
    graph: Path,
    hint: Literal["LATENCY", "THROUGHPUT"],
    threads: int,
    precision: Literal["fp32", "bf16"],
    outputs: Sequence[str],
) -> openvino.CompiledModel:
    wanted: dict[str, str | int] = {
        "PERFORMANCE_HINT": hint,
        "INFERENCE_PRECISION_HINT": HINTS[precision],
    }
    if threads:
        wanted["INFERENCE_NUM_THREADS"] = threads
    try:
        core = openvino.Core()
        whole = core.read_model(graph / GRAPH)
        refuse_missing(graph, outputs, has=[output.get_any_name() for output in whole.outputs])
        results = [whole.output(name).get_node() for name in outputs]
        return core.compile_model(openvino.Model(results, whole.get_parameters()), DEVICE, wanted)
    except RuntimeError as error:
        raise BadArtifact(
            f"OpenVINO cannot load {graph / GRAPH}: {error}. Make the release again: "
            "`photosearch index`."
        ) from error


def _runs(compiled: openvino.CompiledModel, outputs: Sequence[str], *, n: int) -> Run:
    """`n` at once; who comes while all are under way waits, as each refuses a second batch."""
    free: SimpleQueue[openvino.InferRequest] = SimpleQueue()
    for _ in range(n):
        free.put(compiled.create_infer_request())

    def run(pixels: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        request = free.get()
        try:
            request.infer({PIXELS: pixels})
            # they are reused: copy
            return [np.array(request.get_tensor(name).data, np.float32) for name in outputs]
        finally:
            free.put(request)

    return run
