"""Rules of curation one by one: pixels, alike photos, belonging, and how good they are."""

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter
from small_market import PARAMS

from photosearch.catalog.schemas import Photo, PhotoKind, Rejected
from photosearch.curation import alike, duplicates, quality
from photosearch.curation.belonging import belonging, margin
from photosearch.curation.looks import look_at
from photosearch.curation.overlay import OVERLAY_PX, likeness
from photosearch.curation.pixel_rules import PIXEL_RULES, by_pixels
from photosearch.curation.quality import Truth
from photosearch.curation.sight import strangers
from photosearch.embedding.embedder import unit

RULES = PARAMS.model_copy(
    update={
        "dark_light_max": 40,
        "blurred_sharpness_max": 1.0,
        "page_flat_min": 0.6,
        "page_line_min": 25,
        "collage_line_min": 4,
    }
)


def scene(seed: int = 0, side_px: int = 320) -> Image.Image:
    """A textured ground with a few things on it."""
    dice = np.random.default_rng(seed)
    ground = dice.uniform(90, 170, (40, 40, 3)).astype(np.uint8)
    image = Image.fromarray(ground).resize((side_px, side_px), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(7):
        x, y = dice.uniform(0.15, 0.85, 2) * side_px
        r = dice.uniform(0.05, 0.2) * side_px
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(dice.integers(0, 255, 3).tolist()))
    return image


def chat(side_px: int = 320) -> Image.Image:
    """A screenshot: a bar from edge to edge and lines of letters."""
    image = Image.new("RGB", (side_px, side_px), (240, 240, 244))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, side_px, 36), fill=(60, 110, 190))
    for row in range(60, side_px - 20, 26):
        for left in range(16, side_px - 40, 6):
            draw.line((left, row, left, row + 10), fill=(30, 30, 34), width=2)
    return image


def sale(side_px: int = 320) -> Image.Image:
    """A banner: a loud ground, a white band, a few large letters."""
    image = Image.new("RGB", (side_px, side_px), (220, 60, 40))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 40, side_px, 110), fill="white")
    for left in range(60, 260, 40):
        draw.rectangle((left, 55, left + 18, 95), fill=(180, 20, 30))
    return image


def on_white(seed: int, side_px: int = 320) -> Image.Image:
    """A seller's picture: a thing on a light ground that gets darker below."""
    light = np.linspace(250, 238 - seed, side_px)[:, None, None] * np.ones((1, side_px, 3))
    image = Image.fromarray(light.astype(np.uint8))
    ImageDraw.Draw(image).ellipse((90, 80, 230, 260), fill=(40 * seed % 255, 90, 160))
    return image


def pasted(*tiles: Image.Image) -> Image.Image:
    """Two pictures side by side."""
    page = Image.new("RGB", (320, 320), "white")
    for place, tile in enumerate(tiles):
        page.paste(tile.resize((156, 320)), (160 * place, 0))
    return page


def reason_of(image: Image.Image, kind: PhotoKind = "review") -> str | None:
    """The first pixel rule that rejects a photo of a card that has other pictures."""
    photo = Photo("a/x/0", "a", kind, None, "0" * 64, *image.size, None)
    other = Photo("a/gallery/9", "a", "gallery", None, "1" * 64, 320, 320, None)
    seen = {photo.photo_id: look_at(image), other.photo_id: look_at(scene(99))}
    for name in PIXEL_RULES:
        found = by_pixels(name, [photo, other], looks=seen, params=RULES)
        if any(row.photo_id == photo.photo_id for row in found):
            return name
    return None


@pytest.mark.parametrize("seed", range(6))
def test_a_photo_of_things_passes_every_pixel_rule(seed: int):
    assert reason_of(scene(seed)) is None
    assert reason_of(on_white(seed), "gallery") is None


def test_a_photo_taken_without_light_is_too_dark():
    assert reason_of(ImageEnhance.Brightness(scene()).enhance(0.08)) == "too_dark"


def test_a_photo_out_of_focus_is_blurred_and_a_slightly_soft_one_is_not():
    assert reason_of(scene().filter(ImageFilter.GaussianBlur(9))) == "blurred"
    assert reason_of(scene().filter(ImageFilter.GaussianBlur(1))) is None


def test_a_page_of_text_is_a_screenshot_and_one_of_few_words_a_banner():
    assert reason_of(chat()) == "screenshot"
    assert reason_of(sale(), "gallery") == "banner"


def test_pictures_pasted_side_by_side_are_a_collage_in_a_gallery_only():
    page = pasted(on_white(3), on_white(40))
    assert reason_of(page, "gallery") == "collage"
    assert reason_of(page) is None  # a buyer's floor may have such a seam


def test_pixel_rules_spare_the_last_picture_of_a_card():
    photos = [
        Photo(f"a/gallery/{n}", "a", "gallery", None, str(n) * 64, 320, 320, None) for n in (0, 1)
    ]
    dark = [ImageEnhance.Brightness(scene(n)).enhance(0.05 + 0.03 * n) for n in (0, 1)]
    seen = {photo.photo_id: look_at(image) for photo, image in zip(photos, dark, strict=True)}
    assert [row.photo_id for row in by_pixels("too_dark", photos, looks=seen, params=RULES)] == [
        "a/gallery/0"
    ]


# --- near duplicates


def resaved(image: Image.Image, quality: int = 45) -> Image.Image:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality)
    return Image.open(content).convert("RGB")


def cropped(image: Image.Image, share: float) -> Image.Image:
    cut = round(image.width * share)
    return image.crop((cut, cut // 2, image.width - cut // 3, image.height - cut))


COPIES = {
    "recompressed": resaved,
    "resized": lambda image: resaved(image.resize((200, 200)), 60),
    "cropped": lambda image: resaved(cropped(image, 0.035)),
    "relit": lambda image: resaved(ImageEnhance.Brightness(image).enhance(0.75)),
}


def small(image: Image.Image) -> np.ndarray:
    resized = image.resize((OVERLAY_PX, OVERLAY_PX), Image.Resampling.BOX)
    return np.asarray(resized, np.float32)


def bits(a: Image.Image, b: Image.Image) -> int:
    """Distance as the search measures it."""
    ours, theirs = look_at(a), look_at(b)
    return min(
        (ours.hash ^ theirs.hash).bit_count(),
        (ours.inner_hash ^ theirs.hash).bit_count(),
        (ours.hash ^ theirs.inner_hash).bit_count(),
    )


@pytest.mark.parametrize("change", COPIES)
def test_a_copy_is_near_by_hash_and_alike_when_laid_over(change: str):
    for seed in range(4):
        image = scene(seed)
        copy = COPIES[change](image)
        assert bits(image, copy) <= 8
        assert likeness(small(image)[None], small(copy)[None])[0] > 0.87


def test_other_photos_are_not_alike_when_laid_over():
    ours = np.stack([small(scene(seed)) for seed in range(8)])
    assert likeness(ours, np.roll(ours, 1, axis=0)).max() < 0.6


def test_likeness_sees_the_colour_of_a_thing_that_has_one_outline():
    red, green = on_white(3), on_white(3)
    ImageDraw.Draw(red).ellipse((90, 80, 230, 260), fill=(200, 40, 40))
    ImageDraw.Draw(green).ellipse((90, 80, 230, 260), fill=(40, 160, 60))
    assert likeness(small(red)[None], small(green)[None])[0] < 0.87


def by_all_pairs(hashes: list[int], inner: list[int], max_bits: int) -> list[list[int]]:
    n = range(len(hashes))
    return [
        [a, b]
        for a in n
        for b in n
        if a < b
        and min(
            (hashes[a] ^ hashes[b]).bit_count(),
            (hashes[a] ^ inner[b]).bit_count(),
            (inner[a] ^ hashes[b]).bit_count(),
        )
        <= max_bits
    ]


@st.composite
def hashes_with_neighbours(draw: st.DrawFn) -> list[int]:
    base = draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=6))
    flips = st.tuples(st.sampled_from(base), st.lists(st.integers(0, 63), max_size=12))
    near = [
        value ^ sum(1 << bit for bit in set(turned))
        for value, turned in draw(st.lists(flips, max_size=12))
    ]
    return draw(st.permutations(base + near))


@settings(deadline=None, max_examples=40)
@given(hashes_with_neighbours(), st.data(), st.sampled_from([0, 1, 4, 8]))
def test_the_hash_index_finds_what_comparing_all_pairs_finds(
    hashes: list[int], data: st.DataObject, max_bits: int
):
    inner = data.draw(st.permutations(hashes))
    found = alike.near_hashes(
        np.array(hashes, np.uint64), np.array(inner, np.uint64), max_bits=max_bits
    )
    assert found.tolist() == by_all_pairs(hashes, inner, max_bits)


def test_no_photos_have_no_neighbours():
    empty = np.empty(0, np.uint64)
    assert alike.near_hashes(empty, empty, max_bits=8).shape == (0, 2)


def test_near_vectors_are_found_exactly_among_few_and_mostly_among_many(
    monkeypatch: pytest.MonkeyPatch,
):
    dice = np.random.default_rng(0)
    vectors = unit(dice.normal(size=(3000, 32)))
    vectors[1000:1100] = unit(vectors[:100] + 0.01 * dice.normal(size=(100, 32)))
    pairs, cosines = alike.near_vectors(vectors, cosine_min=0.98)
    assert pairs.tolist() == [[row, 1000 + row] for row in range(100)]
    assert cosines.min() >= 0.98
    monkeypatch.setattr(alike, "EXACT_ROWS", 100)
    some, _ = alike.near_vectors(vectors, cosine_min=0.98)
    assert len(some) >= 95
    assert set(map(tuple, some.tolist())) <= set(map(tuple, pairs.tolist()))


def test_a_chain_of_alikes_keeps_both_ends():
    photos = [
        Photo(f"a/review/r/{n}", "a", "review", "r", str(n) * 64, 9, 9, None) for n in (0, 1, 2)
    ]
    gone = duplicates.later_alikes(photos, [(0, 1, 0.9), (1, 2, 0.95)], "near_duplicate")
    assert gone == [Rejected("a/review/r/1", "a", "near_duplicate", 0.9)]


# --- belonging


def cards_of_vectors(n_cards: int = 12, n_photos: int = 6) -> tuple[np.ndarray, list[str]]:
    dice = np.random.default_rng(1)
    centres = unit(dice.normal(size=(n_cards, 24)))
    vectors = unit(
        np.repeat(centres, n_photos, axis=0) + 0.08 * dice.normal(size=(n_cards * n_photos, 24))
    )
    return vectors, [f"c{row // n_photos}" for row in range(n_cards * n_photos)]


def test_a_margin_leaves_the_photo_itself_out_of_its_card_s_centre():
    x, y = unit(np.eye(2, dtype=np.float32))
    margins = margin(
        np.stack([x, x, y, y, y]), ["a", "a", "a", "b", "b"], ["a", "a", "a", "b", "b"]
    )
    half = np.sqrt(0.5)
    assert margins == pytest.approx(
        [half, half, -1, 1 - 1 / np.sqrt(5), 1 - 1 / np.sqrt(5)], abs=1e-6
    )


def test_a_photo_at_another_card_belongs_least_and_its_company_is_at_home():
    vectors, cards = cards_of_vectors()
    vectors[0] = vectors[8]  # the second card's
    found, company = belonging(vectors, cards, cards)
    assert found.argmin() == 0
    assert found[0] < -0.25
    assert np.sort(found)[1] > 0
    assert company[0] > 0


def test_a_photo_found_at_many_cards_has_strange_company():
    vectors, cards = cards_of_vectors()
    parcel = unit(np.random.default_rng(5).normal(size=24))
    for card in range(8):
        vectors[6 * card] = unit(parcel + 0.05 * np.random.default_rng(card).normal(size=24))
    found, company = belonging(vectors, cards, cards)
    parcels = np.arange(0, 48, 6)
    assert set(np.argsort(found)[:8]) == set(parcels)
    assert company[parcels].max() < -0.2


def test_strangers_are_named_by_skin_and_by_company():
    vectors, cards = cards_of_vectors()
    parcel = unit(np.random.default_rng(5).normal(size=24))
    for card in range(8):
        vectors[6 * card] = unit(parcel + 0.05 * np.random.default_rng(card).normal(size=24))
    vectors[55], vectors[61] = vectors[70], vectors[15]  # two photos of other products
    photos = [
        Photo(f"{card}/review/r/{row}", card, "review", "r", f"{row:064x}", 9, 9, None)
        for row, card in enumerate(cards)
    ]
    looks = {photo.photo_id: look_at(on_white(1)) for photo in photos[:1]}
    looks = dict.fromkeys([photo.photo_id for photo in photos], looks[photos[0].photo_id])
    looks[photos[61].photo_id] = replace(looks[photos[61].photo_id], skin=0.9)
    looks[photos[0].photo_id] = replace(looks[photos[0].photo_id], skin=0.9)  # a brown parcel
    params = RULES.model_copy(
        update={"belonging_min": -0.1, "person_skin_min": 0.75, "person_belonging_min": -0.1}
    )
    found = strangers(
        photos,
        {photo.photo_id: vector for photo, vector in zip(photos, vectors, strict=True)},
        group_of={card: card for card in cards},
        looks=looks,
        params=params,
    )
    rows = {int(row.photo_id.split("/")[-1]): row.reason for row in found}
    assert rows == {6 * card: "not_a_product" for card in range(8)} | {
        55: "wrong_product",
        61: "person",
    }


def test_a_stranger_is_not_forgiven_for_being_what_its_card_varies_by():
    dice = np.random.default_rng(1)
    card = np.repeat(np.arange(30), 5)
    vectors = dice.normal(size=(30, 128))[card] + dice.normal(size=(150, 128))
    is_stranger = np.arange(150) % 15 == 0
    vectors[is_stranger] = 1.4 * dice.normal(size=(10, 128))
    names = [f"c{number:02}" for number in card]
    found, _ = belonging(unit(vectors), names, names)
    assert found[is_stranger].max() < found[~is_stranger].min()  # whitened by all: .78 and .66


def test_offers_of_one_product_are_no_strangers_to_each_other():
    vectors, cards = cards_of_vectors(n_cards=2)
    alone = belonging(vectors, cards, ["g"] * len(cards))
    assert np.isnan(alone[0]).all()


def test_a_photo_without_others_of_its_card_is_not_judged():
    vectors, cards = cards_of_vectors()
    found, _ = belonging(vectors, ["lone", *cards[1:]], ["lone", *cards[1:]])
    assert np.isnan(found[0])
    assert np.isfinite(found[1:]).all()


# --- quality


def test_quality_counts_a_family_once_whichever_of_it_goes():
    truth = {
        "a": Truth("product", None),
        "b": Truth("near_duplicate", "a"),
        "c": Truth("product", None),
        "d": Truth("near_duplicate", "c"),
        "e": Truth("product", None),
        "f": Truth("wrong_product", None),
        "g": Truth("not_a_product", None),
    }
    rejected = [
        Rejected("a", "k", "near_duplicate", 1),  # its copy stays: right
        Rejected("e", "k", "near_duplicate", 1),  # clean: wrong, and lost
        Rejected("f", "k", "not_a_product", 1),  # noise by another name
    ]
    found = quality.measure(rejected, truth)
    by_rule = {rule.rule: rule for rule in found.rules}
    assert by_rule["near_duplicate"].precision == 0.5
    assert by_rule["near_duplicate"].recall == 0.5
    assert by_rule["not_a_product"].precision == 1
    assert (by_rule["not_a_product"].right, by_rule["not_a_product"].recall) == (0, 0)
    assert by_rule["wrong_product"].recall == 1
    assert by_rule["banner"].precision is None
    assert (found.clean, found.clean_lost) == (3, 1)
    strangers = quality.together(found.rules)
    assert (strangers.precision, strangers.recall) == (1, 0.5)
    assert "| near_duplicate | 2 | 0.500 | 2 | 0.500 |" in quality.as_markdown(found)
    assert "Clean photos lost: 1 of 3." in quality.as_markdown(found)
