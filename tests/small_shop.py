"""A shop of painted cards with a colour-sensing embedder: fakes that behave like the real parts."""

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import uvicorn
from PIL import Image, ImageDraw, ImageFont
from starlette.types import ASGIApp

from bentos.access import Access
from bentos.answers import Answers
from bentos.answers_log import LoggedAnswers
from bentos.api import make_app
from bentos.turns import Turns
from photosearch.catalog import images
from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import read_rows, write_table
from photosearch.embedding.embedder import Vectors, unit
from photosearch.evaluation.calibration import Abstention, Calibration
from photosearch.feedback.experiments import Experiment
from photosearch.feedback.store import EventStore
from photosearch.index.filters import listing_of
from photosearch.index.text_index import write_text_index
from photosearch.index.vector_index import ExactIndex
from photosearch.perception.detector import Found
from photosearch.perception.reader import Word
from photosearch.release import Manifest, Release, open_release, seal
from photosearch.report import write_text
from photosearch.search.articles import ArticleDesk
from photosearch.search.card_texts import card_texts
from photosearch.search.catalogue import Catalogue
from photosearch.search.enrich import CardFactsTable
from photosearch.search.finding import Finder
from photosearch.search.kept import Kept
from photosearch.search.map_desk import PHOTOS_KEPT, MapDesk, MapWanted
from photosearch.search.pipeline import SearchPipeline, make_pipeline
from photosearch.search.reading_room import ReadingRoom
from photosearch.search.schemas import ReleaseIds
from photosearch.search.text_search import FACTS, WORDS, TextFacts, TextSearch, open_text_search
from photosearch.search.thumbnails import write_thumbnails
from photosearch.tagging.tag_list import open_tag_list
from photosearch.text_search_settings import FusionWeights, LikesParams, TextSearchParams

PAINTS = {
    "red": ("Red mug", "Красная кружка", (205, 40, 45)),
    "green": ("Green kettle", "Зелёный чайник", (40, 160, 70)),
    "blue": ("Blue backpack <b>Sky</b>", None, (40, 80, 200)),
    "yellow": ("Yellow lamp", "Жёлтая лампа", (235, 200, 50)),
    "violet": ("Violet scarf", "Фиолетовый шарф", (130, 60, 190)),
}
"""card_id -> title, Russian title, colour."""
PATIENT = Access(deadline_s=60.0)
"""A busy machine may take longer for a search than a deployment lets it."""


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


TEXT = TextSearchParams(
    title_weight=1, review_chars=0, depth=10, fusion="rrf", rrf_k=60,
    text=FusionWeights(words=1, pieces=1, vectors=1),
    photo=FusionWeights(words=1, pieces=0, vectors=1),
    likes=LikesParams(liked=1, disliked=1, cosine_min=0.5),
)  # fmt: skip


@dataclass
class SmallShop:
    release: Release
    pipeline: Answers
    photos: list[CuratedPhoto]
    images_dir: Path
    events: EventStore | None = None
    experiment: Experiment | None = None
    experiments: Path | None = None
    access: Access = PATIENT

    @property
    def releases(self) -> list[Release]:
        return [self.release]

    @property
    def catalogue(self) -> Catalogue:
        cards = CardFactsTable(self.release.cards, self.release.thumbnail_table)
        has_tags = self.release.tags.exists()
        tag_list = open_tag_list(self.release.tags) if has_tags else None
        ids = ReleaseIds(release="r1", model_id="colours", index_id="i1", data_version="d1")
        return Catalogue(ids, cards, tag_list)


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
        Card(card_id, title, title_ru, None, ["Home", "Colour"], "Paint & Co", f"KR-482{number}",
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


@contextmanager
def with_words(shop: SmallShop) -> Iterator[SmallShop]:
    """The same shop, once it can be asked by words too; texts have no vectors here."""
    folder, cards = shop.release.folder / "text", read_rows(shop.release.cards, Card)
    write_text_index(folder / WORDS, card_texts(cards, {}), title_weight=1)
    facts = TextFacts(
        cards=len(cards), has_aligner=False, has_refiner=False,
        vectors="none", refinement="none", params=TEXT,
    )  # fmt: skip
    write_text(folder / FACTS, facts.model_dump_json())
    with closing(open_text_search(folder, model_id="colours")) as side:
        pipeline = shop_pipeline(shop.release, shop.photos, images_dir=shop.images_dir, side=side)
        yield replace(shop, pipeline=pipeline)


def shop_pipeline(
    release: Release,
    photos: list[CuratedPhoto],
    *,
    images_dir: Path,
    side: TextSearch | None = None,
) -> SearchPipeline:
    embedder, index = ColourEmbedder(), ExactIndex(release.manifest.dim)
    listings = {card.card_id: listing_of(card) for card in read_rows(release.cards, Card)}
    index.add(
        [photo.photo_id for photo in photos],
        [listings[photo.card_id] for photo in photos],
        embedder.embed([images.load(images_dir, photo.sha256) for photo in photos]),
    )
    return make_pipeline(
        ReleaseIds(release="r1", model_id="colours", index_id="i1", data_version="d1"),
        embedder,
        finder=Finder(index, release.manifest.hits_per_query, text=side),
        cards=CardFactsTable(release.cards, release.thumbnail_table),
    )


def logged(shop: SmallShop, events: EventStore) -> SmallShop:
    """The same shop, which keeps events and what it showed."""
    return replace(shop, events=events, pipeline=LoggedAnswers(shop.pipeline, events.log_answer))


def mapped(shop: SmallShop) -> SmallShop:
    """The shop with maps of explained searches: the photo itself, for its colours see nothing."""

    def draw(wanted: MapWanted) -> bytes:
        png = io.BytesIO()
        Image.open(io.BytesIO(wanted.photo)).save(png, "PNG")
        return png.getvalue()

    cards = CardFactsTable(shop.release.cards, shop.release.thumbnail_table)
    desk = MapDesk("r1", cards, Kept(n_max=PHOTOS_KEPT, keep_s=60), draw)
    return replace(shop, pipeline=replace(shop.pipeline, maps=desk))


def stripes(photo: Image.Image) -> list[Found]:
    """The upright stripes of one colour, as things, the widest first: a detector of this shop."""
    row = np.asarray(photo)[photo.height // 2].astype(int)
    edges = 1 + np.flatnonzero(np.abs(np.diff(row, axis=0)).max(1) > 40)
    sides = [0, *edges.tolist(), photo.width]
    wide = [(a, b) for a, b in pairwise(sides) if b - a >= 30]
    things = [
        Found((left, 0.0, right, float(photo.height)), (right - left) / photo.width, "stripe")
        for left, right in wide
    ]
    return sorted(things, key=lambda thing: -thing.confidence)


def labelled(photo: Image.Image, text: str, *, left: int, top: int) -> Image.Image:
    """The photo with a white label on it."""
    photo = photo.copy()
    draw = ImageDraw.Draw(photo)
    draw.rectangle((left, top, left + 130, top + 44), "white")
    font = ImageFont.load_default(size=28)
    draw.text((left + 65, top + 22), text, font=font, fill="black", anchor="mm")
    return photo


CALIBRATION = Calibration(
    model_id="colours", index_id="i1", slope=10.0, intercept=-7.0, queries=100, pairs=1000,
    same=300, calibration_error=0.01, brier=0.05, brier_of_base_rate=0.2, bins=[],
    abstention=Abstention(
        precision=0.9, score=0.8, probability=0.73, precision_held_out=0.9, answered=0.9,
        silent_when_absent=0.5,
    ),
)  # fmt: skip


def sighted(
    shop: SmallShop, read: Callable[[bytes], Sequence[Word]], *, wait_ms: float = 0
) -> SmallShop:
    """The same shop, which also finds things on photos, reads words, and tells probabilities."""
    cards = CardFactsTable(shop.release.cards, shop.release.thumbnail_table)
    room = ReadingRoom(read, waiting_max=2)
    pipeline = replace(
        shop.pipeline,
        objects=lambda photo: partial(stripes, photo),
        articles=ArticleDesk(shop.pipeline.release, cards, room, wait_ms=wait_ms),
        calibration=CALIBRATION,
    )
    return replace(shop, pipeline=pipeline)


@contextmanager
def served(
    shop: SmallShop, *, before: Callable[[ASGIApp], ASGIApp] = lambda app: app
) -> Iterator[str]:
    """The real app and page over real HTTP, on a free port; yields its address.

    `before` puts another app before it, which sees each request first.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = before(make_app(lambda: shop, Turns()))
        config = uvicorn.Config(app, ws="none", log_level="critical")
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
