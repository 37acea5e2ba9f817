"""Writes the product detector as an ONNX graph with half-precision weights, and its card."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from photosearch.perception.half_weights import with_half_weights
from photosearch.report import save_report
from training.detector import Recipe
from training.detector_network import IMAGE_PX, Decoded, ProductNetwork

OUTPUTS = ["boxes", "confidences", "foreground"]


@dataclass(frozen=True, slots=True)
class Origin:
    """What a detector was made of, and how."""

    trained_on: str
    n_photos: int
    n_boxes: int
    recipe: Recipe
    commands: list[str]
    """That make it again."""


@dataclass(frozen=True, slots=True)
class DetectorCard:
    """Lies beside the graph as JSON."""

    sha256: str
    """Of the graph."""
    image_px: int
    n_parameters: int
    origin: Origin
    measured: dict[str, str]
    """What benchmarks found, written in by whoever ran them; empty at first."""


def export_detector(network: ProductNetwork, path: Path, origin: Origin) -> DetectorCard:
    """Writes the graph and, with the suffix .json, its card; the graph computes in float32."""
    content = _graph(network)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(content)
    partial.replace(path)
    card = DetectorCard(
        sha256=hashlib.sha256(content).hexdigest(),
        image_px=IMAGE_PX,
        n_parameters=sum(weights.numel() for weights in network.parameters()),
        origin=origin,
        measured={},
    )
    save_report(path.with_suffix(".json"), card)
    return card


def _graph(network: ProductNetwork) -> bytes:
    """The exported graph of one photo, as the bytes of its file."""
    photo = torch.zeros(1, 3, IMAGE_PX, IMAGE_PX)
    program = torch.onnx.export(
        Decoded(network).eval(),
        (photo,),
        input_names=["photos"],
        output_names=OUTPUTS,
        dynamo=True,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch.onnx.export gave no program.")
    return with_half_weights(program.model_proto.SerializeToString())
