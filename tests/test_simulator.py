"""The pretended marketplace: the same seed is the same world, and its truth is true."""

import dataclasses
import hashlib
import io
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image, ImageChops, ImageOps
from starlette.testclient import TestClient

from simulator.annotators import ANNOTATORS, answer
from simulator.marketplace import make_app
from simulator.photos import Picture, find_picture, gallery, resend_of, review_photos
from simulator.pictures import render
from simulator.spoilt import CHANGES
from simulator.sprites import SPRITE_PX, sprite
from simulator.world import World, card_page

ROOT = Path(__file__).parents[1]
WORLD = World(seed=7, n_cards=60)
LARGE = World(seed=7, n_cards=100_000)

NAMES = ("c000000-g0.jpg", "c000003-g1.jpg", "c000011-r0.jpg", "c000059-r3.jpg")


@pytest.fixture(scope="module")
def shop() -> Iterator[TestClient]:
    with TestClient(make_app(WORLD)) as client:
        yield client


def all_pages(shop: TestClient, what: str, limit: int) -> list[dict]:
    rows, cursor = [], ""
    while cursor is not None:
        page = shop.get(f"/v1/{what}", params={"limit": limit, "cursor": cursor}).json()
        assert len(page[what if what != "truth" else "cards"]) <= limit
        rows += page[what if what != "truth" else "cards"]
        cursor = page["next_cursor"]
    return rows


def fingerprint(world: World) -> str:
    parts = [render(world, find_picture(world, name)) for name in NAMES]
    parts += [repr(card_page(world, number)).encode() for number in (0, 11, 59)]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def of_nature(nature: str, limit: int = 4) -> list[Picture]:
    found = []
    for card in range(400):
        for picture in (*gallery(LARGE, card), *review_photos(LARGE, card)):
            if picture.nature == nature:
                found.append(picture)
            if len(found) == limit:
                return found
    return found


def original(picture: Picture) -> Picture:
    pictures = gallery if picture.kind == "gallery" else review_photos
    return pictures(LARGE, picture.card)[picture.of]


def opened(content: bytes) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")


def difference(a: Image.Image, b: Image.Image) -> float:
    """Mean difference of grey levels after shrinking both; 0 to 255."""
    small = [image.convert("L").resize((32, 32), Image.Resampling.BOX) for image in (a, b)]
    gaps = ImageChops.difference(*small).get_flattened_data()
    return sum(gaps) / 1024


def test_the_same_seed_gives_the_same_bytes_in_a_fresh_process():
    code = "import test_simulator as t; print(t.fingerprint(t.WORLD))"
    out = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT / "tests",
        env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "99"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout.strip() == fingerprint(WORLD)


def test_another_seed_is_another_world():
    other = dataclasses.replace(WORLD, seed=8)
    for name in NAMES[:3]:
        assert render(WORLD, find_picture(WORLD, name)) != render(other, find_picture(other, name))
    assert card_page(WORLD, 0)["title"] != card_page(other, 0)["title"]


def test_a_card_is_the_same_however_many_cards_there_are():
    assert [WORLD.product(n) for n in range(60)] == [LARGE.product(n) for n in range(60)]


def test_the_last_of_100_000_cards_is_there_at_once():
    with TestClient(make_app(LARGE)) as shop:
        (card,) = shop.get("/v1/cards?cursor=99999.0").json()["cards"]
        assert card["card_id"] == "c099999"
        assert opened(shop.get(card["images"][0]).content).size == (512, 512)


def test_there_are_at_least_12_kinds_of_product():
    assert len({product.look.kind for product in WORLD.products()}) >= 12


def test_a_third_of_cards_are_look_alikes_and_a_twentieth_are_sold_twice():
    roles = Counter(product.role for product in WORLD.products())
    assert 0.3 <= roles["look_alike"] / WORLD.n_cards <= 0.37
    assert roles["resale"] / WORLD.n_cards == 0.05


def test_a_look_alike_differs_in_exactly_one_attribute():
    for product in World(seed=3, n_cards=400).products():
        if product.role != "look_alike":
            continue
        source = LARGE_3.product(product.made_from)
        mine, theirs = attributes(product.look), attributes(source.look)
        assert [name for name in mine if mine[name] != theirs[name]] == [product.changed]
        assert product.article != source.article
        assert product.group_id != source.group_id


LARGE_3 = World(seed=3, n_cards=400)


def attributes(look) -> dict[str, object]:
    values = dataclasses.asdict(look)
    return values | values.pop("form")


def test_the_attribute_that_differs_can_be_seen():
    for product in WORLD.products():
        if product.role == "look_alike":
            source = WORLD.product(product.made_from)
            # the same article on both, so that it is not what differs
            a, b = (
                sprite(7, look, "KR-4821", 0).convert("RGB") for look in (product.look, source.look)
            )
            box = ImageChops.difference(a, b).convert("L").point(lambda v: 255 * (v > 40)).getbbox()
            assert box is not None
            assert max(box[2] - box[0], box[3] - box[1]) > SPRITE_PX * 0.05


def test_the_same_product_of_another_seller_has_other_pictures():
    resale = next(product for product in WORLD.products() if product.role == "resale")
    source = WORLD.product(resale.made_from)
    assert (resale.group_id, resale.look, resale.article) == (
        source.group_id,
        source.look,
        source.article,
    )
    assert resale.card_id != source.card_id
    pictures = [render(WORLD, gallery(WORLD, card.number)[0]) for card in (resale, source)]
    assert pictures[0] != pictures[1]


def test_products_are_never_repeated_and_articles_are_unique():
    products = [p for p in World(seed=5, n_cards=2000).products() if p.role != "resale"]
    assert len({product.look for product in products}) == len(products)
    assert len({product.article for product in products}) == len(products)


def test_titles_agree_in_gender_and_name_brand_and_article():
    cards = [card_page(LARGE, number) for number in range(24)]
    assert cards[10]["title"] == "Grey vase with blue diamonds, Granit SG-6482"
    assert cards[10]["title_ru"] == "Ваза серая с синими ромбами, Гранит SG-6482"
    assert cards[15]["title_ru"] == "Кружка чёрная с оранжевыми ромбами, Люмен FD-9317"


@pytest.mark.parametrize("limit", [7, 25, 1000])
def test_pages_walk_all_cards_exactly_once(shop: TestClient, limit: int):
    cards = all_pages(shop, "cards", limit)
    assert [card["card_id"] for card in cards] == [f"c{number:06d}" for number in range(60)]
    assert all(len(card["images"]) == 3 for card in cards)


@pytest.mark.parametrize("limit", [1, 37])
def test_pages_walk_all_reviews_exactly_once(shop: TestClient, limit: int):
    found = all_pages(shop, "reviews", limit)
    assert len({review["review_id"] for review in found}) == len(found)
    names = [name for review in found for name in review["images"]]
    expected = [f"/images/{p.name}" for card in range(60) for p in review_photos(WORLD, card)]
    assert names == expected
    assert all(review["text"] and 1 <= review["rating"] <= 5 for review in found)


def test_a_card_has_4_to_8_review_photos():
    counts = {len(review_photos(LARGE, card)) for card in range(300)}
    assert counts == {4, 5, 6, 7, 8}


def test_noise_is_as_rare_as_promised():
    natures = Counter(p.nature for card in range(3000) for p in review_photos(LARGE, card))
    shares = {nature: count / natures.total() for nature, count in natures.items()}
    assert shares["not_a_product"] == pytest.approx(0.04, abs=0.006)
    assert shares["exact_duplicate"] == pytest.approx(0.03, abs=0.006)
    assert shares["near_duplicate"] == pytest.approx(0.04, abs=0.006)
    assert shares["corrupt"] == pytest.approx(0.02, abs=0.005)
    for rare in ("screenshot", "person", "blurred", "dark"):
        assert shares[rare] == pytest.approx(0.01, abs=0.003)
    assert shares["wrong_product"] == pytest.approx(0.015, abs=0.004)


def test_truth_lists_every_picture_of_every_card(shop: TestClient):
    truth = all_pages(shop, "truth", 50)
    told = {p["image"]: p["nature"] for card in truth for p in card["pictures"]}
    shown = [name for card in all_pages(shop, "cards", 50) for name in card["images"]]
    shown += [name for r in all_pages(shop, "reviews", 100) for name in r["images"]]
    assert sorted(told) == sorted(shown)
    assert {card["role"] for card in truth} == {"original", "look_alike", "resale"}


@pytest.mark.parametrize("nature", ["exact_duplicate", "repeated"])
def test_duplicates_are_the_same_bytes(nature: str):
    for picture in of_nature(nature):
        assert render(LARGE, picture) == render(LARGE, original(picture))


def test_near_duplicates_are_other_bytes_of_the_same_photo():
    pictures = of_nature("near_duplicate", limit=12)
    photos = [(render(LARGE, picture), render(LARGE, original(picture))) for picture in pictures]
    for picture, (mine, theirs) in zip(pictures, photos, strict=True):
        assert mine != theirs
        if resend_of(LARGE, picture) in {"recompressed", "resized"}:
            assert difference(opened(mine), opened(theirs)) < 6
    assert {resend_of(LARGE, picture) for picture in pictures} == set(CHANGES)
    assert difference(opened(photos[0][0]), opened(photos[1][0])) > 10


def test_corrupt_photos_cannot_be_read():
    contents = [render(LARGE, picture) for picture in of_nature("corrupt", limit=8)]
    for content in contents:
        with pytest.raises(OSError, match=r"truncated|cannot identify"):
            opened(content)
    assert {content[:2] for content in contents} == {b"\xff\xd8", b"<h"}


def test_a_wrong_product_is_of_another_kind_also_in_a_shop_of_one_card():
    shop = World(seed=3, n_cards=1)
    picture = Picture(0, "review", 0, "wrong_product")
    assert render(shop, picture) != render(shop, dataclasses.replace(picture, nature="product"))


@pytest.mark.parametrize(
    "nature",
    ["product", "banner", "collage", "not_a_product", "screenshot", "person", "blurred", "dark",
     "wrong_product"],
)  # fmt: skip
def test_all_other_pictures_can_be_read(nature: str):
    for picture in of_nature(nature, limit=8):
        assert min(opened(render(LARGE, picture)).size) >= 480


def test_some_photos_are_turned_by_exif():
    contents = [render(LARGE, picture) for picture in of_nature("product", limit=36)]
    turns = Counter(Image.open(io.BytesIO(c)).getexif().get(0x0112, 1) for c in contents)
    assert turns[1] > 24
    assert set(turns) - {1} <= {3, 6, 8}
    assert len(turns) > 1


def test_an_image_comes_with_its_type_and_etag(shop: TestClient):
    answer = shop.get("/images/c000000-g0.jpg")
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.content == render(WORLD, find_picture(WORLD, "c000000-g0.jpg"))
    again = shop.get("/images/c000000-g0.jpg", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def task(pair_key: str, group_a: str, group_b: str) -> dict:
    return {"id": 5, "data": {"pair_key": pair_key, "group_a": group_a, "group_b": group_b}}


def test_three_annotators_answer_and_say_that_they_are_simulated(shop: TestClient):
    tasks = [task("a-b", "pear", "pear"), task("a-c", "pear", "lime")]
    answered = shop.post("/v1/annotate", json={"tasks": tasks}).json()["tasks"]
    assert answered == shop.post("/v1/annotate", json={"tasks": tasks}).json()["tasks"]
    for asked, got in zip(tasks, answered, strict=True):
        assert got["id"] == 5
        assert got["data"] == asked["data"]
        emails = [annotation["completed_by"]["email"] for annotation in got["annotations"]]
        assert emails == list(ANNOTATORS)
        assert all(email.startswith("simulated-") for email in emails)
        for annotation in got["annotations"]:
            (result,) = annotation["result"]
            assert (result["from_name"], result["to_name"]) == ("answer", "photo_a")
            assert result["type"] == "choices"
            assert result["value"]["choices"][0] in {"same", "different", "cannot tell"}


@pytest.mark.parametrize(("is_same", "right"), [(True, "same"), (False, "different")])
def test_annotators_are_mostly_right(is_same: bool, right: str):
    given = Counter(
        answer(7, name, f"pair-{n}", is_same=is_same) for name in ANNOTATORS for n in range(4000)
    )
    assert given[right] / given.total() == pytest.approx(0.95, abs=0.01)
    assert given["cannot tell"] / given.total() == pytest.approx(0.02, abs=0.006)


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("/v1/cards?cursor=abc", "Cursor 'abc' is not one of ours"),
        ("/v1/cards?cursor=61.0", "Cursor '61.0' is not one of ours"),
        ("/v1/reviews?cursor=1.-2", "Cursor '1.-2' is not one of ours"),
        ("/v1/cards?limit=0", "Limit '0' is not a whole number from 1 to 1000"),
        ("/v1/cards?limit=1001", "Limit '1001' is not"),
        ("/v1/reviews?limit=many", "Limit 'many' is not"),
    ],
)
def test_a_bad_cursor_or_limit_is_named(shop: TestClient, path: str, complaint: str):
    answer = shop.get(path)
    assert answer.status_code == 400
    assert complaint in answer.json()["error"]


@pytest.mark.parametrize(
    "name", ["c000060-g0.jpg", "c000000-g3.jpg", "c000000-r9.jpg", "c000000-g0.png", "x", "..%2fx"]
)
def test_an_unknown_picture_is_404(shop: TestClient, name: str):
    answer = shop.get(f"/images/{name}")
    assert answer.status_code == 404
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "status", "complaint"),
    [
        (b"{", 400, "The body is not JSON"),
        (b"[]", 400, "The body has no `tasks`"),
        (b'{"tasks": 5}', 422, "`tasks` must be a list"),
        (b'{"tasks": [5]}', 422, "Task 0 has no `data`"),
        (b'{"tasks": [{"data": {"pair_key": "k", "group_a": 3}}]}', 422, "`group_a` is 3"),
    ],
)
def test_a_malformed_body_is_named(shop: TestClient, body: bytes, status: int, complaint: str):
    answer = shop.post("/v1/annotate", content=body)
    assert answer.status_code == status
    assert complaint in answer.json()["error"]


def test_a_wrong_method_or_path_is_answered_in_json(shop: TestClient):
    assert shop.post("/v1/cards").status_code == 405
    assert shop.get("/v2/cards").json() == {"error": "Not Found"}


def test_the_process_says_where_it_listens_and_serves():
    command = [sys.executable, "-m", "simulator", "--seed", "7", "--cards", "60"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            assert line.startswith("simulator ready at http://127.0.0.1:")
            url = line.split()[-1]
            assert httpx.get(f"{url}/healthz").json() == {"status": "ok", "seed": 7, "cards": 60}
            served = httpx.get(f"{url}/images/c000011-r0.jpg").content
            assert served == render(WORLD, find_picture(WORLD, "c000011-r0.jpg"))
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.stdout.read() == ""


def test_the_process_refuses_no_cards_in_one_line():
    command = [sys.executable, "-m", "simulator", "--cards", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "'0' is not a whole number above 0" in done.stderr
