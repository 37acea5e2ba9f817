"""Makes a model folder one graph for serving, and proves it against PyTorch; needs torch."""

import contextlib
import io
import logging
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from photosearch.embedding.backbones import load_open_clip, patch_tokens, pooled_patches
from photosearch.embedding.graph import (
    GRAPH,
    PHOTOS_A_BATCH,
    PIXELS,
    SIGHT,
    VECTORS,
    Golden,
    GraphEmbedder,
    Run,
    agreement,
    write_golden,
)
from photosearch.embedding.head import AttentionHead
from photosearch.embedding.model import TOWER, read_model
from photosearch.embedding.onnx_runtime import load_onnx
from photosearch.embedding.runtime_choice import MIN_COSINE, Precision
from photosearch.embedding.torch_runtime import load_head
from photosearch.errors import GraphDisagrees

log = logging.getLogger(__name__)

ONE_FILE_BYTES = 1_000_000_000
"""Larger weights lie beside the graph: a protobuf file ends at 2^31 bytes."""


@dataclass(frozen=True, slots=True)
class GraphReport:
    model_id: str
    graph: str
    size_mb: float
    """All files of the graph, in 10^6 bytes."""
    golden_photos: int
    min_cosine: float
    """Of ONNX Runtime's vectors to PyTorch's, both in fp32."""
    seconds: float


class ServedModel(nn.Module):
    """Tower and head as serving needs them: no text side, no pooled vector of the tower."""

    def __init__(self, model: Path) -> None:
        super().__init__()
        manifest = read_model(model)
        self.visual = load_open_clip(model / TOWER).visual
        self.head = load_head(model, manifest).cpu()
        self.pool = manifest.head.pool

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what `forward` gives."""
        return SIGHT if isinstance(self.head, AttentionHead) else (VECTORS,)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, image_px, image_px) -> (B, out), not normalised; by attention, all of a Sight."""
        tokens = self.tokens(pixels)
        vectors: Tensor = self.head(tokens)
        if not isinstance(self.head, AttentionHead):
            return (vectors,)
        return vectors, *self.head.sight(tokens)

    def tokens(self, pixels: Tensor) -> Tensor:
        """What the head gets, (B, T, D)."""
        return pooled_patches(patch_tokens(self.visual, pixels), self.pool)


def export_graph(model: Path, graph: Path, photos: Sequence[Image.Image]) -> GraphReport:
    """Writes graph and golden vectors of a model folder.

    Args:
        model: A model folder.
        graph: The folder to write; golden.npz comes last.
        photos: RGB photos that become the golden ones, at least one.

    Raises:
        BadArtifact: The model is incomplete.
        GraphDisagrees: The graph makes other vectors than the model.
    """
    started = time.monotonic()
    graph.mkdir(parents=True, exist_ok=True)
    golden = golden_vectors(model, photos)
    served = ServedModel(model).eval()
    _write_graph(served, graph / GRAPH, served.outputs, image_px=golden.pixels.shape[1])
    embedder = GraphEmbedder(model, load_onnx(graph, threads=1))
    cosine = agreement(golden, embedder.embed_pixels(golden.pixels))
    if not cosine >= MIN_COSINE["fp32"]:  # a NaN is no agreement
        raise GraphDisagrees(model.name, cosine, MIN_COSINE["fp32"])
    write_golden(graph, replace(golden, outputs=served.outputs))
    size = sum(path.stat().st_size for path in graph.iterdir())
    report = GraphReport(
        model_id=golden.model_id,
        graph=str(graph),
        size_mb=round(size / 1e6, 1),
        golden_photos=len(photos),
        min_cosine=round(cosine, 6),
        seconds=round(time.monotonic() - started, 1),
    )
    log.info("graph of model %s: %.1f MB, cosine to PyTorch at least %.6f on %d photos, %.1f s",
             report.model_id, report.size_mb, cosine, len(photos), report.seconds)  # fmt: skip
    return report


def golden_vectors(model: Path, photos: Sequence[Image.Image]) -> Golden:
    """What PyTorch makes of photos in fp32, on the processor."""
    embedder = GraphEmbedder(model, load_torch(model, precision="fp32"))
    pixels = np.stack([embedder.preprocessing.pixels(photo) for photo in photos])
    parts = [
        embedder.embed_pixels(pixels[start : start + PHOTOS_A_BATCH])
        for start in range(0, len(pixels), PHOTOS_A_BATCH)
    ]
    return Golden(embedder.model_id, pixels, np.concatenate(parts))


def load_torch(model: Path, *, precision: Precision) -> Run:
    """The model without a graph, to compare with; bf16 in the tower only, as in TorchEmbedder."""
    served = ServedModel(model).eval()
    served.visual.to(memory_format=torch.channels_last)

    def run(pixels: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        with torch.inference_mode():
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                tokens = served.tokens(torch.from_numpy(pixels))
            return [served.head(tokens.float()).numpy()]

    return run


def _write_graph(served: nn.Module, path: Path, outputs: Sequence[str], *, image_px: int) -> None:
    blank = torch.zeros(2, 3, image_px, image_px)  # of two: one would become a constant
    with (
        torch.no_grad(),
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),  # it prints its progress
    ):
        warnings.simplefilter("ignore")  # deprecations inside torch, and none is ours to mend
        program = torch.onnx.export(
            served,
            (blank,),
            dynamo=True,
            input_names=[PIXELS],
            output_names=list(outputs),
            dynamic_shapes={PIXELS: {0: torch.export.Dim("n_photos")}},
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned nothing: was dynamo=True dropped?")
    _forget_origin(program.model)
    weights = sum(weight.nbytes for weight in served.state_dict().values())
    program.save(path, external_data=weights > ONE_FILE_BYTES)


def _forget_origin(model: Any) -> None:
    """Drops stack traces and paths of this machine from an onnx_ir model: equal bytes anywhere."""
    model.metadata_props.clear()
    model.graph.metadata_props.clear()
    model.graph.doc_string = None
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
    for value in [*model.graph.inputs, *model.graph.outputs]:
        value.metadata_props.clear()
