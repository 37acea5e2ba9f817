"""Rows of a source and a folder that tells them: what is bad has a reason, nothing leads out."""

import json
import os
from pathlib import Path

import pytest
from small_source import card, picture, review, write_folder

from photosearch.catalog.images import MAX_BYTES
from photosearch.catalog.source_rows import BadRow, Deleted, SourceCard, SourceReview
from photosearch.catalog.sources import FolderSource, read_cards, read_reviews
from photosearch.errors import (
    BadSource,
    HugePhoto,
    MissingPhoto,
    OutsidePhoto,
    UnreadablePhoto,
)


def cards_of(root: Path, *rows: object) -> list[SourceCard | BadRow]:
    return list(read_cards(FolderSource(write_folder(root, list(rows)))))


def reviews_of(root: Path, *rows: object) -> list[SourceReview | BadRow]:
    return list(read_reviews(FolderSource(write_folder(root, [], list(rows)))))


def test_a_card_needs_little_and_ignores_what_we_do_not_use(tmp_path: Path):
    row = {"card_id": " a ", "title": "Apple", "images": ["a.jpg"], "store_title": "x", "volume": 3}
    (found,) = cards_of(tmp_path, row | {"brand": None, "category": None, "article": " "})
    made = found.card()
    assert (made.card_id, made.group_id, made.title) == ("a", "a", "Apple")
    assert (made.brand, made.article, made.category, made.price) == (None, None, [], None)


def test_a_card_keeps_everything_we_use(tmp_path: Path):
    more = {"title_ru": "Кружка", "description": "d", "category": ["Home", "Mugs"], "brand": "B"}
    more |= {"article": "AB-1", "price": 5, "group_id": "g", "updated_at": 1700000000}
    more |= {"seller": "S", "rating": 4.5, "n_reviews": 12, "status": "on_sale"}
    more |= {"attributes": {"Colour": "red"}}
    (found,) = cards_of(tmp_path, card("a", "a.jpg", **more))
    values = {name: getattr(found.card(), name) for name in more if name != "updated_at"}
    assert values == {name: value for name, value in more.items() if name != "updated_at"}
    assert found.updated_at == "1700000000"


def test_attributes_become_text_in_order_of_their_names(tmp_path: Path):
    told = {"Size": 42, "Organic": True, "Materials": ["wool", "silk"], "Colour": "red", "No": None}
    (found,) = cards_of(tmp_path, card("a", "a.jpg", attributes=told))
    expected = {"Colour": "red", "Materials": "wool, silk", "Organic": "true", "Size": "42"}
    assert list(found.card().attributes.items()) == list(expected.items())


def test_a_row_may_say_that_it_is_gone(tmp_path: Path):
    assert cards_of(tmp_path, card("b", "b.jpg"), {"card_id": " a ", "deleted": True})[1] == (
        Deleted("a")
    )
    gone = [
        {"review_id": "1", "deleted": True},
        {"review_id": "1", "split": "val", "deleted": True},
    ]
    found = reviews_of(tmp_path, review("2", "a"), *gone, {"deleted": True})
    assert found[1:] == [Deleted("1"), Deleted("val:1"), BadRow("review 4", "missing_review_id")]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"title": None}, "missing_title"),
        ({"title": "  "}, "missing_title"),
        ({"images": None}, "missing_images"),
        ({"title": 5}, "bad_title"),
        ({"title": "x" * 1001}, "bad_title"),
        ({"title": "half a letter \ud800"}, "bad_title"),
        ({"description": "x" * 20_001}, "bad_description"),
        ({"category": [None]}, "bad_category"),
        ({"category": ["x"] * 21}, "bad_category"),
        ({"price": -1}, "bad_price"),
        ({"price": float("nan")}, "bad_price"),
        ({"images": "a.jpg"}, "bad_images"),
        ({"images": ["a.jpg"] * 101}, "bad_images"),
        ({"group_id": "a\nb"}, "bad_group_id"),
        ({"rating": 5.1}, "bad_rating"),
        ({"n_reviews": -1}, "bad_n_reviews"),
        ({"attributes": [["Colour", "red"]]}, "bad_attributes"),
        ({"attributes": {"Size": {"cm": 5}}}, "bad_attributes"),
    ],
)
def test_a_bad_value_rejects_the_card_with_its_name(tmp_path: Path, change: dict, reason: str):
    assert cards_of(tmp_path, card("a", "a.jpg") | change) == [BadRow("a", reason, key="a")]


@pytest.mark.parametrize(
    ("card_id", "reason"),
    [
        ("", "missing_card_id"),
        ("x" * 201, "bad_card_id"),
        ("a\0b", "bad_card_id"),
        ("a/b", "bad_card_id"),
        (5, "bad_card_id"),
    ],
)
def test_a_card_without_a_sound_id_is_told_by_its_place(tmp_path: Path, card_id, reason: str):
    found = cards_of(tmp_path, card("a", "a.jpg"), card("a", "a.jpg") | {"card_id": card_id})
    assert found[1] == BadRow("card 2", reason)


@pytest.mark.parametrize("column", ["card_id", "title", "images"])
def test_a_column_missing_from_some_cards_rejects_them(tmp_path: Path, column: str):
    partial = {name: value for name, value in card("a", "a.jpg").items() if name != column}
    _, bad = cards_of(tmp_path, card("b", "b.jpg"), partial)
    assert bad.reason == f"missing_{column}"


@pytest.mark.parametrize("column", ["card_id", "title", "images"])
def test_a_column_missing_from_every_card_stops_with_its_name(tmp_path: Path, column: str):
    partial = {name: value for name, value in card("a", "a.jpg").items() if name != column}
    with pytest.raises(BadSource, match=f"No card of folder .* has the column '{column}' .2 rows"):
        cards_of(tmp_path, partial, partial)


def test_a_review_without_photos_or_stars_is_fine(tmp_path: Path):
    (found, empty) = reviews_of(tmp_path, review("1", "a", "x.jpg", rating=5, split="val"),
                                review("2", "a") | {"images": None, "text": ""})  # fmt: skip
    assert (found.review().rating, found.review().split) == (5, "val")
    assert (empty.images, empty.review().text, empty.review().rating) == ([], None, None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rating": 0}, "bad_rating"),
        ({"rating": 6}, "bad_rating"),
        ({"split": "training"}, "bad_split"),
        ({"review_id": None}, "missing_review_id"),
        ({"text": "x" * 20_001}, "bad_text"),
    ],
)
def test_a_bad_value_rejects_the_review_under_its_card(tmp_path: Path, change: dict, reason: str):
    key = "" if {"review_id", "split"} & change.keys() else "1"
    assert reviews_of(tmp_path, review("1", "a") | change) == [BadRow("a", reason, key)]


def test_reviews_counted_anew_in_each_split_have_keys_of_their_own(tmp_path: Path):
    rows = [review("1", "a", split=split) for split in ("train", "val", None)]
    keys = [row.key for row in reviews_of(tmp_path, *rows)]
    assert keys == ["train:1", "val:1", "1"]


def test_a_folder_that_is_not_there_says_what_to_name(tmp_path: Path):
    with pytest.raises(BadSource, match=r"nowhere is not a folder. Name one that holds cards"):
        FolderSource(tmp_path / "nowhere")
    with pytest.raises(BadSource, match=r"has no cards\.jsonl. Write one line of JSON a card"):
        FolderSource(tmp_path)


def test_a_folder_may_have_no_reviews(tmp_path: Path):
    assert list(FolderSource(write_folder(tmp_path, [])).reviews()) == []


def test_lines_that_are_not_json_objects_are_rejected_by_number(tmp_path: Path):
    deep = "[" * 100_000
    found = cards_of(tmp_path, "{", "", card("a", "a.jpg"), "[1]", deep, '{"a": "\\ud800"')
    places = [(row.place, row.reason) for row in found if isinstance(row, BadRow)]
    assert places == [
        ("cards.jsonl line 1", "not_json"),
        ("cards.jsonl line 4", "not_an_object"),
        ("cards.jsonl line 5", "not_json"),
        ("cards.jsonl line 6", "not_json"),
    ]


def test_an_endless_line_is_never_read_whole(tmp_path: Path):
    long = card("long", "a.jpg", description="x" * 2_500_000)
    found = cards_of(tmp_path, long, card("a", "a.jpg"))
    assert {row.place for row in found if isinstance(row, BadRow)} == {"cards.jsonl line 1"}
    assert found[-1].card_id == "a"


def test_bytes_that_are_not_text_and_a_byte_order_mark_do_no_harm(tmp_path: Path):
    root = write_folder(tmp_path, [])
    line = json.dumps(card("a", "a.jpg")).encode()
    (root / "cards.jsonl").write_bytes(b"\xef\xbb\xbf" + line + b"\r\n\xff\xfe\n" + line)
    found = list(read_cards(FolderSource(root)))
    assert [type(row) for row in found] == [SourceCard, BadRow, SourceCard]


@pytest.mark.parametrize("address", ["../secret.jpg", "/etc/passwd", "a/../../secret.jpg", "a\0b"])
def test_no_path_leads_out_of_the_folder(tmp_path: Path, address: str):
    (tmp_path / "secret.jpg").write_bytes(picture(1))
    source = FolderSource(write_folder(tmp_path / "shop", []))
    with pytest.raises(OutsidePhoto, match=r"is not a path inside the source\. Put the photo into"):
        source.read_image(address)


def test_no_link_leads_out_of_the_folder(tmp_path: Path):
    (tmp_path / "secret.jpg").write_bytes(picture(1))
    root = write_folder(tmp_path / "shop", [], inside=picture(2))
    (root / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "in.jpg").symlink_to(root / "inside.jpg")
    (root / "round.jpg").symlink_to(root / "round.jpg")
    source = FolderSource(root)
    with pytest.raises(OutsidePhoto, match=r"'out\.jpg' is a link that leaves the source"):
        source.read_image("out.jpg")
    assert source.read_image("in.jpg").content == picture(2)
    with pytest.raises(UnreadablePhoto, match=r"round\.jpg"):
        source.read_image("round.jpg")


def test_what_is_no_file_is_not_opened(tmp_path: Path):
    root = write_folder(tmp_path, [])
    os.mkfifo(root / "pipe.jpg")
    (root / "dir.jpg").mkdir()
    for address in ("pipe.jpg", "dir.jpg", ""):
        with pytest.raises(UnreadablePhoto, match="is not a file"):
            FolderSource(root).read_image(address)
    with pytest.raises(MissingPhoto, match=r"none\.jpg is not in .*. Put it there"):
        FolderSource(root).read_image("none.jpg")
    with pytest.raises(UnreadablePhoto, match="cannot be read: File name too long"):
        FolderSource(root).read_image("x" * 1000)


def test_a_huge_file_is_not_read(tmp_path: Path):
    root = write_folder(tmp_path, [])
    with (root / "huge.jpg").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(HugePhoto, match=r"huge\.jpg has 10,000,001 bytes, more than 10,000,000"):
        FolderSource(root).read_image("huge.jpg")


def test_a_file_is_read_again_only_when_it_changed(tmp_path: Path):
    source = FolderSource(write_folder(tmp_path, [], a=picture(1)))
    first = source.read_image("a.jpg")
    assert source.read_image("a.jpg", known_mark=first.mark) is None
    (tmp_path / "a.jpg").write_bytes(picture(1) + b"more")
    assert source.read_image("a.jpg", known_mark=first.mark).content == picture(1) + b"more"
