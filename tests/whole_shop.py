"""The small shop with all that a service has: words, tags, sight, maps and a store of events."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import httpx
import pytest
from small_shop import SmallShop, mapped, open_shop, served, sighted, with_words

from photosearch.catalog.schemas import Tag
from photosearch.catalog.tables import write_table
from photosearch.feedback.store import open_store

TAGS = [
    Tag("Red mug", "en", 3, "title"), Tag("redwood", "en", 2, "title"),
    Tag("Кружка", "ru", 4, "title"), Tag("кружево", "ru", 1, "title"),
    Tag("blue", "en", 9, "title"),
]  # fmt: skip


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallShop]:
    plain = open_shop(tmp_path_factory.mktemp("shop"))
    write_table(plain.release.tags / "tags.parquet", Tag, TAGS)
    with with_words(plain) as shop:
        events = open_store(f"sqlite:///{tmp_path_factory.mktemp('events')}/events.sqlite")
        with closing(events):
            yield replace(mapped(sighted(shop, lambda _: [])), events=events)


@pytest.fixture(scope="module")
def api(shop: SmallShop) -> Iterator[httpx.Client]:
    with served(shop) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield client
