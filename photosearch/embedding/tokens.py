"""Cache of patch tokens: one pass of the tower over a photo, then training never runs it again.

rows.parquet    which photo and view each row is
tokens.bf16     memory map (n_rows, n_tokens, width), bfloat16 kept as uint16
tokens.json     shape and tower; written last
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from photosearch.catalog.images import load
from photosearch.catalog.schemas import CuratedPhoto
from photosearch.catalog.tables import read_rows, write_table
from photosearch.embedding.augment import Strength, random_views
from photosearch.embedding.embedder import Vectors
from photosearch.embedding.tower import Tower
from photosearch.errors import BadArtifact
from photosearch.home import Home
from photosearch.progress import track
from photosearch.report import save_report
from photosearch.settings import TokensParams

PHOTOS_A_BATCH = 64
STRENGTH = Strength(area_min=0.3)
STORED_PX = 1.25
"""Augmented views are cut from photos this much larger than the tower's square."""


@dataclass(frozen=True, slots=True)
class TokenRow:
    photo_id: str
    card_id: str
    split: str
    view: int
    """0 is the photo as it is; the others are random views."""


@dataclass(frozen=True, slots=True)
class TokensReport:
    tower_id: str
    rows: int
    photos: int
    n_tokens: int
    width: int
    bytes_a_row: int


@dataclass(frozen=True, slots=True)
class TokenCache:
    rows: list[TokenRow]
    tower_id: str
    _stored: NDArray[np.uint16]

    def read(self, rows: Sequence[int]) -> torch.Tensor:
        """Tokens of these row numbers, (n, n_tokens, width) bfloat16."""
        return torch.from_numpy(self._stored[np.asarray(rows)]).view(torch.bfloat16)


def cache_tokens(home: Home, tower: Tower, *, tokens: TokensParams) -> TokensReport:
    """The stage `tokens`: runs the tower over every curated photo, and over views of training ones.

    Args:
        home: Reads curated photos, writes `home.tokens`; a killed run leaves the old folder.
        tower: Gives the tokens.
        tokens: See params.yaml.
    """
    folder = home.tokens
    photos = read_rows(home.curated / "photos.parquet", CuratedPhoto)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    rows = [
        TokenRow(photo.photo_id, photo.card_id, photo.split, view)
        for photo in photos
        for view in range(tokens.views if photo.split == "train" else 1)
    ]
    write_table(partial / "rows.parquet", TokenRow, rows)
    shape = (len(rows), tower.n_tokens, tower.width)
    stored = np.memmap(partial / "tokens.bf16", np.uint16, "w+", shape=shape)
    done = 0
    for batch in track(_batches(photos), "tokens of photos", -(-len(photos) // PHOTOS_A_BATCH)):
        seen = tower.tokens(list(_views(batch, home.images, tower.image_px, tokens)))
        stored[done : done + len(seen)] = torch.from_numpy(seen).bfloat16().view(torch.uint16)
        done += len(seen)
    stored.flush()
    report = TokensReport(
        tower.tower_id, len(rows), len(photos), tower.n_tokens, tower.width,
        bytes_a_row=2 * tower.n_tokens * tower.width,
    )  # fmt: skip
    save_report(partial / "tokens.json", report)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return report


def open_tokens(folder: Path) -> TokenCache:
    """Maps a cache into memory; raises BadArtifact if it is incomplete."""
    try:
        facts = TokensReport(**json.loads((folder / "tokens.json").read_text()))
        shape = (facts.rows, facts.n_tokens, facts.width)
        stored = np.memmap(folder / "tokens.bf16", np.uint16, "r", shape=shape)
    except (OSError, TypeError, ValueError) as error:
        raise BadArtifact(
            f"{folder} is not a whole token cache ({error}). Run `photosearch tokens`."
        ) from None
    return TokenCache(read_rows(folder / "rows.parquet", TokenRow), facts.tower_id, stored)


def _batches(photos: Sequence[CuratedPhoto]) -> Iterator[Sequence[CuratedPhoto]]:
    for start in range(0, len(photos), PHOTOS_A_BATCH):
        yield photos[start : start + PHOTOS_A_BATCH]


def _views(
    batch: Sequence[CuratedPhoto], images: Path, image_px: int, tokens: TokensParams
) -> Iterator[Image.Image]:
    """The photo, then its random views; a view depends on photo and number alone."""
    large_px = round(image_px * STORED_PX)
    for photo in batch:
        opened = load(images, photo.sha256, draft_px=large_px)
        yield opened
        if photo.split == "train" and tokens.views > 1:
            resized = np.array(opened.resize((large_px, large_px), Image.Resampling.BICUBIC))
            copies = torch.from_numpy(resized).permute(2, 0, 1).expand(tokens.views - 1, -1, -1, -1)
            drawn = random_views(
                copies, image_px, strength=STRENGTH, seed=tokens.seed ^ int(photo.sha256[:12], 16)
            )
            for view in (drawn * 255).round().byte().permute(0, 2, 3, 1).numpy():
                yield Image.fromarray(view)


def pool_view(
    cache: TokenCache, view: int, pool: Callable[[Vectors], Vectors], *, rows_a_batch: int = 1024
) -> tuple[list[TokenRow], Vectors]:
    """Vectors of one view of every photo: a new head re-embeds a catalogue without the tower."""
    chosen = [number for number, row in enumerate(cache.rows) if row.view == view]
    parts = [
        pool(cache.read(chosen[start : start + rows_a_batch]).float().numpy())
        for start in range(0, len(chosen), rows_a_batch)
    ]
    return [cache.rows[number] for number in chosen], np.concatenate(parts)
