"""Trains our own product detector from boxes and writes it as an ONNX graph."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR

from photosearch.embedding.torch_device import Device, autocast, choose_device
from photosearch.progress import track
from training.boxed_photos import UNKNOWN, BoxedPhoto, BoxedPixels, read_pixels
from training.detector_losses import detector_loss, targets_of
from training.detector_network import IMAGE_PX, MASK_STRIDE, STRIDE, ProductNetwork

log = logging.getLogger(__name__)

READ_PX = 384
"""Photos are kept a little larger than the network sees them, for it sees parts of them."""
MAX_GRADIENT = 10.0


@dataclass(frozen=True, slots=True)
class Stage:
    """Some passes over all photos at one size."""

    image_px: int
    epochs: int
    learning_rate: float


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the network is trained; kept beside its weights.

    Most is learnt on small photos, which takes half the time; the last passes are at the size in
    use.
    """

    stages: tuple[Stage, ...] = (Stage(224, 12, 0.003), Stage(IMAGE_PX, 6, 0.0015))
    batch: int = 16
    weight_decay: float = 0.05
    smallest_part: float = 0.65
    """Of a photo's side that a view shows; each side has its own, so products are also squeezed."""
    light: float = 0.3
    """Brightness is scaled by 1 - light to 1 + light, each colour by a third of that."""
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Views:
    """A batch as the network sees it."""

    pixels: Tensor
    """(B, 3, side, side) in 0..255."""
    masks: Tensor
    """(B, H, W) in [0, 1]; negative where nobody knows."""
    boxes: Tensor
    """(n, 4) in shares of the view."""
    photos: Tensor
    """(n,) place in the batch."""


def train_detector(photos: Sequence[BoxedPhoto], recipe: Recipe) -> ProductNetwork:
    """Trains a network from scratch; equal photos and recipe give the same one on one machine.

    Raises:
        BadPhoto: A photo cannot be read.
    """
    device = choose_device()
    kept = read_pixels(photos, side_px=READ_PX)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = ProductNetwork()
    network.to(device.name, memory_format=torch.channels_last)  # type: ignore[call-overload]
    for number, stage in enumerate(recipe.stages):
        _run(network, kept, stage, recipe, np.random.default_rng((recipe.seed, number)))
    return network.cpu().eval()


def _run(
    network: ProductNetwork,
    kept: BoxedPixels,
    stage: Stage,
    recipe: Recipe,
    rng: np.random.Generator,
) -> None:
    """Trains the network in place for one stage."""
    device = choose_device()
    optimizer = torch.optim.AdamW(
        network.parameters(), stage.learning_rate, weight_decay=recipe.weight_decay
    )
    n_steps = stage.epochs * max(1, len(kept.boxes) // recipe.batch)
    pace = OneCycleLR(optimizer, stage.learning_rate, total_steps=n_steps, pct_start=0.15)
    lost = []
    views_of_stage = batches(kept, stage, recipe, rng)
    doing = f"training detector at {stage.image_px} px, steps"
    for views in track(views_of_stage, doing, n_steps):
        loss = _step(network, views, device)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), MAX_GRADIENT)
        optimizer.step()
        pace.step()
        lost.append(loss.item())
    log.info("detector at %d px: loss %.3f", stage.image_px, float(np.mean(lost[-100:])))


def _step(network: ProductNetwork, views: Views, device: Device) -> Tensor:
    pixels = views.pixels.to(device.name).contiguous(memory_format=torch.channels_last)
    with autocast(device):
        maps = network(pixels)
    targets = targets_of(
        views.boxes, views.photos, n_photos=len(views.pixels), cells=pixels.shape[-1] // STRIDE
    )
    centres, sides, foreground = (part.float().cpu() for part in maps)
    return detector_loss((centres, sides, foreground), targets, views.masks)


def batches(
    kept: BoxedPixels, stage: Stage, recipe: Recipe, rng: np.random.Generator
) -> Iterator[Views]:
    """Views of all photos in a new order each epoch; the last few of an epoch are left out."""
    for _ in range(stage.epochs):
        order = rng.permutation(len(kept.boxes))
        size = min(recipe.batch, len(order))
        for start in range(0, len(order) - size + 1, size):
            yield random_views(kept, order[start : start + size], (stage.image_px, recipe), rng)


def random_views(
    kept: BoxedPixels, rows: np.ndarray, how: tuple[int, Recipe], rng: np.random.Generator
) -> Views:
    """A part of each photo, mirrored or not, in another light; `how` is the side and the recipe."""
    side, recipe = how
    n = len(rows)
    part = rng.uniform(recipe.smallest_part, 1, (n, 2))
    corner = rng.uniform(0, 1, (n, 2)) * (1 - part)
    is_mirrored = rng.random(n) < 0.5
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = torch.from_numpy(np.where(is_mirrored, -1, 1) * part[:, 0])
    theta[:, 1, 1] = torch.from_numpy(part[:, 1])
    theta[:, :, 2] = torch.from_numpy(2 * corner + part - 1)
    pixels = torch.from_numpy(kept.pixels[rows]).permute(0, 3, 1, 2).float()
    gain = rng.uniform(1 - recipe.light, 1 + recipe.light, (n, 1, 1, 1))
    gain = gain * rng.uniform(1 - recipe.light / 3, 1 + recipe.light / 3, (n, 3, 1, 1))
    seen = _part(pixels, theta, side) * torch.from_numpy(gain).float()
    masks = torch.from_numpy(kept.masks[rows])[:, None].float()
    shown = _part(masks, theta, side // MASK_STRIDE)[:, 0] / 255
    is_unknown = torch.from_numpy(kept.masks[rows, 0, 0] == UNKNOWN)
    shown[is_unknown] = -1
    boxes, photos = _boxes_of_views([kept.boxes[row] for row in rows], part, corner, is_mirrored)
    return Views(seen.clamp(0, 255), shown, boxes, photos)


def _part(maps: Tensor, theta: Tensor, side: int) -> Tensor:
    grid = F.affine_grid(theta, [len(maps), 1, side, side], align_corners=False)
    return F.grid_sample(maps, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _boxes_of_views(
    boxes: Sequence[np.ndarray], part: np.ndarray, corner: np.ndarray, is_mirrored: np.ndarray
) -> tuple[Tensor, Tensor]:
    """Boxes in shares of the views; what a view shows a quarter of or less is no product of it."""
    photos = np.repeat(np.arange(len(boxes)), [len(found) for found in boxes])
    whole = np.concatenate(boxes).reshape(-1, 4)
    moved = (whole - np.tile(corner, 2)[photos]) / np.tile(part, 2)[photos]
    mirrored = np.stack([1 - moved[:, 2], moved[:, 1], 1 - moved[:, 0], moved[:, 3]], 1)
    moved = np.where(is_mirrored[photos, None], mirrored, moved)
    cut = moved.clip(0, 1)
    share = _areas(cut) / _areas(moved)
    keep = share > 0.25
    return torch.from_numpy(cut[keep]).float(), torch.from_numpy(photos[keep])


def _areas(boxes: np.ndarray) -> np.ndarray:
    areas: np.ndarray = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas
