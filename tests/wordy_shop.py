"""The small shop as tests of the page want it: words, tags, probabilities; and a wide one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from small_shop import (
    CALIBRATION,
    SmallShop,
    colour,
    jpeg,
    open_shop,
    painted,
    served,
    shop_pipeline,
    with_words,
    write_release,
)

from photosearch.catalog import images
from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.search.found import FoundCard
from photosearch.search.query import Query
from photosearch.search.schemas import TagChip

RUSSIAN = {"blue": "синий", "green": "зелёный", "violet": "фиолетовый"}


def colour_tags(query: Query, found: Sequence[FoundCard]) -> list[TagChip]:
    """A tag in both languages for each found card of these colours; none without a photo."""
    if query.vector is None:
        return []
    there = {card.traits.card_id for card in found}
    return [
        TagChip(tag=tag, language=language, kind="splits", n_found=1)
        for english, russian in RUSSIAN.items()
        if english in there
        for tag, language in ((english, "en"), (russian, "ru"))
    ]


@contextmanager
def wordy(shop: SmallShop) -> Iterator[SmallShop]:
    """The shop with a text side, which its manifest tells of, tags and a calibration."""
    with with_words(shop) as asked:
        manifest = replace(shop.release.manifest, parts={"text": "t1"})
        pipeline = replace(asked.pipeline, chips=colour_tags, calibration=CALIBRATION)
        yield replace(asked, release=replace(shop.release, manifest=manifest), pipeline=pipeline)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallShop]:
    with wordy(open_shop(tmp_path_factory.mktemp("shop"))) as shop:
        yield shop


@pytest.fixture(scope="module")
def address(shop: SmallShop) -> Iterator[str]:
    with served(shop) as address:
        yield address


@pytest.fixture
def red_photo(tmp_path: Path) -> Path:
    """Mostly red, with a stripe of blue."""
    photo = tmp_path / "red.jpg"
    photo.write_bytes(jpeg(painted(colour("red"), colour("red"), colour("blue"))))
    return photo


def open_wide_shop(folder: Path, n_cards: int) -> SmallShop:
    """A shop of red cards of two categories, three brands and two ratings, as many as wanted."""
    cards, photos = [], []
    for number in range(n_cards):
        name, brand = f"red-{number:02}", ("Clay", "Glass", "Tin")[number % 3]
        path = ["Kitchen", ("Cups", "Mugs")[number % 2]]
        rated = {"rating": 4.0 if number % 4 else 3.0, "n_reviews": 7}
        title = f"Vessel {number}"
        cards.append(Card(name, title, None, None, path, brand, None, 5.0, name, **rated))
        stripes = painted(*[colour("red")] * (number + 1), (number * 6, 9, 9))
        stored = images.store(folder / "images", jpeg(stripes))
        photos.append(CuratedPhoto(f"{name}/gallery/0", name, "gallery", stored, "train", True))
    images_dir = folder / "images"
    release = write_release(folder / "release", cards, photos=photos, images_dir=images_dir)
    return SmallShop(
        release, shop_pipeline(release, photos, images_dir=images_dir), photos, images_dir
    )
