"""Things on a photo, articles on it, and what an answer tells of both."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import httpx
import numpy as np
import pytest
import seen_shelf
from PIL import Image
from seen_shelf import ARTICLE_OF_VIOLET, PHOTO, SHELF, ids
from small_shop import CALIBRATION, SmallShop, jpeg, painted, sighted, stripes

from photosearch.index.filters import CardFilter
from photosearch.perception.detector import Found
from photosearch.search.articles import ArticleDesk
from photosearch.search.found import FoundCard
from photosearch.search.policies import Dropped, Policed
from photosearch.search.query import Query, SearchRequest
from photosearch.search.rank import best_first
from photosearch.search.schemas import DetectResponse, Reason
from photosearch.search.steps import Reranker

blind = seen_shelf.blind
shop = seen_shelf.shop
reader = seen_shelf.reader
api = seen_shelf.api
RED, BLUE = (0.0, 0.0, 266.0, 300.0), (267.0, 0.0, 400.0, 300.0)  # JPEG mixes one column


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


def test_while_the_detector_looks_the_photo_begins_to_be_read(
    shop: SmallShop, monkeypatch: pytest.MonkeyPatch
):
    done: list[str] = []
    monkeypatch.setattr(ArticleDesk, "start", lambda *_: done.append("begins to read"))

    def look(photo: Image.Image) -> Callable[[], Sequence[Found]]:
        done.append("begins to look")

        def wait() -> Sequence[Found]:
            done.append("has found")
            return stripes(photo)

        return wait

    replace(shop.pipeline, objects=look).answer(SearchRequest(PHOTO))
    assert done[:3] == ["begins to look", "begins to read", "has found"]
    done.clear()
    replace(shop.pipeline, objects=None).answer(SearchRequest(PHOTO))
    assert done[:1] == ["begins to read"]


def test_where_nothing_is_found_the_whole_photo_is_searched(shop: SmallShop, blind: SmallShop):
    unseeing = replace(shop.pipeline, objects=lambda _: list)
    assert unseeing.answer(SearchRequest(PHOTO)).box is None
    answer = blind.pipeline.answer(SearchRequest(PHOTO))
    assert (answer.box, answer.objects) == (None, [])
    assert "objects" not in answer.took_ms


def test_boxes_are_whole_pixels_round_the_thing_and_at_most_twenty(shop: SmallShop):
    (thing, *_) = stripes(SHELF)
    crooked = [replace(thing, box=(10.2, 0.9, 90.1, 299.5))] * 30
    answer = replace(shop.pipeline, objects=lambda _: lambda: crooked).answer(SearchRequest(PHOTO))
    assert answer.box == (10, 0, 91, 300)
    assert len(answer.objects) == 20


def test_a_card_whose_article_is_on_the_photo_is_told_apart(shop: SmallShop):
    answer = shop.pipeline.answer(SearchRequest(PHOTO))
    assert answer.articles.state == "read"
    assert [card.card_id for card in answer.articles.cards] == ["violet"]
    (found,) = answer.articles.found
    assert (found.article, found.match, found.card_ids) == ("KR4824", "exact", ["violet"])
    assert ids(answer)[0] == "red"
    assert len(answer.cards) == 5  # the page puts it before them: test_page_sight.py


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
    for card in answer.cards:
        assert card.probability == pytest.approx(1 / (1 + np.exp(7 - 10 * card.score)), abs=1e-4)
    assert answer.is_confident is True
    strange = shop.pipeline.answer(SearchRequest(jpeg(painted((90, 90, 90)))))
    assert strange.is_confident is False
    uncalibrated = blind.pipeline.answer(SearchRequest(PHOTO))
    assert (uncalibrated.is_confident, uncalibrated.cards[0].probability) == (None, None)


def test_probabilities_follow_the_ranker_and_never_rise_down_the_page(shop: SmallShop):
    def farthest_first(found: Sequence[FoundCard], _: object) -> list[FoundCard]:
        far = max(found, key=lambda card: -card.cosine)
        return best_first([c._replace(score=0.99 if c is far else c.score / 4) for c in found])

    def last_to_second(found: Sequence[FoundCard], _: object) -> list[FoundCard]:
        return [found[0], found[-1], *found[1:-1]]

    ranked = replace(shop.pipeline, rank=farthest_first)
    by_score = ranked.answer(SearchRequest(PHOTO))
    assert by_score.cards[0].cosine == min(card.cosine for card in by_score.cards)
    assert by_score.cards[0].probability > 0.9
    assert by_score.is_confident is True
    moved = replace(ranked, late_interaction=last_to_second).answer(SearchRequest(PHOTO))
    said = [card.probability for card in moved.cards]
    assert said == sorted(said, reverse=True)
    assert sum(said) == pytest.approx(sum(c.probability for c in by_score.cards), abs=1e-3)
    page = replace(ranked, late_interaction=last_to_second).answer(
        SearchRequest(PHOTO, offset=1, limit=2)
    )
    assert [card.probability for card in page.cards] == said[1:3]


def test_a_ranker_that_fails_leaves_no_probabilities(shop: SmallShop):
    def fails(*_: object) -> list[FoundCard]:
        raise RuntimeError

    unsure = replace(CALIBRATION, abstention=replace(CALIBRATION.abstention, score=None))
    for calibration in (CALIBRATION, unsure):
        failing = replace(shop.pipeline, rank=fails, calibration=calibration)
        answer = failing.answer(SearchRequest(PHOTO))
        assert answer.degraded == ["rank"]
        assert (answer.cards[0].probability, answer.is_confident) == (None, None)


def test_where_all_cards_are_as_likely_no_search_is_sure(shop: SmallShop):
    flat = replace(shop.pipeline, calibration=replace(CALIBRATION, slope=0.0, intercept=2.0))
    answer = flat.answer(SearchRequest(PHOTO))
    assert (answer.cards[0].probability, answer.is_confident) == (0.8808, False)


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
            return [card._replace(reasons=(*card.reasons, reason)) for card in found[::-1]]

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
