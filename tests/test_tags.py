"""Titles become tags: what is kept, what is dropped and why, and which cards carry what."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from photosearch.catalog.schemas import Card, CardTags, DroppedTag, Tag
from photosearch.catalog.tables import read_rows, write_table
from photosearch.errors import EmptySource
from photosearch.home import Home
from photosearch.tagging.clean import clean
from photosearch.tagging.generate import CARRIED, DROPPED, TAGS, from_titles, make_tags
from photosearch.tagging.typos import is_one_edit, typos_in
from photosearch.tagging.words import language_of, phrases_of
from photosearch.tags_settings import TagsParams

PARAMS = TagsParams(
    source="titles", words_max=3, cards_min=2, share_max=0.9, typo_cards_max=3, typo_times=20,
    dim=8,
)  # fmt: skip


def a_card(number: int, title: str, title_ru: str | None = None, **attributes: str) -> Card:
    return Card(
        f"c{number}", title, title_ru, None, ["Home"], None, None, None, f"g{number}",
        attributes=attributes,
    )  # fmt: skip


def cleaned(counts: dict[str, int], n_all: int = 1000, **changed: object):
    return clean(counts, n_all, PARAMS.model_copy(update=changed))


def tagged(home: Home, cards: list[Card], **changed: object):
    """The report, tags by text, and what each card carries."""
    write_table(home.curated / "cards.parquet", Card, cards)
    report = make_tags(home, PARAMS.model_copy(update=changed))
    tags = read_rows(home.tags / TAGS, Tag)
    carried = {
        row.card_id: {tags[number].text for number in row.tags}
        for row in read_rows(home.tags / CARRIED, CardTags)
    }
    return report, {tag.text: tag for tag in tags}, carried


def test_phrases_do_not_run_across_a_pause():
    assert list(phrases_of("Mug, Red — for T-shirt's fans (new)")) == [
        ["mug"], ["red"], ["for", "t-shirt's", "fans"], ["new"]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "language"),
    [("red mug", "en"), ("красная кружка", "ru"), ("кружка nike", "mixed"), ("kрасный", "mixed"),
     ("512", "none"), ("杯", "other"), ("café", "en")],
)  # fmt: skip
def test_the_alphabet_tells_the_language(text: str, language: str):
    assert language_of(text) == language


def test_a_title_proposes_its_ngrams_and_no_phrase_is_cut_after_a_function_word():
    found = from_titles(a_card(1, "Mug with white dots", Colour="light blue", Lid="yes"), 3)
    assert found == {
        "light blue": "attribute",
        "mug": "title", "mug with": "title",
        "with": "title", "with white": "title", "with white dots": "title",
        "white": "title", "white dots": "title", "dots": "title",
    }  # fmt: skip
    assert "mug with dots" in from_titles(a_card(1, "Mug with dots"), 3)


def test_each_rule_drops_by_its_name():
    counts = {
        "one two three four": 9, "x": 9, "2024": 9, "кружка nike": 9, "杯": 9, "with dots": 9,
        "free delivery": 9, "sale mug": 9, "lovely mug": 9, "лучшая кружка": 9, "скидки": 9,
        "red mug": 9, "seldom": 1, "thing": 950,
    }  # fmt: skip
    why = {text: reason for text, (reason, _) in cleaned(counts).why.items()}
    assert why == {
        "one two three four": "too_long", "x": "too_short", "2024": "number",
        "кружка nike": "mixed_languages", "杯": "other_language", "with dots": "function_word",
        "free delivery": "advertising", "sale mug": "advertising", "lovely mug": "emotion",
        "лучшая кружка": "emotion", "скидки": "advertising", "seldom": "rare",
        "thing": "everywhere",
    }  # fmt: skip


def test_words_that_only_look_like_advertising_stay():
    counts = dict.fromkeys(("sugar free", "toy ship", "crop top", "hot pink", "action figure"), 9)
    assert cleaned(counts).why == {}


def test_the_same_words_in_another_order_or_with_other_endings_are_one_tag():
    told = cleaned({"red mug": 9, "mug red": 4, "red mugs": 3, "красная": 5, "красную": 8})
    assert told.tag_of == {
        "red mug": "red mug", "mug red": "red mug", "red mugs": "red mug",
        "красная": "красная", "красную": "красная",
    }  # fmt: skip
    assert told.why["mug red"] == ("duplicate", "red mug")
    assert told.why["красную"] == ("duplicate", "красная")  # no oblique case, if there is another


def test_a_typo_becomes_the_word_that_was_meant():
    told = cleaned({"backpack": 100, "red backpack": 60, "bakcpack": 2, "red bakpack": 1})
    assert told.tag_of["bakcpack"] == "backpack"
    assert told.tag_of["red bakpack"] == "red backpack"
    assert told.why["bakcpack"] == ("typo", "backpack")


def test_what_is_frequent_enough_or_short_or_only_inflected_is_no_typo():
    n_cards = {"glass": 100, "grass": 4, "cup": 100, "cap": 1, "mirror": 100, "mirrors": 1}
    assert typos_in(n_cards, cards_max=3, times=20) == {}
    assert typos_in(n_cards, cards_max=4, times=20) == {"grass": "glass"}


@pytest.mark.parametrize(
    ("a", "b", "is_one"),
    [("mug", "mugs", True), ("mug", "mgu", True), ("mug", "hug", True), ("mug", "mug", False),
     ("mug", "gum", False), ("cushion", "cuhsoin", False), ("ab", "abcd", False)],
)  # fmt: skip
def test_one_edit_is_a_letter_or_a_swap_of_neighbours(a: str, b: str, is_one: bool):
    assert is_one_edit(a, b) is is_one_edit(b, a) is is_one


def test_part_of_a_longer_tag_with_the_same_cards_is_left_to_it():
    told = cleaned({"light": 5, "light blue": 5, "blue": 9, "light blue mug": 3, "blue mug": 3})
    assert told.why == {
        "light": ("part_of_longer", "light blue"), "blue mug": ("part_of_longer", "light blue mug")
    }  # fmt: skip


def test_the_table_says_who_carries_what_and_keeps_every_dropped_text(tmp_path: Path):
    cards = [
        a_card(1, "Red mug", "Красная кружка", Height="low"),
        a_card(2, "Mug, red", "Кружка красная", Height="low"),
        a_card(3, "Green lamp. Lovely!", None, Height="low"),
        a_card(4, "Green mug with dots", None),
    ]
    report, tags, carried = tagged(Home(tmp_path), cards)
    assert carried == {
        "c1": {"red", "mug", "low", "красная кружка"},
        "c2": {"red", "mug", "low", "красная кружка"},
        "c3": {"green", "low"},
        "c4": {"green", "mug"},
    }
    assert {text: tag.n_cards for text, tag in tags.items()} == {
        "mug": 3, "low": 3, "red": 2, "green": 2, "красная кружка": 2,
    }  # fmt: skip
    assert tags["low"].reason == "attribute"
    assert tags["mug"].reason == "title"
    dropped = read_rows(Home(tmp_path).tags / DROPPED, DroppedTag)
    assert Counter(drop.reason for drop in dropped) == report.dropped
    assert report.proposed == len(dropped) + len(tags)
    assert (report.cards, report.cards_tagged, report.kept) == (4, 4, {"en": 4, "ru": 1})
    of = {drop.text: drop for drop in dropped}
    assert of["lovely"].reason == "emotion"
    assert of["кружка красная"].instead == "красная кружка"


def test_a_mended_phrase_that_nobody_spelled_right_is_a_tag(tmp_path: Path):
    cards = [a_card(n, "Backpack") for n in range(60)]
    cards += [a_card(60 + n, "Tartan bakpack") for n in range(3)]
    _, tags, carried = tagged(Home(tmp_path), cards, share_max=1)
    assert tags["tartan backpack"].n_cards == 3
    assert carried["c60"] == {"backpack", "tartan backpack"}


def test_the_stage_makes_the_same_bytes_again(tmp_path: Path):
    home, cards = Home(tmp_path), [a_card(n, "Red mug with dots") for n in range(9)]

    def made() -> dict[str, bytes]:
        tagged(home, cards, share_max=1)
        return {path.name: path.read_bytes() for path in sorted(home.tags.iterdir())}

    first = made()
    assert sorted(first) == [CARRIED, DROPPED, TAGS]
    assert made() == first
    assert [path.name for path in home.build.iterdir() if path.name.startswith(".")] == []


def test_cards_without_common_words_carry_nothing_and_are_counted(tmp_path: Path):
    cards = [a_card(1, "Red mug"), a_card(2, "Red lamp"), replace(a_card(3, "Onyx"), title="9")]
    report, _, carried = tagged(Home(tmp_path), cards)
    assert (report.cards_tagged, carried["c3"]) == (2, set())


def test_a_catalogue_without_cards_is_told(tmp_path: Path):
    with pytest.raises(EmptySource, match="holds no card to tag"):
        tagged(Home(tmp_path), [])
