"""Maps of searches that asked why: kept for minutes, drawn by the release that answered."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from small_shop import SmallShop, colour, jpeg, open_shop, painted, served

from bentos.maps import DRAWN_AT_ONCE, WAITING_MAX
from photosearch.errors import EncoderUnavailable
from photosearch.search.enrich import CardFactsTable
from photosearch.search.kept import Kept
from photosearch.search.map_desk import PHOTOS_KEPT, Explained, MapDesk, MapWanted
from photosearch.search.schemas import SearchResponse

PNG = b"\x89PNG..."
NOBODY = "0" * 32


class Drawer:
    """Draws nothing, and notes what it was asked for."""

    def __init__(self) -> None:
        self.wanted: list[MapWanted] = []
        self.png = PNG
        self.draw: Callable[[], object] = lambda: None

    def __call__(self, wanted: MapWanted) -> bytes:
        self.wanted.append(wanted)
        self.draw()
        return self.png


@pytest.fixture
def drawer() -> Drawer:
    return Drawer()


@pytest.fixture
def photos() -> Kept[str, Explained]:
    return Kept(n_max=PHOTOS_KEPT, keep_s=600)


@pytest.fixture
def shop(tmp_path: Path, drawer: Drawer, photos: Kept[str, Explained]) -> SmallShop:
    shop = open_shop(tmp_path)
    return replace(shop, pipeline=replace(shop.pipeline, maps=desk_of(shop, photos, drawer)))


def desk_of(shop: SmallShop, photos: Kept[str, Explained], drawer: Drawer, name="r1") -> MapDesk:
    cards = CardFactsTable(shop.release.cards, shop.release.thumbnail_table)
    return MapDesk(name, cards, photos, drawer)


def asked(api: httpx.Client, photo: bytes, **parts: str) -> SearchResponse:
    answer = api.post("/v1/search", files={"photo": ("p.jpg", photo)}, data=parts)
    return SearchResponse.model_validate(answer.json())


def test_an_explained_search_has_a_map_of_the_part_that_was_searched(
    shop: SmallShop, drawer: Drawer
):
    photo = jpeg(painted(colour("red"), colour("blue")))
    with served(shop) as address, httpx.Client(base_url=address, timeout=60) as api:
        answer = asked(api, photo, explain="true", box="0,0,200,300")
        drawn = api.get(f"/v1/queries/{answer.query_id}/maps")
        beside = api.get(f"/v1/queries/{answer.query_id}/maps", params={"card": "red"})
    assert (drawn.status_code, drawn.content) == (200, PNG)
    assert drawn.headers["content-type"] == "image/png"
    assert drawn.headers["cache-control"] == "private, no-store"
    assert beside.status_code == 200
    alone, with_card = drawer.wanted
    assert alone == MapWanted("r1", photo, (0.0, 0.0, 200.0, 300.0), "")
    assert (shop.release.thumbnails / with_card.thumbnail).is_file()


def test_a_search_that_asked_for_no_reasons_leaves_no_photo(
    shop: SmallShop, photos: Kept[str, Explained]
):
    with served(shop) as address, httpx.Client(base_url=address, timeout=60) as api:
        answer = asked(api, jpeg(painted(colour("red"))))
        drawn = api.get(f"/v1/queries/{answer.query_id}/maps")
    assert len(photos) == 0
    assert drawn.status_code == 404
    assert "Search again with explain=true" in drawn.json()["detail"]


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        (f"{NOBODY}/maps", 404, "There is no photo of query"),
        ("x/maps", 404, "'x' is no query"),
        (f"{NOBODY}/maps?card=a&card=b", 400, "'card' is unknown or there twice"),
        (f"{NOBODY}/maps?address=http://x", 400, "'address' is unknown"),
        (f"{NOBODY}/maps?card=", 400, "Send 1 to 200"),
    ],
)
def test_what_cannot_be_drawn_is_told(shop: SmallShop, path: str, status: int, told: str):
    with served(shop) as address, httpx.Client(base_url=address, timeout=60) as api:
        answer = api.get(f"/v1/queries/{path}")
    assert answer.status_code == status
    assert told in answer.json()["detail"]


def test_maps_that_hang_are_503_within_the_deadline_and_few_wait_for_them(
    shop: SmallShop, drawer: Drawer
):
    let_go = threading.Event()
    drawer.draw = lambda: let_go.wait(60)
    hurried = replace(shop, access=replace(shop.access, deadline_s=8.0))
    n_asked = DRAWN_AT_ONCE + WAITING_MAX + 4
    with (
        served(hurried) as address,
        httpx.Client(base_url=address, timeout=60) as api,
        ThreadPoolExecutor(n_asked) as clients,
    ):
        query_id = asked(api, jpeg(painted(colour("red"))), explain="1").query_id
        paths = [f"/v1/queries/{query_id}/maps"] * n_asked
        try:
            told = list(clients.map(api.get, paths))
        finally:
            let_go.set()
    assert {one.status_code for one in told} == {503}
    assert all(int(one.headers["retry-after"]) > 0 for one in told)
    details = [one.json()["detail"] for one in told]
    assert any("no answer after 8 s" in detail for detail in details)
    assert any("Too much is asked at once" in detail for detail in details)
    assert len(drawer.wanted) == DRAWN_AT_ONCE


def test_a_card_without_a_picture_and_a_model_without_attention_are_told(
    shop: SmallShop, drawer: Drawer
):
    with served(shop) as address, httpx.Client(base_url=address, timeout=60) as api:
        answer = asked(api, jpeg(painted(colour("red"))), explain="1")
        no_card = api.get(f"/v1/queries/{answer.query_id}/maps", params={"card": "nobody"})
        drawer.png = b""
        no_map = api.get(f"/v1/queries/{answer.query_id}/maps")
    assert (no_card.status_code, no_map.status_code) == (404, 404)
    assert "has no picture of card 'nobody'" in no_card.json()["detail"]
    assert "tells of no attention" in no_map.json()["detail"]


def test_a_process_that_draws_no_more_is_a_503(shop: SmallShop, photos: Kept[str, Explained]):
    def away(_: MapWanted) -> bytes:
        raise EncoderUnavailable("gone")

    desk = desk_of(shop, photos, away)  # type: ignore[arg-type]
    shop = replace(shop, pipeline=replace(shop.pipeline, maps=desk))
    with served(shop) as address, httpx.Client(base_url=address, timeout=60) as api:
        answer = asked(api, jpeg(painted(colour("red"))), explain="1")
        drawn = api.get(f"/v1/queries/{answer.query_id}/maps")
    assert (drawn.status_code, drawn.headers["retry-after"]) == (503, "5")


def test_after_a_switch_a_search_is_explained_by_the_release_that_answered(
    shop: SmallShop, photos: Kept[str, Explained], drawer: Drawer
):
    with served(shop) as address, httpx.Client(base_url=address, timeout=60) as api:
        before = asked(api, jpeg(painted(colour("red"))), explain="1")
        desk = desk_of(shop, photos, drawer, "r2")
        shop.pipeline = replace(shop.pipeline, maps=desk)
        after = asked(api, jpeg(painted(colour("red"))), explain="1")
        for answer in (before, after):
            assert api.get(f"/v1/queries/{answer.query_id}/maps").status_code == 200
    assert [wanted.release for wanted in drawer.wanted] == ["r1", "r2"]


def test_only_the_last_photos_are_kept(shop: SmallShop, photos: Kept[str, Explained]):
    with served(shop) as address, httpx.Client(base_url=address, timeout=60) as api:
        first = asked(api, jpeg(painted(colour("red"))), explain="1")
        for _ in range(PHOTOS_KEPT):
            asked(api, jpeg(painted(colour("blue"))), explain="1")
        assert api.get(f"/v1/queries/{first.query_id}/maps").status_code == 404
    assert len(photos) == PHOTOS_KEPT
