"""Words of cards: stems of two languages, pieces that forgive typing mistakes, filters."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from photosearch.errors import IndexUnavailable
from photosearch.index import text_index
from photosearch.index.filters import CardFilter, Listing, passes
from photosearch.index.text_index import FACTS, TextIndex, write_text_index
from photosearch.index.text_words import CardText, Side, pieces

LISTINGS = {
    "mug": Listing("mug", ("Home", "Mugs"), "Orion", 450.0, 4.5),
    "lamp": Listing("lamp", ("Home", "Lamps"), "Vega", 2600.0, 3.0),
    "cap": Listing("cap", ("Clothes", "Caps"), "Orion", 950.0, None),
    "bare": Listing("bare"),
}
TITLES = {
    "mug": "Red mug with white stripes, KR-4821 Кружка красная в белую полоску",
    "lamp": "Yellow lamps Лампа жёлтая",
    "cap": "Blue cap Кепка синяя",
    "bare": "Green umbrella Зонт зелёный",
}
REST = {
    "cap": "Goes well with a mug. Отличная кепка, брали в подарок",
    "bare": "",
    "mug": "",
    "lamp": "",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("release") / "words"
    texts = [CardText(LISTINGS[card], TITLES[card], REST.get(card, "")) for card in LISTINGS]
    assert write_text_index(made, texts, title_weight=3) == 4
    return made


@pytest.fixture(scope="module")
def index(folder: Path) -> Iterator[TextIndex]:
    opened = TextIndex.open_copy(folder)
    yield opened
    opened.close()


def found(index: TextIndex, text: str, side: Side = "words", **asked: CardFilter) -> list[str]:
    return [hit.card_id for hit in index.find(text, side=side, limit=10, **asked)]


@pytest.mark.parametrize(
    ("text", "card"),
    [
        ("красные кружки", "mug"),
        ("КРУЖКУ КРАСНУЮ", "mug"),
        ("striped red mugs", "mug"),
        ("желтая лампа", "lamp"),
        ("lamp", "lamp"),
        ("kr4821 kr-4821", "mug"),
        ("зелёные зонты", "bare"),
        ("отличные", "cap"),
    ],
)
def test_words_are_found_in_other_forms_and_letters(index: TextIndex, text: str, card: str):
    assert found(index, text)[0] == card


def test_a_word_of_a_title_counts_more_than_one_of_a_review(index: TextIndex):
    assert found(index, "mug") == ["mug", "cap"]


@pytest.mark.parametrize("text", ["", "the and in", "в на и", "холодильник", "!?"])
def test_a_text_that_no_card_says_finds_nothing(index: TextIndex, text: str):
    assert found(index, text) == []


def test_pieces_forgive_typing_mistakes_which_words_do_not(index: TextIndex):
    assert found(index, "крушка") == []
    assert found(index, "крушка", "pieces")[0] == "mug"
    assert found(index, "unbrela", "pieces")[0] == "bare"


def test_pieces_know_where_a_word_ends():
    assert pieces("Ёж, red") == ["_еж", "еж_", "_re", "red", "ed_"]


@pytest.mark.parametrize("side", ["words", "pieces"])
def test_filters_are_those_of_every_index(index: TextIndex, side: Side):
    everything = " ".join(TITLES.values())
    assert sorted(found(index, everything, side)) == sorted(LISTINGS)
    asked = itertools.product(
        ((), ("Home",), ("Home", "Mugs"), ("Mugs",)), ((), ("Orion",), ("Orion", "Vega")),
        (None, 450.0, 500.0), (None, 1000.0), (None, 4.0),
    )  # fmt: skip
    for category, brands, least, most, rating in asked:
        where = CardFilter(category, brands, least, most, rating)
        right = sorted(card for card, listing in LISTINGS.items() if passes(listing, where))
        assert sorted(found(index, everything, side, where=where)) == right, where


def test_filters_are_the_same_with_lookups_by_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(text_index, "PLAIN_UP_TO_CARDS", 0)
    texts = [CardText(LISTINGS[card], "thing", "") for card in LISTINGS]
    write_text_index(tmp_path / "words", texts, title_weight=1)
    index = TextIndex.open_copy(tmp_path / "words")
    assert found(index, "thing", where=CardFilter(("Home",))) == ["lamp", "mug"]
    assert found(index, "thing", where=CardFilter(price_min=900, rating_min=2)) == ["lamp"]
    assert found(index, "thing", where=CardFilter(brands=("Orion",))) == ["cap", "mug"]
    index.close()


def test_equal_scores_come_in_order_of_card_id(tmp_path: Path):
    texts = [CardText(Listing(card), "same words", "") for card in ("c", "a", "b")]
    write_text_index(tmp_path / "words", texts, title_weight=1)
    index = TextIndex.open_copy(tmp_path / "words")
    assert found(index, "words") == ["a", "b", "c"]
    index.close()


def test_two_services_open_one_folder_which_stays_as_it_is(folder: Path):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    one, other = TextIndex.open_copy(folder), TextIndex.open_copy(folder)
    assert found(one, "mug") == found(other, "mug")
    one.close()
    assert found(other, "mug") == ["mug", "cap"]
    other.close()
    other.close()
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_closed_index_says_so(folder: Path):
    index = TextIndex.open_copy(folder)
    index.close()
    with pytest.raises(IndexUnavailable, match=r"words: searching it failed"):
        index.find("mug", side="words", limit=1)


def test_a_folder_without_words_says_how_to_make_them(tmp_path: Path):
    with pytest.raises(IndexUnavailable, match=r"holds no whole text index.*photosearch index"):
        TextIndex.open_copy(tmp_path)


def test_a_damaged_folder_is_told(folder: Path, tmp_path: Path):
    text_index.copy_folder(folder, tmp_path / "words")
    facts = tmp_path / "words" / FACTS
    facts.write_text(facts.read_text().replace('"cards": 4', '"cards": 5'))
    with pytest.raises(IndexUnavailable, match="damaged: it holds 4 cards of 5"):
        TextIndex.open_copy(tmp_path / "words")
    for path in (tmp_path / "words" / "engine").rglob("*.json"):
        path.write_text("{")
    with pytest.raises(IndexUnavailable, match=r"opening it failed.*photosearch index"):
        TextIndex.open_copy(tmp_path / "words")


def test_an_index_is_never_written_over(folder: Path):
    with pytest.raises(IndexUnavailable, match="holds a text index already"):
        write_text_index(folder, [], title_weight=1)


def test_no_cards_make_an_index_that_finds_nothing(tmp_path: Path):
    assert write_text_index(tmp_path / "words", [], title_weight=1) == 0
    index = TextIndex.open_copy(tmp_path / "words")
    assert found(index, "mug") == []
    index.close()
