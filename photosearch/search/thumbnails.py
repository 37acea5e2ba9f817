"""The small pictures that stand for cards; knows neither the page nor the search."""

import io
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from photosearch.catalog import images
from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import write_table
from photosearch.progress import track

SIDE_PX = 320
JPEG_QUALITY = 82


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """Which small picture shows a card."""

    card_id: str
    sha256: str
    """Of the JPEG file, which is named by it: `thumbnails/<sha256>.jpg`."""


def write_thumbnails(
    folder: Path, cards: Sequence[Card], *, photos: Iterable[CuratedPhoto], images_dir: Path
) -> int:
    """Writes thumbnails.parquet and thumbnails/ into a release folder.

    A card is shown by its first gallery photo, in the order of `photos`. One without a gallery
    photo has no thumbnail: a buyer's photo is for searching, not for showing.

    Returns:
        The number of cards with a thumbnail.

    Raises:
        UnreadablePhoto: A curated photo is gone or damaged.
    """
    shown: dict[str, str] = {}
    for photo in photos:
        if photo.kind == "gallery":
            shown.setdefault(photo.card_id, photo.sha256)
    shown = {card.card_id: shown[card.card_id] for card in cards if card.card_id in shown}
    wanted = sorted(set(shown.values()))
    pictures = folder / "thumbnails"
    pictures.mkdir(parents=True, exist_ok=True)
    # Decoding and encoding let go of the GIL, so threads use every core.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        drawn = pool.map(partial(_write_one, pictures, images_dir), wanted)
        names = dict(zip(wanted, track(drawn, "drawing thumbnails", len(wanted)), strict=True))
    rows = (Thumbnail(card_id, names[sha256]) for card_id, sha256 in shown.items())
    return write_table(folder / "thumbnails.parquet", Thumbnail, rows)


def _write_one(pictures: Path, images_dir: Path, sha256: str) -> str:
    photo = images.load(images_dir, sha256, draft_px=2 * SIDE_PX)
    photo.thumbnail((SIDE_PX, SIDE_PX))
    jpeg = io.BytesIO()
    photo.save(jpeg, "JPEG", quality=JPEG_QUALITY, optimize=True)
    content = jpeg.getvalue()
    name = images.content_hash(content)
    unfinished = pictures / f".{name}.{sha256}"  # two photos may give one thumbnail at once
    unfinished.write_bytes(content)
    unfinished.replace(pictures / f"{name}.jpg")
    return name
