"""Words are read beside a search: no answer waits, and what is too much or fails is told."""

import threading
from collections.abc import Sequence

import httpx
import pytest
import seen_shelf
from seen_shelf import ARTICLE_OF_VIOLET, PHOTO, SlowReader, ids
from small_shop import SmallShop, colour, jpeg, painted, sighted

from photosearch.errors import UnknownQuery
from photosearch.perception.reader import Word
from photosearch.search.kept import Kept
from photosearch.search.query import SearchRequest
from photosearch.search.schemas import ReadArticles, SearchResponse

blind = seen_shelf.blind
shop = seen_shelf.shop
reader = seen_shelf.reader
api = seen_shelf.api


def wait_for(shop: SmallShop, query_id: str) -> ReadArticles:
    """What is read in the end."""
    for _ in range(3000):
        read = shop.pipeline.articles_of(query_id)
        if read.state != "reading":
            return read
        threading.Event().wait(0.01)
    raise AssertionError("still reading after 30 s")


def test_an_answer_does_not_wait_and_is_the_same_whatever_is_read(
    blind: SmallShop, reader: SlowReader
):
    shop = sighted(blind, reader)
    early = shop.pipeline.answer(SearchRequest(PHOTO))
    assert early.articles.state == "reading"
    assert shop.pipeline.articles_of(early.query_id).state == "reading"
    reader.let.set()
    late = wait_for(shop, early.query_id)
    assert (late.state, late.query_id) == ("read", early.query_id)
    assert [card.card_id for card in late.cards] == ["violet"]
    again = shop.pipeline.answer(SearchRequest(PHOTO))
    assert again.articles.state == "read"
    assert again.cards == early.cards
    assert reader.n_read == 1


def test_a_photo_too_many_is_not_read_and_says_so(blind: SmallShop, reader: SlowReader):
    shop = sighted(blind, reader)  # two may be read or wait at once
    photos = [jpeg(painted(colour(name))) for name in ("red", "green", "blue")]
    answers = [shop.pipeline.answer(SearchRequest(photo)) for photo in photos]
    assert [answer.articles.state for answer in answers] == ["reading", "reading", "busy"]
    assert shop.pipeline.articles_of(answers[2].query_id).state == "busy"
    reader.let.set()
    assert wait_for(shop, answers[1].query_id).state == "read"
    assert shop.pipeline.answer(SearchRequest(photos[2])).articles.state != "busy"


def test_a_reader_that_fails_costs_only_the_words(
    blind: SmallShop, caplog: pytest.LogCaptureFixture
):
    failures = [ConnectionResetError("gone")]

    def read(_: bytes) -> Sequence[Word]:
        if failures:
            raise failures.pop()
        return [ARTICLE_OF_VIOLET]

    shop = sighted(blind, read, wait_ms=60_000)
    failed = shop.pipeline.answer(SearchRequest(PHOTO))
    assert failed.articles.state == "failed"
    assert ids(failed)[0] == "red"
    assert "ConnectionResetError: gone" in caplog.text
    assert shop.pipeline.answer(SearchRequest(PHOTO)).articles.state == "read"


def test_articles_of_a_query_nobody_asked_are_unknown(shop: SmallShop, blind: SmallShop):
    with pytest.raises(UnknownQuery, match="There is no query 'nobody' with articles"):
        shop.pipeline.articles_of("nobody")
    answer = blind.pipeline.answer(SearchRequest(PHOTO))
    assert answer.articles.state == "off"
    with pytest.raises(UnknownQuery, match="this release reads none"):
        blind.pipeline.articles_of(answer.query_id)


def test_what_is_old_or_too_much_is_forgotten():
    now = 0.0
    kept: Kept[str, int] = Kept(n_max=2, keep_s=10, clock=lambda: now)
    kept.keep("a", 1)
    kept.keep("b", 2)
    kept.keep("a", 3)  # younger than b from now on
    kept.keep("c", 4)
    assert [kept.recall(key) for key in "abc"] == [3, None, 4]
    now = 10.5
    assert [kept.recall(key) for key in "abc"] == [None, None, None]
    assert len(kept) == 0


def test_articles_come_later_over_http(api: httpx.Client, reader: SlowReader):
    sent = {"photo": ("shelf.jpg", PHOTO)}
    answer = SearchResponse.model_validate(api.post("/v1/search", files=sent).json())
    address = f"/v1/queries/{answer.query_id}/articles"
    waiting = api.get(address)
    assert (waiting.status_code, waiting.headers["retry-after"]) == (202, "1")
    assert waiting.json()["state"] == "reading"
    reader.let.set()
    for _ in range(3000):
        if (done := api.get(address)).status_code == 200:
            break
        threading.Event().wait(0.01)
    read = ReadArticles.model_validate(done.json())
    assert (read.state, [card.card_id for card in read.cards]) == ("read", ["violet"])


@pytest.mark.parametrize("query_id", ["0" * 32, "0" * 31, "..", "%00", "a" * 5000])
def test_articles_of_unknown_queries_are_404_over_http(api: httpx.Client, query_id: str):
    response = api.get(f"/v1/queries/{query_id}/articles")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert len(response.text) < 7000
