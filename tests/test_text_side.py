"""The text side of a release: what it is made of, and how a wrong one is told."""

import re
from pathlib import Path

import pytest
from small_text_side import (
    COLOURS,
    DIM,
    PARAMS,
    a_release,
    cards,
    learned,
    model_of,
    photo_index,
    photo_vectors,
)

from photosearch.errors import BadArtifact
from photosearch.index.vector_index import ExactIndex
from photosearch.search.card_texts import reviews_by_card, write_text_search
from photosearch.search.learned_texts import read_learned, with_closed_form
from photosearch.search.text_search import (
    FACTS,
    open_text_search,
)


@pytest.mark.parametrize(
    ("model_id", "encoder", "told"),
    [("another", "ngrams", "none: .* for model another"), (None, "tower", "needs torch.*'ngrams'")],
)
def test_what_services_cannot_use_stays_out_and_the_facts_say_why(
    tmp_path: Path, model_id: str | None, encoder: str, told: str
):
    release = a_release(tmp_path)
    texts = learned(tmp_path / "text", model_id or model_of(release), encoder=encoder)
    kept = read_learned(texts, model_id=model_of(release))
    assert (kept.aligner, kept.refiner) == (None, None)
    assert re.search(told, kept.vectors)
    assert kept.refinement == kept.vectors


def test_a_release_makes_an_aligner_of_its_own_where_there_is_none(tmp_path: Path):
    release, index = a_release(tmp_path), photo_index()
    nothing = read_learned(tmp_path / "none", model_id=model_of(release))
    made = with_closed_form(nothing, cards(), index, model_id=model_of(release), ridge=0.1)
    assert made.vectors.startswith("closed form of 16 pairs of title and photo (none: `photosearch")
    write_text_search(release, cards(), [], learned=made, params=PARAMS)
    side = open_text_search(release / "text", model_id=model_of(release))
    for colour, russian in COLOURS.items():
        for text in (colour, russian):
            assert (photo_vectors() @ side.vector_of(text)).argmax() == list(COLOURS).index(colour)
    side.close()


def test_an_aligner_that_was_trained_stays(tmp_path: Path):
    release = a_release(tmp_path)
    model_id = model_of(release)
    trained = read_learned(learned(tmp_path / "text", model_id), model_id=model_id)
    kept = with_closed_form(trained, cards(), photo_index(), model_id=model_id, ridge=0.1)
    assert kept is trained


def test_titles_without_photos_make_no_aligner(tmp_path: Path):
    nothing = read_learned(tmp_path / "none", model_id="m1")
    made = with_closed_form(nothing, cards(), ExactIndex(DIM), model_id="m1", ridge=0.1)
    assert made.aligner is None
    assert made.vectors == "none: no card has both a title and a photo"


def test_a_release_without_text_side_says_how_to_make_it(tmp_path: Path):
    with pytest.raises(BadArtifact, match=r"holds no whole text search.*photosearch index"):
        open_text_search(tmp_path, model_id="m1")


def test_a_text_side_of_another_model_is_refused(tmp_path: Path):
    release = a_release(tmp_path)
    model_id = model_of(release)
    texts = read_learned(learned(tmp_path / "text", model_id), model_id=model_id)
    write_text_search(release, cards(), [], learned=texts, params=PARAMS)
    with pytest.raises(BadArtifact, match="not of other"):
        open_text_search(release / "text", model_id="other")


def test_a_damaged_text_side_is_told(tmp_path: Path):
    release = a_release(tmp_path)
    nothing = read_learned(tmp_path / "none", model_id=model_of(release))
    write_text_search(release, cards(), [], learned=nothing, params=PARAMS)
    facts = release / "text" / FACTS
    facts.write_text(facts.read_text()[:-5])
    with pytest.raises(BadArtifact, match="holds no whole text search"):
        open_text_search(release / "text", model_id=model_of(release))


def test_reviews_are_cut_to_so_many_characters_a_card():
    said = reviews_by_card([("a", "so good")] * 100, {"a"}, chars=20)
    assert said == {"a": " so good so good so "[:20]}
