"""A shop of painted cards with a colour-sensing embedder: fakes that behave like the real parts."""

import io
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import uvicorn
from PIL import Image, ImageDraw

from bentos.api import make_app
from photosearch.catalog import images
from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import write_table
from photosearch.embedding.embedder import Vectors, unit
from photosearch.index.filters import Listing
from photosearch.index.vector_index import ExactIndex
from photosearch.release import Manifest, Release, open_release, seal
from photosearch.search.enrich import CardFactsTable
from photosearch.search.pipeline import SearchPipeline, make_pipeline
from photosearch.search.schemas import ReleaseIds
from photosearch.search.thumbnails import write_thumbnails

PAINTS = {
    "red": ("Red mug", "Красная кружка", (205, 40, 45)),
    "green": ("Green kettle", "Зелёный чайник", (40, 160, 70)),
    "blue": ("Blue backpack <b>Sky</b>", None, (40, 80, 200)),
    "yellow": ("Yellow lamp", "Жёлтая лампа", (235, 200, 50)),
    "violet": ("Violet scarf", "Фиолетовый шарф", (130, 60, 190)),
}
"""card_id -> title, Russian title, colour."""


class ColourEmbedder:
    """Counts colours: photos of like colours get near vectors, whatever their size."""

    model_id = "colours"
    lengths = (64, 16)

    def embed(self, photos: Sequence[Image.Image]) -> Vectors:
        """64 bins, 4 levels a channel; the first 16 are the darker reds."""
        histograms = np.zeros((len(photos), 64), np.float32)
        for row, photo in enumerate(photos):
            levels = np.asarray(photo.resize((32, 32))) // 64
            bins = levels[..., 0] * 16 + levels[..., 1] * 4 + levels[..., 2]
            histograms[row] = np.bincount(bins.ravel(), minlength=64)
        return unit(histograms)


@dataclass
class SmallShop:
    release: Release
    pipeline: SearchPipeline
    photos: list[CuratedPhoto]
    images_dir: Path


def painted(*colours: tuple[int, int, int], size: tuple[int, int] = (400, 300)) -> Image.Image:
    """Upright stripes of the colours, left to right."""
    image = Image.new("RGB", size)
    draw = ImageDraw.Draw(image)
    for place, colour in enumerate(colours):
        left = place * size[0] // len(colours)
        draw.rectangle((left, 0, (place + 1) * size[0] // len(colours) - 1, size[1]), colour)
    return image


def jpeg(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=95)
    return content.getvalue()


def colour(card_id: str) -> tuple[int, int, int]:
    return PAINTS[card_id][2]


def open_shop(folder: Path) -> SmallShop:
    """Paints a release of five cards, two photos each, under `folder`."""
    cards = [
        Card(card_id, title, title_ru, None, ["Home", "Colour"], "Paint & Co", f"N-{number}",
             9.5 + number, card_id)
        for number, (card_id, (title, title_ru, _)) in enumerate(PAINTS.items())
    ]  # fmt: skip
    photos = [
        CuratedPhoto(
            f"{card_id}/{kind}/0", card_id, kind, images.store(folder / "images", picture),
            "train", True,
        )
        for card_id in PAINTS
        for kind, picture in (
            ("gallery", jpeg(painted(colour(card_id)))),
            ("review", jpeg(painted(colour(card_id), colour(card_id), colour(card_id), (9, 9, 9)))),
        )
    ]  # fmt: skip
    images_dir = folder / "images"
    release = write_release(folder / "release", cards, photos=photos, images_dir=images_dir)
    pipeline = shop_pipeline(release, photos, images_dir=images_dir)
    return SmallShop(release, pipeline, photos, images_dir)


def write_release(
    folder: Path, cards: list[Card], *, photos: list[CuratedPhoto], images_dir: Path
) -> Release:
    write_table(folder / "cards.parquet", Card, cards)
    write_thumbnails(folder, cards, photos=photos, images_dir=images_dir)
    manifest = Manifest(
        release="r1",
        model_id="colours",
        index_id="i1",
        data_version="d1",
        index_kind="exact",
        dim=64,
        lengths=[64, 16],
        n_photos=len(photos),
        n_cards=len(cards),
        created_at="2026-11-21T12:00:00+00:00",
        recall_at_10_vs_exact=1.0,
        hits_per_query=100,
    )
    seal(folder, manifest)
    return open_release(folder)


def shop_pipeline(
    release: Release, photos: list[CuratedPhoto], *, images_dir: Path
) -> SearchPipeline:
    embedder, index = ColourEmbedder(), ExactIndex(release.manifest.dim)
    index.add(
        [photo.photo_id for photo in photos],
        [Listing(photo.card_id) for photo in photos],
        embedder.embed([images.load(images_dir, photo.sha256) for photo in photos]),
    )
    return make_pipeline(
        ReleaseIds(release="r1", model_id="colours", index_id="i1", data_version="d1"),
        embedder,
        index=index,
        enrich=CardFactsTable(release.cards, release.thumbnail_table).enrich,
        hits_per_query=release.manifest.hits_per_query,
    )


@contextmanager
def served(shop: SmallShop) -> Iterator[str]:
    """The real app and page over real HTTP, on a free port; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(make_app(lambda: shop), ws="none", log_level="critical")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
