"""The one photo-to-tensor transform of training, batch and serving; needs no torch."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a photo becomes the numbers a tower was trained on."""

    image_px: int
    """Side of the square; a photo is squashed, never cropped: a product may touch the edge."""
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def pixels(self, photo: Image.Image) -> Pixels:
        """Resizes one RGB photo, (image_px, image_px, 3) uint8."""
        size = (self.image_px, self.image_px)
        return np.asarray(photo.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0))

    def batch(self, photos: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Resizes and normalises photos, (n, 3, image_px, image_px) float32."""
        return self.normalise(np.stack([self.pixels(photo) for photo in photos]))

    def normalise(self, pixels: Pixels) -> NDArray[np.float32]:
        """Turns (n, height, width, 3) uint8 into (n, 3, height, width) float32."""
        mean, std = (np.array(of, np.float32)[:, None, None] for of in (self.mean, self.std))
        # as bytes first, and in place: a tenth of the time
        scaled = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).astype(np.float32)
        scaled *= 1 / (255 * std)
        scaled -= mean / std
        return scaled


def read_preprocessing(tower: Path) -> Preprocessing:
    """Reads what a tower folder's open_clip_config.json says."""
    config = json.loads((tower / "open_clip_config.json").read_text())
    image_size = config["model_cfg"]["vision_cfg"]["image_size"]
    wanted = config["preprocess_cfg"]
    return Preprocessing(
        image_px=image_size if isinstance(image_size, int) else image_size[0],
        mean=tuple(wanted["mean"]),
        std=tuple(wanted["std"]),
    )
