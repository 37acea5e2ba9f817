"""Late interaction and maps over the real services: as they are offline, and torch nowhere."""

import io
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from real_release import Service, open_real_shop, real_service
from small_shop import PAINTS, colour, jpeg, painted

from bentos.looking import load_looker
from photosearch.assembly_search import Eyes, complete, finder_of, release_ids
from photosearch.assembly_serving import load_served_embedder, open_index
from photosearch.home import Home
from photosearch.ranking_settings import OnlineParams
from photosearch.release import Release
from photosearch.search.enrich import CardFactsTable
from photosearch.search.features import FEATURES
from photosearch.search.learned_order import save_online
from photosearch.search.online_ranker import OnlineState, save_state
from photosearch.search.pipeline import make_pipeline
from photosearch.search.query import SearchRequest
from photosearch.search.reading_room import ReadingRoom
from photosearch.search.schemas import Reason, SearchResponse
from photosearch.settings import Services

pytestmark = pytest.mark.slow

SERVICES = Services(encoder_threads=1)
ONLINE = OnlineParams(
    use=True, margin=5.0, places_max=5, learning_rate=0.1, weight_max=2.0, decay=1.0
)
FOLLOWED_WITHIN_S = 120
PHOTOS = [
    jpeg(painted(colour(left), colour(right), size=(200, 200)))
    for left in PAINTS
    for right in PAINTS
    if left < right
]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return open_real_shop(tmp_path_factory.mktemp("seeing"), sees=True).release


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Where clicks are learned from; nothing was learned yet."""
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def service(
    release: Release, home: Home, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("bentoml")
    save_online(release.folder, ONLINE)
    with real_service(
        folder, PHOTOSEARCH_RELEASE=str(release.folder), PHOTOSEARCH_HOME=str(home.root)
    ) as started:
        yield started


def offline(release: Release, *, has_tokens: bool) -> list[SearchResponse]:
    """The answers of the same steps in this process, by the release's own graph."""
    looker = load_looker(release, SERVICES)
    cards = CardFactsTable(release.cards, release.thumbnail_table)
    room = ReadingRoom(lambda _: [], waiting_max=1)
    embedder = load_served_embedder(release, SERVICES)
    with closing(open_index(release, SERVICES)) as index, finder_of(release, index) as finder:
        plain = make_pipeline(release_ids(release), embedder, finder=finder, cards=cards)
        eyes = Eyes(lambda _: lambda _: list, room, 0)
        whole = complete(plain, release, cards=cards, index=index, eyes=eyes)
        whole = replace(whole, embed=lambda photo: looker.look([photo], False)[0])
        if not has_tokens:
            whole = replace(whole, late_interaction=None)
        return [whole.answer(request_of(photo)) for photo in PHOTOS]


def request_of(photo: bytes) -> SearchRequest:
    return SearchRequest(photo, box=(0, 0, 200, 200), explain=True)


def order(answer: SearchResponse) -> list[str]:
    return [card.card.card_id for card in answer.cards]


def asked(service: Service, photo: bytes) -> SearchResponse:
    response = service.api.post(
        "/v1/search", files={"photo": ("p.jpg", photo)},
        data={"explain": "true", "box": "0,0,200,200"},
    )  # fmt: skip
    return SearchResponse.model_validate(response.json())


def test_served_tokens_order_cards_as_they_do_offline(service: Service, release: Release):
    with_tokens = offline(release, has_tokens=True)
    for photo, wanted in zip(PHOTOS, with_tokens, strict=True):
        answer = asked(service, photo)
        assert order(answer) == order(wanted)
        scores = [[card.score for card in one.cards] for one in (answer, wanted)]
        np.testing.assert_allclose(*scores, atol=0.02)  # bf16, in another batch
        assert "late_interaction" in answer.took_ms
        assert "late_interaction" in {r.step for card in answer.cards for r in card.reasons}
    without = offline(release, has_tokens=False)
    assert [order(one) for one in with_tokens] != [order(one) for one in without]


def test_a_map_is_drawn_over_the_part_and_beside_a_card(service: Service):
    answer = asked(service, PHOTOS[0])
    maps = f"/v1/queries/{answer.query_id}/maps"
    drawn = service.api.get(maps)
    assert drawn.status_code == 200, drawn.text
    with Image.open(io.BytesIO(drawn.content)) as alone:
        assert (alone.format, alone.size) == ("PNG", (200, 200))
    beside = service.api.get(maps, params={"card": answer.cards[0].card.card_id})
    with Image.open(io.BytesIO(beside.content)) as pair:
        assert pair.width > 2 * 200


def test_no_process_that_draws_or_compares_runs_torch(service: Service):
    for name in ("search", "encoder", "reader"):
        (pid,) = service.workers(name)
        assert "libtorch" not in Path(f"/proc/{pid}/maps").read_text()


def test_what_clicks_taught_reaches_running_searches_and_is_named(service: Service, home: Home):
    before = asked(service, PHOTOS[0])
    assert before.learned == OnlineState().state_id
    assert not reasons(before, "rerank")
    taught = OnlineState(weights=[-2.0 if name == "score" else 0.0 for name in (*FEATURES, "1")])
    save_state(home.states, taught)
    until = time.monotonic() + FOLLOWED_WITHIN_S
    while (after := asked(service, PHOTOS[0])).learned != taught.state_id:
        assert time.monotonic() < until
        time.sleep(0.2)
    assert reasons(after, "rerank")
    assert order(after) != order(before)
    assert order(asked(service, PHOTOS[0])) == order(after)


def reasons(answer: SearchResponse, step: str) -> list[Reason]:
    return [reason for card in answer.cards for reason in card.reasons if reason.step == step]
