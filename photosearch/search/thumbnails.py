"""The small pictures that stand for cards; knows neither the page nor the search."""

import io
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow.compute as pc

from photosearch.catalog import images
from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import read_table, write_table
from photosearch.progress import track
from photosearch.release import THUMBNAILS

SIDE_PX = 320
JPEG_QUALITY = 82
GALLERY_MOST = 4
"""Pictures of a card; each takes some 11 KB."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture of a card; the first row of a card is what a search shows it by."""

    card_id: str
    sha256: str
    """Of the JPEG file, which is named by it: `thumbnails/<sha256>.jpg`."""


def write_thumbnails(
    folder: Path, cards: Sequence[Card], *, photos: Iterable[CuratedPhoto], images_dir: Path
) -> int:
    """Writes thumbnails.parquet and thumbnails/ into a release folder.

    A card is shown by its first gallery photos, in the order of `photos`. One without a gallery
    photo has no thumbnail: a buyer's photo is for searching, not for showing.

    Returns:
        The number of cards with a thumbnail.

    Raises:
        UnreadablePhoto: A curated photo is gone or damaged.
    """
    gallery = _gallery((p.card_id, p.sha256) for p in photos if p.kind == "gallery")
    shown = {card.card_id: gallery[card.card_id] for card in cards if card.card_id in gallery}
    _write_names(folder, shown, _draw(folder, _pictures(shown), images_dir=images_dir))
    return len(shown)


def bring_thumbnails(folder: Path, live: Path, *, images_dir: Path) -> int:
    """Writes the thumbnails of a release folder that differs from `live` by a few photos.

    Only pictures that `live` does not show are drawn. Those of the live release are there too,
    as links: whoever was answered by it may still ask for them.

    Args:
        folder: Holds photos.parquet of the new release.
        live: The folder of the live one; no file of it is changed.
        images_dir: Where pictures lie.

    Returns:
        The number of thumbnails drawn.

    Raises:
        UnreadablePhoto: A curated photo is gone or damaged.
    """
    before, now = _shown(live / "photos.parquet"), _shown(folder / "photos.parquet")
    names: dict[str, str] = {}
    table = read_table(live / THUMBNAILS, Thumbnail)
    drawn = _gallery(zip(table["card_id"].to_pylist(), table["sha256"].to_pylist(), strict=True))
    for card_id, thumbnails in drawn.items():
        # a release of before galleries were shown has one thumbnail a card
        names |= dict(zip(before[card_id], thumbnails, strict=False))
    new = [picture for picture in _pictures(now) if picture not in names]
    (folder / "thumbnails").mkdir()
    for name in _pictures(drawn):
        link_or_copy(live / "thumbnails" / f"{name}.jpg", folder / "thumbnails" / f"{name}.jpg")
    _write_names(folder, now, names | _draw(folder, new, images_dir=images_dir))
    return len(new)


def link_or_copy(source: Path | str, target: Path | str) -> None:
    """Gives a file that never changes a second name; a copy where the disk knows no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _shown(photos: Path) -> dict[str, list[str]]:
    """By card, the content hashes of the gallery photos that show it."""
    table = read_table(photos, CuratedPhoto)
    table = table.filter(pc.equal(table["kind"], "gallery"))
    return _gallery(zip(table["card_id"].to_pylist(), table["sha256"].to_pylist(), strict=True))


def _gallery(pictures: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """By card, its first pictures, out of card ids and hashes."""
    gallery: dict[str, list[str]] = {}
    for card_id, sha256 in pictures:
        of_card = gallery.setdefault(card_id, [])
        if len(of_card) < GALLERY_MOST:
            of_card.append(sha256)
    return gallery


def _pictures(gallery: Mapping[str, Sequence[str]]) -> list[str]:
    """Each picture once, sorted."""
    return sorted({sha256 for pictures in gallery.values() for sha256 in pictures})


def _draw(folder: Path, wanted: Sequence[str], *, images_dir: Path) -> dict[str, str]:
    """Draws photos, named by content hash; gives the names of their thumbnails."""
    pictures = folder / "thumbnails"
    pictures.mkdir(parents=True, exist_ok=True)
    # Decoding and encoding let go of the GIL, so threads use every core.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        drawn = pool.map(partial(_write_one, pictures, images_dir), wanted)
        return dict(zip(wanted, track(drawn, "drawing thumbnails", len(wanted)), strict=True))


def _write_names(
    folder: Path, shown: Mapping[str, Sequence[str]], names: Mapping[str, str]
) -> None:
    rows = (
        Thumbnail(card_id, names[sha256])
        for card_id, pictures in shown.items()
        for sha256 in pictures
    )
    write_table(folder / THUMBNAILS, Thumbnail, rows)


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
