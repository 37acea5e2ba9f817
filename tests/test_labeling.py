"""Questions about pairs of photos: what they hold, whom they ask, and where their photos lie."""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, get_args

import pytest
from asked_pairs import (
    CARDS,
    card,
    pair,
    question,
)

from labeling.published import publish_images
from labeling.questions import Asked, questions_for, read_asked, record_asked
from labeling.votes import ANSWERS
from photosearch.catalog import images
from photosearch.catalog.schemas import Answer
from photosearch.errors import BadData, UnreadablePhoto

REPOSITORY = Path(__file__).parent.parent


def test_a_question_holds_two_photos_and_what_the_model_believes():
    groups = {"card-1": card("card-1", "red"), "card-2": card("card-2", "blue")}
    (made,) = questions_for(
        [pair("p")] * 2, cards=groups, image_address="/photo/{}".format, blind_share=0
    )
    data = made["data"]
    assert (data["photo_a"], data["photo_b"]) == ("/photo/aa", "/photo/bb")
    assert (data["pair_key"], data["group_b"], data["title_a"]) == ("p", "blue", "Title of card-1")
    (opinion,) = made["predictions"]
    assert (opinion["model_version"], opinion["score"]) == ("tower", 0.8)
    assert opinion["result"][0]["value"] == {"text": ["The model thinks: same (80%)"]}
    assert opinion["result"][0]["from_name"] != "answer", "nobody's choice is made beforehand"


def test_questions_come_in_order_of_worth():
    made = questions_for(
        [pair("low", worth=0.1), pair("high", worth=0.9)],
        cards=CARDS, image_address=str, blind_share=0,
    )  # fmt: skip
    assert [one["data"]["pair_key"] for one in made] == ["high", "low"]


def test_a_share_of_pairs_and_every_gold_pair_is_asked_blind():
    asked = [pair(f"p{n}") for n in range(1000)]
    made = questions_for(asked, cards=CARDS, image_address=str, blind_share=0.15)
    blind = [one for one in made if not one["predictions"]]
    assert 110 <= len(blind) <= 190
    assert all(one["data"]["is_blind"] for one in blind)
    assert question(pair("p", gold="same"))["predictions"] == []


def test_a_pair_of_an_unknown_card_is_refused():
    with pytest.raises(BadData, match=r"Pair p names card 'card-2', .* run `dvc repro`"):
        questions_for(
            [pair("p")], cards={"card-1": CARDS["card-1"]}, image_address=str, blind_share=0
        )


def test_the_page_offers_exactly_the_answers_that_labels_have():
    page = ET.parse(REPOSITORY / "labeling" / "pair_task.xml")
    choices = {choice.get("alias"): choice.get("hotkey") for choice in page.iter("Choice")}
    assert choices == dict(zip(ANSWERS, "123", strict=True))
    assert set(ANSWERS.values()) == set(get_args(Answer))
    assert {image.get("value") for image in page.iter("Image")} == {"$photo_a", "$photo_b"}
    hidden = page.find(".//View[@visibleWhen='choice-selected']")
    assert hidden is not None
    assert hidden.get("whenTagName") == "answer"
    assert [text.get("value") for text in page.iter("Text")] == ["$title_a", "$title_b"]
    assert len(list(hidden.iter("Text"))) == 2, "titles are hidden until answered"


def test_photos_are_published_once_and_take_no_second_place_on_disk(tmp_path: Path):
    sha256 = images.store(tmp_path / "images", b"photo")
    images.path_of(tmp_path / "images", sha256).chmod(0o444)  # as `dvc checkout` leaves it
    for expected in (1, 0):
        assert publish_images(tmp_path / "images", tmp_path / "www", sha256s=[sha256]) == expected
    (published,) = (tmp_path / "www").iterdir()
    assert published.name == f"{sha256}.jpg"
    assert published.samefile(images.path_of(tmp_path / "images", sha256))


def test_photos_are_copied_where_links_are_impossible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    sha256 = images.store(tmp_path / "images", b"photo")
    publish_images(tmp_path / "images", tmp_path / "www", sha256s=[sha256])
    (published,) = (tmp_path / "www").iterdir()
    assert published.read_bytes() == b"photo"
    assert published.stat().st_nlink == 1


def test_a_photo_that_is_gone_is_named(tmp_path: Path):
    with pytest.raises(UnreadablePhoto, match=r"ab/abcd is gone. Pull again"):
        publish_images(tmp_path, tmp_path / "www", sha256s=["abcd"])


def test_a_pair_keeps_the_time_when_it_was_first_asked(tmp_path: Path):
    for at in ("first", "second"):
        record_asked(tmp_path / "asked", ["p"], project="here", asked_at=at)
    record_asked(tmp_path / "asked", ["p"], project="there", asked_at="third")
    assert read_asked(tmp_path / "asked") == [
        Asked("p", "here", "first"),
        Asked("p", "there", "third"),
    ]
