"""Runs a model artifact with torch: the Embedder of batch work and of serving."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from photosearch.embedding.backbones import PHOTOS_A_BATCH, OpenClipTower
from photosearch.embedding.embedder import Vectors, unit
from photosearch.embedding.head import build_head
from photosearch.embedding.model import (
    HEAD_WEIGHTS,
    TOWER,
    ModelManifest,
    mean_pooling_of,
    read_model,
)
from photosearch.embedding.torch_device import choose_device
from photosearch.errors import BadArtifact


class TorchEmbedder:
    """Tower and head of a model folder in memory; see the Embedder protocol."""

    def __init__(self, folder: Path, *, is_baseline: bool = False) -> None:
        """Loads a model; `is_baseline` takes mean pooling in place of its head, to compare."""
        manifest = read_model(folder)
        shape = mean_pooling_of(manifest.head) if is_baseline else manifest.head
        self.model_id = f"{manifest.model_id}-mean" if is_baseline else manifest.model_id
        self.lengths = tuple(shape.lengths)
        self._tower = OpenClipTower(folder / TOWER, pool=shape.pool)
        self._head = build_head(shape).eval() if is_baseline else load_head(folder, manifest)
        if self._tower.tower_id != manifest.tower_id:
            raise BadArtifact(
                f"{folder} says tower {manifest.tower_id} but holds {self._tower.tower_id}: it was "
                "changed after it was made. Run `photosearch train` to make it again."
            )

    def embed(self, photos: Sequence[Image.Image]) -> Vectors:
        parts = [
            pool_tokens(self._head, self._tower.tokens(photos[start : start + PHOTOS_A_BATCH]))
            for start in range(0, len(photos), PHOTOS_A_BATCH)
        ]
        return np.concatenate(parts) if parts else np.empty((0, self.lengths[0]), np.float32)


def load_head(folder: Path, manifest: ModelManifest) -> nn.Module:
    """The head of a model folder, ready for inference; raises BadArtifact if weights do not fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    head = build_head(manifest.head).eval()
    if manifest.head.kind == "mean":
        return head
    try:
        weights = load_file(folder / HEAD_WEIGHTS)
        weights.setdefault("skip.bias", torch.zeros(manifest.head.out))  # older heads had none
        head.load_state_dict(weights)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise BadArtifact(
            f"{folder / HEAD_WEIGHTS} does not fit {manifest.head}: {error}. Train it again."
        ) from error
    return head.to(choose_device().name)


def pool_tokens(head: nn.Module, tokens: Vectors) -> Vectors:
    """Unit vectors from patch tokens, (n, T, D) -> (n, out); in fp32, the head is small."""
    with torch.inference_mode():
        pooled = head(torch.from_numpy(tokens).to(choose_device().name))
    return unit(pooled.float().cpu().numpy())
