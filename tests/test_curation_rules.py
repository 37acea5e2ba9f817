"""Rules of curation that look at pixels, and how good all of them are."""

import pytest
from painted_scenes import RULES, chat, on_white, pasted, sale, scene
from PIL import Image, ImageEnhance, ImageFilter

from photosearch.catalog.schemas import Photo, PhotoKind, Rejected
from photosearch.curation import quality
from photosearch.curation.looks import look_at
from photosearch.curation.pixel_rules import PIXEL_RULES, by_pixels
from photosearch.curation.quality import Truth


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
