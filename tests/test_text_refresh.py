"""The words of a release, brought up to date out of the one before."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from small_text_side import COLOURS, PARAMS, REVIEWS, a_card, a_release, learned, model_of

from photosearch.catalog.schemas import Card
from photosearch.catalog.tables import write_table
from photosearch.index.filters import CardFilter
from photosearch.index.text_words import Side
from photosearch.search import card_texts
from photosearch.search.card_texts import change_text_search, write_text_search
from photosearch.search.learned_texts import read_learned
from photosearch.search.text_search import TextSearch, open_text_search

CARDS = [a_card(colour) for colour in COLOURS]
WITHOUT_WHITE = [card for card in CARDS if card.card_id != "white"]


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """A release with words."""
    release = with_cards(a_release(tmp_path / "before"), CARDS)
    texts = read_learned(learned(tmp_path / "text", model_of(release)), model_id=model_of(release))
    write_text_search(release, CARDS, REVIEWS, learned=texts, params=PARAMS)
    return release


@pytest.fixture
def now(tmp_path: Path) -> Path:
    """The folder of the next one."""
    return a_release(tmp_path / "now")


def with_cards(release: Path, cards: Sequence[Card]) -> Path:
    write_table(release / "cards.parquet", Card, cards)
    return release


@contextmanager
def opened(release: Path) -> Iterator[TextSearch]:
    with closing(open_text_search(release / "text", model_id=model_of(release))) as side:
        yield side


def found(release: Path, text: str, side: Side = "words", **asked: CardFilter) -> set[str]:
    with opened(release) as search:
        return {hit.card_id for hit in search.words.find(text, side=side, limit=9, **asked)}


def test_a_card_that_is_gone_is_found_no_more_and_a_new_one_is(before: Path, now: Path):
    lamp = replace(a_card("green"), card_id="lamp", title="Yellow lamp", title_ru="Жёлтая лампа")
    facts = change_text_search(with_cards(now, [*WITHOUT_WHITE, lamp]), before, REVIEWS)
    assert facts.cards == 4
    assert found(now, "white mug") == {"red", "green", "blue"}
    assert found(now, "white", "pieces") == set()
    assert found(now, "лампы") == found(now, "лмапа", "pieces") == {"lamp"}


def test_a_card_is_found_by_its_new_title_and_not_by_its_old_one(before: Path, now: Path):
    renamed = [replace(CARDS[0], title="Scarlet cup", title_ru=None), *CARDS[1:]]
    change_text_search(with_cards(now, renamed), before, REVIEWS)
    assert found(now, "scarlet") == {"red"}
    assert found(now, "красная") == set()


def test_a_new_price_moves_a_card_out_of_a_filter(before: Path, now: Path):
    dearer = [replace(CARDS[0], price=900.0), *CARDS[1:]]
    change_text_search(with_cards(now, dearer), before, REVIEWS)
    assert found(now, "mug", where=CardFilter(price_max=500)) == {"green", "blue", "white"}
    assert found(now, "mug", where=CardFilter(price_min=500)) == {"red"}


def test_what_a_new_review_says_is_found_and_what_no_review_says_any_more_is_not(
    before: Path, now: Path
):
    change_text_search(with_cards(now, CARDS), before, [("blue", "Подарила дедушке")])
    assert found(now, "дедушка") == {"blue"}
    assert found(now, "маме") == set()


def test_only_cards_of_which_something_else_is_said_are_read_anew(
    before: Path, now: Path, monkeypatch: pytest.MonkeyPatch
):
    read: list[str] = []

    def noted(before: Path, folder: Path, changed, gone, **how: int) -> int:  # type: ignore[no-untyped-def]
        texts = list(changed)
        read.extend(text.listing.card_id for text in texts)
        return change(before, folder, texts, gone, **how)

    change = card_texts.change_text_index
    monkeypatch.setattr(card_texts, "change_text_index", noted)
    dearer = [CARDS[0], replace(CARDS[1], price=900.0), *CARDS[2:]]
    change_text_search(with_cards(now, dearer), before, REVIEWS)
    assert read == [CARDS[1].card_id]


def test_the_release_before_and_what_brings_texts_to_photos_stay(before: Path, now: Path):
    change_text_search(with_cards(now, WITHOUT_WHITE), before, REVIEWS)
    assert found(before, "белая") == {"white"}
    with opened(before) as old, opened(now) as new:
        assert new.facts == old.facts.model_copy(update={"cards": 3})
        for text in ("red", "green"):
            assert (new.vector_of(text) == old.vector_of(text)).all()


def test_words_that_changed_twice_score_as_if_they_were_written_at_once(
    before: Path, now: Path, tmp_path: Path
):
    change_text_search(with_cards(now, WITHOUT_WHITE), before, REVIEWS)
    back = with_cards(a_release(tmp_path / "back"), CARDS)
    change_text_search(back, now, REVIEWS)
    with opened(before) as old, opened(back) as new:
        for text in ("mug", "красная кружка", "маме"):
            wanted = old.words.find(text, side="words", limit=9)
            assert new.words.find(text, side="words", limit=9) == wanted
