"""What training reads: photos in memory for the tower, cached tokens for the head."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from photosearch.catalog.images import load
from photosearch.embedding.tokens import TokenCache
from photosearch.progress import track


class DecodedPhotos(Dataset[tuple[Tensor, int]]):
    """Photos decoded once and kept as uint8: 150 KB each at 224 px, 100,000 of them in 15 GB."""

    def __init__(
        self, images: Path, sha256s: Sequence[str], groups: Sequence[int], *, side_px: int
    ):
        self.groups = torch.tensor(groups)
        self.pixels = torch.empty(len(sha256s), 3, side_px, side_px, dtype=torch.uint8)
        decoded = _decode(images, sha256s, side_px)
        for row, pixels in enumerate(track(decoded, "decoding photos", len(sha256s))):
            self.pixels[row] = torch.from_numpy(pixels.copy()).permute(2, 0, 1)

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return self.pixels[row], int(self.groups[row])

    def __getitems__(self, rows: list[int]) -> tuple[Tensor, Tensor]:
        """A whole batch at once, (B, 3, side, side) and (B,): no collating of single photos."""
        return self.pixels[rows], self.groups[rows]


class TokenBatches(Dataset[tuple[Tensor, Tensor]]):
    """Rows of a token cache with the number of their product."""

    def __init__(self, cache: TokenCache, products: Sequence[int]) -> None:
        self.cache, self.products = cache, torch.tensor(products)

    def __len__(self) -> int:
        return len(self.products)

    def __getitems__(self, rows: list[int]) -> tuple[Tensor, Tensor]:
        """(B, T, D) bfloat16 and (B,) product numbers."""
        return self.cache.read(rows), self.products[rows]


def _decode(images: Path, sha256s: Sequence[str], side_px: int) -> Iterator[np.ndarray]:  # type: ignore[type-arg]
    def decode(sha256: str) -> np.ndarray:  # type: ignore[type-arg]
        photo = load(images, sha256, draft_px=side_px)
        return np.asarray(photo.resize((side_px, side_px), Image.Resampling.BICUBIC))

    with ThreadPoolExecutor(2) as pool:
        yield from pool.map(decode, sha256s)
