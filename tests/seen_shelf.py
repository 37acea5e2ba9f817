"""A shelf with red, blue and an article of violet; the shop that looks at it, and a slow reader."""

import threading
from collections.abc import Iterator, Sequence

import httpx
import pytest
from small_shop import SmallShop, colour, jpeg, open_shop, painted, served, sighted

from photosearch.perception.reader import Word
from photosearch.search.schemas import SearchResponse

SHELF = painted(colour("red"), colour("red"), colour("blue"))
PHOTO = jpeg(SHELF)
ARTICLE_OF_VIOLET = Word("KR-4824", 0.99, (60, 20, 190, 64), 0)


@pytest.fixture(scope="module")
def blind(tmp_path_factory: pytest.TempPathFactory) -> SmallShop:
    return open_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def shop(blind: SmallShop) -> SmallShop:
    """Finds stripes; reads the article of the violet scarf on every photo."""
    return sighted(blind, lambda _: [ARTICLE_OF_VIOLET], wait_ms=60_000)


def ids(answer: SearchResponse) -> list[str]:
    return [card.card.card_id for card in answer.cards]


class SlowReader:
    """Reads when it is let; counts what it has read."""

    def __init__(self) -> None:
        self.let, self.begun, self.n_read = threading.Event(), threading.Event(), 0

    def __call__(self, _: bytes) -> Sequence[Word]:
        self.begun.set()
        assert self.let.wait(60)
        self.n_read += 1
        return [ARTICLE_OF_VIOLET]


@pytest.fixture
def reader() -> Iterator[SlowReader]:
    reader = SlowReader()
    yield reader
    reader.let.set()


@pytest.fixture
def api(blind: SmallShop, reader: SlowReader) -> Iterator[httpx.Client]:
    with (
        served(sighted(blind, reader)) as address,
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        yield client
