"""The pretended marketplace: the same seed is the same world, and its truth is true."""

import dataclasses
import hashlib
import io
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageOps
from starlette.testclient import TestClient

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
