"""Things on a photo, words read beside the search, and what an answer tells of both."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from small_shop import SmallShop, colour, jpeg, open_shop, painted, served, sighted, stripes

from bentos.detector_client import FoundThing, RemoteDetector
from bentos.reader_client import ReadWord, read_remotely
from photosearch.assembly_perception import seeing_of
from photosearch.assembly_serving import load_served_detector, load_served_reader
from photosearch.errors import BadArtifact, BadParams, EncoderUnavailable, UnknownQuery
from photosearch.home import Home
from photosearch.index.filters import CardFilter
from photosearch.perception.reader import Doubt, Word
from photosearch.perception_settings import DetectorParams, OcrParams
from photosearch.search.articles import exact_first
from photosearch.search.found import FoundCard
from photosearch.search.kept import Kept
from photosearch.search.policies import Dropped, Policed
from photosearch.search.query import Query, SearchRequest
from photosearch.search.schemas import DetectResponse, ReadArticles, Reason, SearchResponse
from photosearch.search.seeing import read_seeing, write_seeing
from photosearch.search.steps import Reranker

SHELF = painted(colour("red"), colour("red"), colour("blue"))
PHOTO = jpeg(SHELF)
RED, BLUE = (0.0, 0.0, 266.0, 300.0), (267.0, 0.0, 400.0, 300.0)  # JPEG mixes one column
ARTICLE_OF_VIOLET = Word("KR-4824", 0.99, (60, 20, 190, 64), 0)
OCR = OcrParams(reader="rapidocr", side_px=640, confidence_min=0.5, threads=1)
DETECTOR = DetectorParams(
    model="ours", file="", classes="", confidence_min=0.3, overlap_max=0.6, masks=False, threads=1
)


@pytest.fixture(scope="module")
def blind(tmp_path_factory: pytest.TempPathFactory) -> SmallShop:
    return open_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def shop(blind: SmallShop) -> SmallShop:
    """Finds stripes; reads the article of the violet scarf on every photo."""
    return sighted(blind, lambda _: [ARTICLE_OF_VIOLET], wait_ms=60_000)


def ids(answer: SearchResponse) -> list[str]:
    return [card.card.card_id for card in answer.cards]


def test_the_likeliest_thing_is_searched_and_all_come_back(shop: SmallShop):
    answer = shop.pipeline.answer(SearchRequest(PHOTO))
    assert [(thing.box, thing.is_chosen) for thing in answer.objects] == [
        (RED, True),
        (BLUE, False),
    ]
    assert answer.box == RED
    assert answer.objects[0].confidence == pytest.approx(266 / 400, abs=0.01)
    assert ids(answer)[0] == "red"
    assert "objects" in answer.took_ms


def test_each_thing_can_be_searched_by_itself(shop: SmallShop):
    whole = shop.pipeline.answer(SearchRequest(PHOTO))
    again = shop.pipeline.answer(SearchRequest(PHOTO, box=whole.objects[0].box))
    other = shop.pipeline.answer(SearchRequest(PHOTO, box=whole.objects[1].box))
    assert again.cards == whole.cards
    assert again.objects == whole.objects
    assert ids(other)[0] == "blue"
    assert [thing.is_chosen for thing in other.objects] == [False, True]


def test_a_box_drawn_by_hand_is_a_box_like_any_other(shop: SmallShop):
    answer = shop.pipeline.answer(SearchRequest(PHOTO, box=(280, 20, 390, 280)))
    assert ids(answer)[0] == "blue"
    assert [thing.is_chosen for thing in answer.objects] == [False, False]


def test_where_nothing_is_found_the_whole_photo_is_searched(shop: SmallShop, blind: SmallShop):
    unseeing = replace(shop.pipeline, objects=lambda _: [])
    assert unseeing.answer(SearchRequest(PHOTO)).box is None
    answer = blind.pipeline.answer(SearchRequest(PHOTO))
    assert (answer.box, answer.objects) == (None, [])
    assert "objects" not in answer.took_ms


def test_boxes_are_whole_pixels_round_the_thing_and_at_most_twenty(shop: SmallShop):
    (thing, *_) = stripes(SHELF)
    crooked = [replace(thing, box=(10.2, 0.9, 90.1, 299.5))] * 30
    answer = replace(shop.pipeline, objects=lambda _: crooked).answer(SearchRequest(PHOTO))
    assert answer.box == (10, 0, 91, 300)
    assert len(answer.objects) == 20


def test_a_card_whose_article_is_on_the_photo_is_told_apart(shop: SmallShop):
    answer = shop.pipeline.answer(SearchRequest(PHOTO))
    assert answer.articles.state == "read"
    assert [card.card_id for card in answer.articles.cards] == ["violet"]
    (found,) = answer.articles.found
    assert (found.article, found.match, found.card_ids) == ("KR4824", "exact", ["violet"])
    assert ids(answer)[0] == "red"
    first = [card.card_id for card in exact_first(answer.articles.cards, answer.cards)]
    assert first[:2] == ["violet", "red"]
    assert len(first) == 5


def test_a_near_article_moves_no_card(blind: SmallShop):
    misread = replace(ARTICLE_OF_VIOLET, text="KR-4829")
    articles = sighted(blind, lambda _: [misread], wait_ms=60_000).pipeline.answer(
        SearchRequest(PHOTO)
    )
    (found,) = articles.articles.found
    assert (found.match, len(found.card_ids)) == ("one_edit", 5)
    assert articles.articles.cards == []


def test_only_words_on_the_box_that_was_asked_for_count(shop: SmallShop):
    on_it = shop.pipeline.answer(SearchRequest(PHOTO, box=RED))
    beside = shop.pipeline.answer(SearchRequest(PHOTO, box=BLUE))
    assert [card.card_id for card in on_it.articles.cards] == ["violet"]
    assert beside.articles.found == []


def test_a_card_that_was_not_asked_for_is_not_brought_by_its_article(shop: SmallShop):
    cheap = SearchRequest(PHOTO, where=CardFilter(price_max=10))
    answer = shop.pipeline.answer(cheap)
    assert answer.articles.cards == []
    assert ids(answer) == ["red"]


class SlowReader:
    """Reads when it is let; counts what it has read."""

    def __init__(self) -> None:
        self.let, self.begun, self.n_read = threading.Event(), threading.Event(), 0

    def __call__(self, _: bytes) -> Sequence[Word]:
        self.begun.set()
        assert self.let.wait(30)
        self.n_read += 1
        return [ARTICLE_OF_VIOLET]


@pytest.fixture
def reader() -> Iterator[SlowReader]:
    reader = SlowReader()
    yield reader
    reader.let.set()


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


def test_pages_together_are_the_whole_answer(shop: SmallShop):
    whole = shop.pipeline.answer(SearchRequest(PHOTO))
    pages = [
        shop.pipeline.answer(SearchRequest(PHOTO, limit=2, offset=offset)) for offset in (0, 2, 4)
    ]
    assert [card for page in pages for card in page.cards] == whole.cards
    assert [len(page.cards) for page in pages] == [2, 2, 1]
    assert {page.n_found for page in pages} == {5}
    assert [card.rank for card in pages[1].cards] == [3, 4]
    assert shop.pipeline.answer(SearchRequest(PHOTO, offset=1000)).cards == []


def test_facets_tell_what_there_was_before_it_was_narrowed(shop: SmallShop):
    answer = shop.pipeline.answer(SearchRequest(PHOTO, where=CardFilter(price_min=12)))
    assert sorted(ids(answer)) == ["violet", "yellow"]
    assert (answer.facets.price_min, answer.facets.price_max) == (9.5, 13.5)
    assert answer.facets.rating_max is None
    assert [(value.value, value.n_cards) for value in answer.facets.categories] == [
        (["Home"], 5),
        (["Home", "Colour"], 5),
    ]
    assert [value.value for value in answer.facets.brands] == [["Paint & Co"]]


def test_probabilities_come_from_the_calibration(shop: SmallShop, blind: SmallShop):
    answer = shop.pipeline.answer(SearchRequest(PHOTO))
    best = answer.cards[0]
    assert best.probability == pytest.approx(1 / (1 + np.exp(7 - 10 * best.cosine)), abs=1e-4)
    assert answer.is_confident is True
    strange = shop.pipeline.answer(SearchRequest(jpeg(painted((90, 90, 90)))))
    assert strange.is_confident is False
    uncalibrated = blind.pipeline.answer(SearchRequest(PHOTO))
    assert (uncalibrated.is_confident, uncalibrated.cards[0].probability) == (None, None)


def test_reasons_are_told_on_request_only(shop: SmallShop):
    plain = shop.pipeline.answer(SearchRequest(PHOTO)).cards[0]
    told = shop.pipeline.answer(SearchRequest(PHOTO, explain=True)).cards[0]
    assert plain.reasons == []
    assert [(reason.step, reason.what) for reason in told.reasons] == [
        ("candidates", "cosine"),
        ("candidates", "votes"),
    ]
    total = sum(reason.value for reason in told.reasons if reason.value is not None)
    assert total == pytest.approx(told.score, abs=1e-5)


def test_later_steps_run_in_the_order_of_the_story(shop: SmallShop):
    def step(name: str) -> Callable[[Sequence[FoundCard], Query], list[FoundCard]]:
        def backwards(found: Sequence[FoundCard], query: Query) -> list[FoundCard]:
            assert query.part.size == (266, 300)
            assert query.vector.shape == (64,)
            reason = Reason(step=name, what="backwards")
            return [replace(card, reasons=(*card.reasons, reason)) for card in found[::-1]]

        return backwards

    def all_but_the_last(found: Sequence[FoundCard]) -> Policed:
        return Policed(list(found[:-1]), [Dropped(found[-1])])

    names = ["late_interaction", "rerank"]
    whole = replace(
        shop.pipeline,
        late_interaction=step("late_interaction"),
        rerank=lambda: Reranker("state", step("rerank")),
        policies=all_but_the_last,
    )
    request = SearchRequest(PHOTO, explain=True)
    answer = whole.answer(request)
    before = ids(shop.pipeline.answer(request))
    assert (ids(answer), [card.card_id for card in answer.dropped]) == (before[:-1], before[-1:])
    assert [reason.step for reason in answer.cards[0].reasons[2:]] == names
    stages = ["decode", "objects", "crop", "embed", "candidates", "enrich", "facets", "rank"]
    assert list(answer.took_ms) == [*stages, *names, "policies", "articles", "total"]


@pytest.fixture
def api(blind: SmallShop, reader: SlowReader) -> Iterator[httpx.Client]:
    with (
        served(sighted(blind, reader)) as address,
        httpx.Client(base_url=address, timeout=20) as client,
    ):
        yield client


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


def test_detect_tells_things_and_searches_none(api: httpx.Client):
    response = api.post("/v1/detect", files={"photo": ("shelf.jpg", PHOTO)})
    answer = DetectResponse.model_validate(response.json())
    assert [thing.box for thing in answer.objects] == [RED, BLUE]
    assert (answer.width, answer.height) == (400, 300)
    assert list(answer.took_ms) == ["decode", "objects", "total"]
    refused = api.post("/v1/detect", files={"photo": ("a.jpg", PHOTO)}, data={"limit": "3"})
    assert refused.status_code == 400
    assert "Part 'limit' is unknown. Send photo." in refused.json()["detail"]
    assert api.post("/v1/detect", files={"photo": ("a.jpg", b"x")}).status_code == 422


def test_a_release_carries_what_it_looks_at_photos_with(tmp_path: Path):
    assert read_seeing(tmp_path) is None
    assert load_served_detector_of(tmp_path) is None
    seeing, graph = seeing_of(DETECTOR, OCR, Home(tmp_path))
    write_seeing(tmp_path, seeing, graph=graph)
    assert read_seeing(tmp_path) == seeing
    less_sure = DETECTOR.model_copy(update={"confidence_min": 0.2})
    assert seeing_of(less_sure, OCR, Home(tmp_path))[0].id != seeing.id
    (tmp_path / "seeing" / "seeing.json").write_text("{}")
    with pytest.raises(BadArtifact, match="does not say how to look at photos"):
        read_seeing(tmp_path)


def test_without_a_detector_and_a_reader_a_release_says_so(tmp_path: Path):
    params, ocr = DETECTOR.model_copy(update={"model": "none"}), OCR.model_copy()
    seeing, graph = seeing_of(params, ocr.model_copy(update={"reader": "off"}), Home(tmp_path))
    assert (seeing.detector, graph) == (None, None)
    write_seeing(tmp_path, seeing, graph=graph)
    assert [path.name for path in (tmp_path / "seeing").iterdir()] == ["seeing.json"]
    assert load_served_detector_of(tmp_path) is None


def test_masks_are_refused_in_a_release(tmp_path: Path):
    with pytest.raises(BadParams, match="a search cuts boxes out with what is behind"):
        seeing_of(DETECTOR.model_copy(update={"masks": True}), OCR, Home(tmp_path))


def load_served_detector_of(folder: Path):
    from types import SimpleNamespace

    release = SimpleNamespace(folder=folder)
    if (seeing := read_seeing(folder)) is not None and seeing.ocr.reader == "off":
        assert load_served_reader(release) is None
    return load_served_detector(release)


def test_a_remote_detector_finds_what_the_detector_finds(tmp_path: Path):
    unsure = DETECTOR.model_copy(update={"confidence_min": 0.02})
    seeing, graph = seeing_of(unsure, OCR, Home(tmp_path))
    write_seeing(tmp_path, seeing, graph=graph)
    here = load_served_detector_of(tmp_path)
    assert here is not None
    assert seeing.detector is not None
    sent: list[tuple[int, ...]] = []

    def find(pixels: np.ndarray, size: tuple[int, int]) -> list[FoundThing]:
        sent.append(pixels.shape)
        things = here.find_on(Image.fromarray(pixels), size)
        return [FoundThing(box=t.box, confidence=t.confidence, name=t.name) for t in things]

    photo = painted((240, 240, 235), (200, 40, 40), (240, 240, 235), size=(700, 500))
    remote = RemoteDetector(seeing.detector, find)
    found = [(thing.box, thing.confidence, thing.name) for thing in remote.find(photo)]
    assert found == [(thing.box, thing.confidence, thing.name) for thing in here.find(photo)]
    assert found != []
    assert sent[0] == (320, 320, 3)


def test_a_detector_that_is_away_is_unavailable(tmp_path: Path):
    seeing, _ = seeing_of(DETECTOR, OCR, Home(tmp_path))
    assert seeing.detector is not None

    def away(*_: object) -> list[FoundThing]:
        raise ConnectionResetError("gone")

    with pytest.raises(EncoderUnavailable, match="The detector does not answer"):
        RemoteDetector(seeing.detector, away).find(SHELF)


def test_words_cross_the_wire_as_they_are():
    word = Word("KR-4821", 0.9, (1.0, 2.0, 3.0, 4.0), 2, (Doubt(3, "6", 0.4),))

    def read(photo: np.ndarray) -> list[ReadWord]:
        assert photo.tobytes() == b"the photo"
        return [ReadWord.model_validate_json(ReadWord.of(word).model_dump_json())]

    assert read_remotely(b"the photo", read) == [word]
