"""A small model whose weights are drawn by numpy: the same in every version of torch."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from photosearch.embedding.backbones import new_small_tower, save_weights
from photosearch.embedding.head import build_head
from photosearch.embedding.model import HeadShape, Lineage, write_model

SIDE_PX = 96
HEAD = HeadShape("attention", 512, 64, [64, 32], width=32, tokens=4, heads=2)


def drawn_model(folder: Path, *, seed: int = 7) -> Path:
    """photosearch-small at 96 px (9 tokens, which 4 do not divide) with an attention head."""
    dice = np.random.default_rng(seed)
    tower, head = new_small_tower(folder / "tower", SIDE_PX), build_head(HEAD)
    for module in (tower, head):
        draw_weights(module, dice)
    save_weights(tower, folder / "tower")
    save_file(head.state_dict(), folder / "head.safetensors")
    write_model(
        folder / "model",
        tower=folder / "tower",
        head=HEAD,
        lineage=Lineage("d1", 0),
        head_weights=folder / "head.safetensors",
    )
    return folder / "model"


def draw_weights(module: torch.nn.Module, dice: np.random.Generator) -> None:
    """Matrices at the size that keeps signals alive, but not what all photos share."""
    for name, weight in sorted(module.state_dict().items()):
        if name.endswith("bias"):
            weight.zero_()
        elif weight.ndim >= 2:
            scale = np.sqrt(2 / weight[0].numel())
            drawn = dice.standard_normal(tuple(weight.shape)) * scale
            drawn -= drawn.mean(axis=tuple(range(1, weight.ndim)), keepdims=True)
            weight.copy_(torch.from_numpy(drawn.astype(np.float32)))


def drawn_photos(n: int = 4, *, seed: int = 1) -> list[Image.Image]:
    """Squares of chance colours, at the size that the tower sees."""
    squares = np.random.default_rng(seed).integers(0, 256, (n, 6, 6, 3), np.uint8)
    large = squares.repeat(SIDE_PX // 6, axis=1).repeat(SIDE_PX // 6, axis=2)
    return [Image.fromarray(one) for one in large]
