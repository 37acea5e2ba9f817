"""Runs a graph with ONNX Runtime, in fp32: its CPU kernels have no faster bf16."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from photosearch.embedding.graph import GRAPH, PIXELS, VECTORS, Run, refuse_missing
from photosearch.errors import BadArtifact


def load_onnx(graph: Path, *, threads: int, outputs: Sequence[str] = (VECTORS,)) -> Run:
    """Loads the graph of a folder.

    Args:
        graph: See graph.py.
        threads: Of one batch; 0 takes all cores.
        outputs: What is wanted of it; what only others need is not computed.

    Raises:
        BadArtifact: The file is damaged, its weights are not beside it, or it lacks an output.
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

    refuse_missing(graph, outputs, has=[output.name for output in session.get_outputs()])
    how = onnxruntime.RunOptions()
    how.only_execute_path_to_fetches = True

    def run(pixels: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        made = session.run(list(outputs), {PIXELS: pixels}, how)
        return [np.asarray(output, np.float32) for output in made]

    return run
