"""A raw snapshot of painted photos, and a tower that sees and reads colours."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from photosearch.catalog import images
from photosearch.catalog.schemas import (
    Card,
    CuratedPhoto,
    Photo,
    PhotoKind,
    Rejected,
    Review,
    Split,
)
from photosearch.catalog.tables import read_rows, write_table
from photosearch.curation.snapshot import CurationReport, curate
from photosearch.embedding.embedder import Vectors, unit
from photosearch.home import Home
from photosearch.settings import CurationParams, PairShares, PairsParams

COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 200, 60),
    "blue": (50, 60, 220),
    "yellow": (230, 220, 50),
    "dark": (8, 8, 8),
    "white": (250, 250, 250),
}
PARAMS = CurationParams(
    min_side_px=64,
    near_duplicate_bits=4,
    near_duplicate_likeness=0.87,
    semantic_duplicate_cosine=2,
    semantic_across_cosine=2,
    learn_from_labels=0,
    dark_light_max=0,
    blurred_sharpness_max=0,
    page_flat_min=1,
    page_line_min=255,
    screenshot_text_min=30,
    collage_line_min=255,
    person_skin_min=1,
    person_belonging_min=-4,
    not_a_product_margin=0.1,
    belonging_min=-4,
    test_card_share=0.0,
    test_photo_share=0.0,
)
"""Painted stripes are drawn pages of few colours: tests of these rules turn them on."""
PAIRS = PairsParams(
    budget=60,
    gold=0,
    shares=PairShares(same_card=1, neighbours=1, threshold=1, disagreement=1, clicks=1),
)


class ColourTower:
    """A photo's vector is the share of each colour in it; a text's, the colours it names."""

    tower_id = "colours"
    image_px = 64
    width = len(COLOURS)
    n_tokens = 1

    def __init__(self) -> None:
        self.n_photos_seen = 0

    def embed_photos(self, photos: Sequence[Image.Image]) -> Vectors:
        self.n_photos_seen += len(photos)
        return unit(np.stack([self._shares(photo) for photo in photos]))

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        return unit(np.array([[float(c in text.split()) for c in COLOURS] for text in texts]))

    def tokens(self, photos: Sequence[Image.Image]) -> Vectors:
        return self.embed_photos(photos)[:, None, :]

    def _shares(self, photo: Image.Image) -> Vectors:
        pixels = np.asarray(photo.resize((32, 32)), np.float32).reshape(-1, 1, 3)
        palette = np.array(list(COLOURS.values()), np.float32)
        nearest = ((pixels - palette) ** 2).sum(-1).argmin(1)
        return np.bincount(nearest, minlength=len(COLOURS)).astype(np.float32)


def paint(*colours: str, seed: int, side_px: int = 128) -> Image.Image:
    """Upright stripes of colours under a texture, so that every seed has a look of its own."""
    texture = np.random.default_rng(seed).uniform(0.75, 1.0, (8, 8))
    light = np.asarray(
        Image.fromarray(texture).resize((side_px, side_px), Image.Resampling.BICUBIC)
    )
    picked = np.arange(side_px) * len(colours) // side_px
    stripes = np.array([COLOURS[colour] for colour in colours])[picked]
    pixels = stripes[None, :, :] * light[:, :, None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def jpeg(image: Image.Image, quality: int = 40) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def a_card(card_id: str, *, title: str = "red mug", group: str | None = None) -> Card:
    return Card(card_id, title, None, None, ["Home", "Mugs"], None, None, 9.5, group or card_id)


@dataclass
class Market:
    """A raw snapshot in the making."""

    home: Home
    cards: list[Card] = field(default_factory=list)
    photos: list[Photo] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)

    def card(self, card_id: str, *, title: str = "red mug", group: str | None = None) -> None:
        self.cards.append(a_card(card_id, title=title, group=group))

    def photo(
        self,
        card_id: str,
        content: bytes,
        *,
        kind: PhotoKind = "gallery",
        split: Split | None = None,
        review: str | None = None,
    ) -> str:
        n = sum(photo.card_id == card_id and photo.kind == kind for photo in self.photos)
        photo_id = f"{card_id}/gallery/{n}"
        if kind == "review":
            review = review or f"{card_id}-r{n:02d}"
            photo_id = f"{card_id}/review/{review}/{n}"
            if all(row.review_id != review for row in self.reviews):
                self.reviews.append(Review(review, card_id, "fine", 5, split))
        sha256 = images.store(self.home.images, content)
        try:
            width, height = Image.open(io.BytesIO(content)).size
        except OSError:
            width = height = 500
        self.photos.append(Photo(photo_id, card_id, kind, review, sha256, width, height, split))
        return photo_id

    def review(self, card_id: str, content: bytes, *, split: Split | None = None) -> str:
        return self.photo(card_id, content, kind="review", split=split)

    def write(self) -> Home:
        catalog = self.home.catalog
        write_table(catalog / "cards.parquet", Card, self.cards)
        write_table(catalog / "photos.parquet", Photo, self.photos)
        write_table(catalog / "reviews.parquet", Review, self.reviews)
        write_table(catalog / "rejected.parquet", Rejected, self.rejected)
        return self.home

    def curate(self, **changes: float) -> CurationReport:
        return curate(self.write(), ColourTower(), params=PARAMS.model_copy(update=changes))


def reasons(home: Home) -> dict[str, str]:
    return {row.photo_id: row.reason for row in read_rows(home.rejected, Rejected)}


def score_of(home: Home, photo_id: str) -> float | None:
    (row,) = [row for row in read_rows(home.rejected, Rejected) if row.photo_id == photo_id]
    return row.score


def curated(home: Home) -> dict[str, CuratedPhoto]:
    rows = read_rows(home.curated / "photos.parquet", CuratedPhoto)
    return {row.photo_id: row for row in rows}


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def fill(market: Market, *, n_cards: int = 6, n_reviews: int = 5) -> None:
    """Cards of red and of yellow things, with photos of mixed colours."""
    names = list(COLOURS)[:4]
    for n in range(n_cards):
        colour = names[n % 2 * 3]
        market.card(f"c{n}", title=f"{colour} mug")
        market.photo(f"c{n}", png(paint(colour, seed=100 * n)))
        for k in range(n_reviews):
            look = paint(colour, colour, names[1 + k % 2], seed=100 * n + k + 1)
            market.review(f"c{n}", png(look))
