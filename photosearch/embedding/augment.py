"""Random views of photos, a batch at a time: crop, turn, mirror, light, colour, erased patch.

Knows nothing of models; runs on uint8 tensors, so that augmenting costs a tenth of a training step.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

SAMPLES = 2
"""Samples a pixel in each direction: photos are up to twice as large as their views."""


@dataclass(frozen=True, slots=True)
class Strength:
    """How far a view may move from the photo."""

    area_min: float
    """Smallest share of the photo that a crop keeps, in (0, 1]."""
    turn_degrees: float = 20.0
    light: float = 0.3
    """Brightness, contrast and saturation are scaled by 1 - light to 1 + light."""
    erase_probability: float = 0.25


def random_views(pixels: Tensor, side_px: int, *, strength: Strength, seed: int) -> Tensor:
    """Makes one random view of each photo.

    Numbers are drawn on the CPU, so that a device changes no view, and moved to the photos.

    Args:
        pixels: (B, 3, H, W) uint8, on any device.
        side_px: Side of the square views.
        strength: How far views may move.
        seed: Equal seeds give equal views.

    Returns:
        (B, 3, side_px, side_px) float32 in [0, 1], on the device of `pixels`.
    """
    random = torch.Generator().manual_seed(seed)
    views = _moved(pixels.float() / 255, side_px, strength, random)
    views = _relit(views, strength.light, random).clamp(0, 1)
    return _erased(views, strength.erase_probability, random)


def _uniform(random: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return torch.empty(shape).uniform_(low, high, generator=random)


def _moved(pixels: Tensor, side_px: int, strength: Strength, random: torch.Generator) -> Tensor:
    """Crops, squeezes, turns and mirrors in one resampling."""
    n = len(pixels)
    area = _uniform(random, strength.area_min, 1.0, n)
    aspect = torch.exp(_uniform(random, -0.29, 0.29, n))  # 3:4 to 4:3, as in Inception crops
    scale_x, scale_y = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    shift_x = _uniform(random, -1, 1, n) * (1 - scale_x)
    shift_y = _uniform(random, -1, 1, n) * (1 - scale_y)
    turn = _uniform(random, -1, 1, n) * math.radians(strength.turn_degrees)
    mirror = torch.where(_uniform(random, 0, 1, n) < 0.5, -1.0, 1.0)
    cos, sin = turn.cos(), turn.sin()
    first = torch.stack([scale_x * cos * mirror, -scale_y * sin, shift_x], dim=1)
    second = torch.stack([scale_x * sin * mirror, scale_y * cos, shift_y], dim=1)
    fine_px = SAMPLES * side_px
    moves = torch.stack([first, second], dim=1).to(pixels.device)
    grid = F.affine_grid(moves, [n, 3, fine_px, fine_px], align_corners=False)
    fine = F.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)
    return F.avg_pool2d(fine, SAMPLES)


def _relit(views: Tensor, light: float, random: torch.Generator) -> Tensor:
    """Scales brightness, contrast, saturation, and each colour channel a little."""
    n = len(views)
    brightness, contrast, saturation = (
        _uniform(random, 1 - light, 1 + light, n, 1, 1, 1).to(views.device) for _ in range(3)
    )
    colour = _uniform(random, 0.9, 1.1, n, 3, 1, 1).to(views.device)
    views = views * brightness
    mean = views.mean((2, 3), keepdim=True)
    views = mean + (views - mean) * contrast
    grey = views.mean(1, keepdim=True)
    return (grey + (views - grey) * saturation) * colour


def _erased(views: Tensor, probability: float, random: torch.Generator) -> Tensor:
    """Paints a rectangle of one colour over some views: a hand, a price tag, a finger."""
    side_px = views.shape[-1]
    chosen = (_uniform(random, 0, 1, len(views)) < probability).nonzero().flatten().tolist()
    for row in chosen:
        height, width = (_uniform(random, 0.15, 0.4, 2) * side_px).int().tolist()
        top, left = (
            (_uniform(random, 0, 1, 2) * torch.tensor([side_px - height, side_px - width]))
            .int()
            .tolist()
        )
        colour = _uniform(random, 0, 1, 3, 1, 1).to(views.device)
        views[row, :, top : top + height, left : left + width] = colour
    return views
