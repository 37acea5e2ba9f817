"""Runs a graph with ONNX Runtime, in fp32: its CPU kernels have no faster bf16."""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from photosearch.embedding.graph import GRAPH, PIXELS, VECTORS, Run
from photosearch.errors import BadArtifact


def load_onnx(graph: Path, *, threads: int) -> Run:
    """Loads the graph of a folder.

    Args:
        graph: See graph.py.
        threads: Of one batch; 0 takes all cores.

    Raises:
        BadArtifact: The file is damaged, or its weights are not beside it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; it warns of devices that a machine does not have
    try:
        session = onnxruntime.InferenceSession(
            graph / GRAPH, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its errors have no common class but this one
        raise BadArtifact(
            f"ONNX Runtime cannot load {graph / GRAPH}: {error}. Make the release again: "
            "`photosearch index`."
        ) from error

    def run(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        (vectors,) = session.run([VECTORS], {PIXELS: pixels})
        return np.asarray(vectors, np.float32)

    return run
