"""Towers small enough for tests: an untrained real one, and one that looks at colours."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from photosearch.catalog import images
from photosearch.catalog.schemas import CuratedPhoto
from photosearch.catalog.tables import write_table
from photosearch.embedding.backbones import new_small_tower, save_weights
from photosearch.embedding.embedder import Vectors, unit
from photosearch.home import Home
from training.tokenizer import train_tokenizer

SIDE_PX = 64
TITLES = ["Red mug", "Красная кружка", "Blue lamp", "Синяя лампа"]
Colour = tuple[int, int, int]


def untrained_tower(folder: Path, *, seed: int = 0) -> Path:
    """A tower folder of photosearch-small with random weights, 4 tokens a photo."""
    train_tokenizer(TITLES, folder, vocab_size=300)
    torch.manual_seed(seed)
    save_weights(new_small_tower(folder, SIDE_PX), folder)
    return folder


class ColourTower:
    """Tokens are the mean colours of the photo's four quarters; a Tower without texts."""

    tower_id, image_px, width, n_tokens, pool = "colours", SIDE_PX, 8, 4, 1

    def tokens(self, photos: Sequence[Image.Image]) -> Vectors:
        """(n, 4, 8): colour in [-1, 1] and its products, so that a head has something to weigh."""
        small = [np.asarray(photo.resize((2, 2), Image.Resampling.BOX)) for photo in photos]
        colours = np.stack(small).reshape(-1, 4, 3) / np.float32(127.5) - 1
        red, green, blue = np.moveaxis(colours, -1, 0)
        products = [red * green, green * blue, blue * red, red * green * blue, np.ones_like(red)]
        return np.stack([red, green, blue, *products], axis=-1).astype(np.float32)

    def embed_photos(self, photos: Sequence[Image.Image]) -> Vectors:
        return unit(self.tokens(photos).mean(axis=1))


def quarters(*colours: Colour) -> Image.Image:
    """A photo of four colours, two above and two below."""
    pixels = np.array(colours, np.uint8).reshape(2, 2, 3)
    return Image.fromarray(pixels.repeat(SIDE_PX // 2, axis=0).repeat(SIDE_PX // 2, axis=1))


def png(photo: Image.Image) -> bytes:
    content = io.BytesIO()
    photo.save(content, "PNG")
    return content.getvalue()


def write_curated(
    home: Home, photos: Sequence[tuple[str, Image.Image]], *, split: str = "train"
) -> list[CuratedPhoto]:
    """Stores pictures as curated photos; `CARD/KIND/...` ids say card and kind."""
    rows = [
        CuratedPhoto(
            photo_id,
            photo_id.split("/")[0],
            photo_id.split("/")[1],
            images.store(home.images, png(photo)),
            split,
            is_card_seen=True,
        )
        for photo_id, photo in photos
    ]
    write_table(home.curated / "photos.parquet", CuratedPhoto, rows)
    return rows
