"""Who is asked for a query: photos, words, both, moved by likes; over HTTP too."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import httpx
import pytest
from small_shop import (
    CALIBRATION,
    SmallShop,
    colour,
    jpeg,
    open_shop,
    painted,
    served,
    with_words,
)

from photosearch.errors import BadRequest
from photosearch.index.filters import CardFilter
from photosearch.search.found import FoundCard
from photosearch.search.pipeline import SearchPipeline
from photosearch.search.query import Query, SearchRequest
from photosearch.search.schemas import CardsResponse, SearchResponse

GREEN = jpeg(painted(colour("green")))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallShop]:
    with with_words(open_shop(tmp_path_factory.mktemp("shop"))) as shop:
        yield shop


@pytest.fixture(scope="module")
def pipeline(shop: SmallShop) -> SearchPipeline:
    return shop.pipeline


@pytest.fixture(scope="module")
def api(shop: SmallShop) -> Iterator[httpx.Client]:
    with served(shop) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield client


def ids(answer: SearchResponse | CardsResponse) -> list[str]:
    return [card.card.card_id for card in answer.cards]


@pytest.mark.parametrize("words", ["green kettle", "Зелёный чайник", "зеленые чайники"])
def test_words_alone_find_a_card_in_both_languages(pipeline: SearchPipeline, words: str):
    answer = pipeline.answer_words(SearchRequest(text=words))
    assert ids(answer)[0] == "green"
    assert answer.cards[0].probability is None  # calibrated on photos alone


def test_words_beside_a_photo_bring_their_card_up(pipeline: SearchPipeline):
    without = ids(pipeline.answer(SearchRequest(GREEN)))
    with_red = ids(pipeline.answer(SearchRequest(GREEN, text="red")))
    assert without.index("red") > with_red.index("red")
    assert with_red[0] in {"green", "red"}


def test_beside_words_no_card_has_a_probability(pipeline: SearchPipeline):
    sure = replace(pipeline, calibration=CALIBRATION)
    assert sure.answer(SearchRequest(GREEN)).cards[0].probability == 1.0
    answer = sure.answer(SearchRequest(GREEN, text="red"))
    assert {card.probability for card in answer.cards} == {None}
    assert answer.is_confident is None


@pytest.mark.parametrize("text, more", [("", "votes"), ("red", "words")])
def test_what_came_to_the_likeness_is_told_by_its_name(
    pipeline: SearchPipeline, text: str, more: str
):
    answer = pipeline.answer(SearchRequest(GREEN, text=text, explain=True))
    candidates = [one for one in answer.cards[0].reasons if one.step == "candidates"]
    assert [one.what for one in candidates] == ["cosine", more]


def test_who_ranks_knows_what_is_near_and_how_well_words_fit(pipeline: SearchPipeline):
    asked: list[Query] = []

    def rank(found: Sequence[FoundCard], query: Query) -> list[FoundCard]:
        asked.append(query)
        return list(found)

    watched = replace(pipeline, rank=rank)
    watched.answer(SearchRequest(GREEN))
    watched.answer(SearchRequest(GREEN, text="red"))
    alone, with_words = asked
    assert alone.hits[0].card_id == "green"
    assert alone.text_scores is None
    assert with_words.hits == alone.hits  # no refiner moves the photo here
    assert with_words.text_scores is not None
    assert with_words.text_scores["red"] == 1


def test_a_liked_card_comes_nearer_and_a_disliked_one_goes_away(pipeline: SearchPipeline):
    def cosine(request: SearchRequest) -> float:
        found = {card.card.card_id: card.cosine for card in pipeline.answer(request).cards}
        return found["blue"]

    plain = cosine(SearchRequest(GREEN))
    assert cosine(SearchRequest(GREEN, liked=("blue",))) > plain
    assert cosine(SearchRequest(GREEN, disliked=("blue",))) < plain


def test_likes_of_cards_that_are_gone_change_nothing(pipeline: SearchPipeline):
    plain, gone = (
        pipeline.answer(SearchRequest(GREEN, liked=liked)).cards for liked in ((), ("gone",))
    )
    assert plain == gone


def test_a_filter_narrows_the_cards_and_not_what_they_can_be_narrowed_by(pipeline: SearchPipeline):
    cheap = CardFilter(price_max=10.0)
    narrowed = pipeline.answer(SearchRequest(GREEN, where=cheap))
    assert narrowed.facets.price_max == 13.5
    assert {
        card.card.price for card in pipeline.answer(SearchRequest(GREEN, where=cheap)).cards
    } == {9.5}


def test_cards_like_a_card_leave_it_out(pipeline: SearchPipeline):
    answer = pipeline.answer_alike("green", SearchRequest())
    assert "green" not in ids(answer)
    assert len(answer.cards) == 4
    with pytest.raises(BadRequest, match="No photo of card 'gone' is in the index"):
        pipeline.answer_alike("gone", SearchRequest())


def test_words_are_asked_for_over_http(api: httpx.Client):
    response = api.post("/v1/search/text", files={"text": (None, "красный"), "limit": (None, "1")})
    assert response.status_code == 200
    assert ids(CardsResponse.model_validate(response.json())) == ["red"]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"limit": "1"}, "There are no words to search for"),
        ({"text": "red", "box": "1,2,3,4"}, "Part 'box' is unknown. Send limit, offset"),
        ({"text": "a" * 301}, "'text' has 301 characters"),
    ],
)
def test_words_that_cannot_be_searched_are_400(
    api: httpx.Client, parts: dict[str, str], words: str
):
    files = {name: (None, value) for name, value in parts.items()}
    response = api.post("/v1/search/text", files=files)
    assert (response.status_code, words in response.json()["detail"]) == (400, True)


def test_words_in_another_body_are_415(api: httpx.Client):
    response = api.post("/v1/search/text", json={"text": "red"})
    assert response.status_code == 415
    assert "Send -F text=WORDS" in response.json()["detail"]


def test_cards_like_a_card_are_asked_for_over_http(api: httpx.Client):
    response = api.get(
        "/v1/cards/green/similar", params={"limit": "2", "where": '{"price_max": 11}'}
    )
    assert response.status_code == 200
    answer = CardsResponse.model_validate(response.json())
    assert len(answer.cards) == answer.n_found == 1
    assert api.get("/v1/cards/gone/similar").status_code == 400
    unknown = api.get("/v1/cards/green/similar", params={"box": "1,2,3,4"}).json()["detail"]
    assert "'box' is unknown. Send limit, offset, where, explain" in unknown


def test_the_same_words_get_the_same_cards(pipeline: SearchPipeline):
    once, again = (
        pipeline.answer(SearchRequest(GREEN, text="kettle", liked=("red",))) for _ in range(2)
    )
    assert once.cards == again.cards
