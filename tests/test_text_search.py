"""Words, alone or beside a photo, become cards; likes, cards alike."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_text_side
from hypothesis import given
from hypothesis import strategies as st
from photo_vectors import of_cards
from small_text_side import (
    COLOURS,
    DIM,
    LIKES,
    PARAMS,
    REVIEWS,
    a_release,
    cards,
    model_of,
    photo_index,
    photos_of,
    vector_of,
)

from photosearch.catalog.schemas import Card
from photosearch.catalog.tables import write_table
from photosearch.embedding.embedder import unit
from photosearch.errors import BadRequest
from photosearch.index.filters import CardFilter
from photosearch.index.vector_index import ExactIndex
from photosearch.search.alike import cards_like, twins_by_card
from photosearch.search.card_texts import write_text_search
from photosearch.search.fusion import by_ranks, by_scores
from photosearch.search.learned_texts import read_learned
from photosearch.search.likes import moved_by_likes
from photosearch.search.query import Candidate
from photosearch.search.text_search import (
    Photos,
    TextSearch,
    cards_by_photo_and_text,
    cards_by_text,
    open_text_search,
)
from photosearch.text_search_settings import LikesParams

side = small_text_side.side


def ids(found: Sequence[Candidate]) -> list[str]:
    return [card.card_id for card in found]


# Words


@pytest.mark.parametrize("text", ["red mug", "красная кружка", "красные", "rde mug red"])
def test_words_find_the_card_they_tell(side: TextSearch, text: str):
    found = cards_by_text(side, text, photos_of(photo_index())).cards
    assert found[0].card_id == "red"
    assert found[0].score <= 1
    assert found[0].photo_id.startswith("red/")


def test_a_word_that_only_the_vectors_know_finds_its_card_too(side: TextSearch):
    near = cards_by_text(side, "greenish", photos_of(photo_index())).cards
    assert near[0].card_id == "green"
    assert near[0].cosine > 0.5


def test_a_review_makes_its_card_findable(side: TextSearch):
    assert cards_by_text(side, "маме", photos_of(photo_index())).cards[0].card_id == "white"


def test_a_card_found_by_words_alone_tells_how_near_it_is(side: TextSearch):
    found = cards_by_text(side, "red mug", photos_of(photo_index())).cards
    assert sorted(ids(found)) == sorted(COLOURS)  # all are mugs; near the vector are only two
    assert all(-1 <= card.cosine <= 1 and card.photo_id for card in found)


def test_words_are_filtered_as_the_photos_are(side: TextSearch):
    index = photo_index()
    nothing = Photos(lambda _: [], index.vectors_of, index.dim, CardFilter(price_min=200))
    assert cards_by_text(side, "red mug", nothing).cards == []


def test_the_same_words_get_the_same_answer(side: TextSearch):
    one, other = (cards_by_text(side, "mug", photos_of(photo_index())) for _ in range(2))
    assert one == other


# A photo and words


def test_words_beside_a_photo_lead_to_the_card_that_is_like_it_but_for_them(side: TextSearch):
    index = photo_index()
    found = cards_by_photo_and_text(side, vector_of("red"), "the same but green", photos_of(index))
    assert found.cards[0].card_id == "green"


def test_a_photo_and_words_tell_what_is_near_and_how_well_words_fit(side: TextSearch):
    index = photo_index()
    found = cards_by_photo_and_text(side, vector_of("red"), "green mug", photos_of(index))
    assert found.hits == index.nearest(side.refined(vector_of("red"), "green mug"), limit=4)
    assert found.text_scores is not None
    assert max(found.text_scores, key=lambda card_id: found.text_scores[card_id]) == "green"
    assert all(0 <= score <= 1 for score in found.text_scores.values())


def test_without_a_refiner_the_photo_stays_and_words_still_count(tmp_path: Path):
    release = a_release(tmp_path)
    nothing = read_learned(tmp_path / "none", model_id=model_of(release))
    facts = write_text_search(release, cards(), REVIEWS, learned=nothing, params=PARAMS)
    assert facts.vectors == facts.refinement == "none: `photosearch text` has not been run"
    side = open_text_search(release / "text", model_id=model_of(release))
    assert np.array_equal(side.refined(vector_of("red"), "green"), vector_of("red"))
    found = cards_by_photo_and_text(side, vector_of("red"), "green", photos_of(photo_index()))
    assert set(ids(found.cards)[:2]) == {"red", "green"}
    by_words = cards_by_text(side, "green", photos_of(photo_index())).cards
    assert (by_words[0].photo_id, by_words[0].cosine) == ("green/gallery/0", 0.0)
    side.close()


# Fusion


def test_a_card_that_two_lists_name_comes_before_the_first_of_one():
    fused = by_ranks([{"a": 3.0, "b": 2.0}, {"c": 9.0, "b": 8.0}], [1, 1], k=60)
    assert list(fused) == ["b", "a", "c"]
    assert fused["b"] == pytest.approx((2 / 62) / (2 / 61))


def test_cards_of_equal_score_share_a_rank():
    fused = by_ranks([{"b": 1.0, "a": 1.0, "c": 0.5}], [1], k=60)
    assert fused["a"] == fused["b"] == pytest.approx(61 / 61.5)
    assert list(fused) == ["a", "b", "c"]


def test_a_list_of_weight_zero_changes_no_order():
    one, other = {"a": 2.0, "b": 1.0}, {"b": 5.0, "c": 4.0}
    assert list(by_ranks([one, other], [1, 0], k=60))[:2] == ["a", "b"]
    assert next(iter(by_scores([one, other], [1, 0]))) == "a"


def test_scores_of_any_scale_weigh_the_same():
    fused = by_scores([{"a": 300.0, "b": 100.0}, {"b": 0.9, "a": 0.8}], [1, 1])
    assert fused == {"a": 0.5, "b": 0.5}
    assert by_scores([{}, {"a": 7.0}], [1, 1]) == {"a": 0.5}


# Likes


def test_likes_bring_a_query_nearer_and_dislikes_take_it_away():
    red, green, blue = (vector_of(colour) for colour in ("red", "green", "blue"))
    moved = moved_by_likes(red, [green[None]], [blue[None]], likes=LIKES)
    assert moved @ green > 0
    assert moved @ blue < 0
    assert np.linalg.norm(moved) == pytest.approx(1, abs=1e-5)


def test_without_likes_the_query_stays():
    assert np.allclose(moved_by_likes(vector_of("red"), [], [], likes=LIKES), vector_of("red"))


def test_a_card_counts_once_however_many_photos_it_has():
    red, green, blue = (vector_of(colour) for colour in ("red", "green", "blue"))
    moved = moved_by_likes(red, [np.stack([green] * 9), blue[None]], [], likes=LIKES)
    assert moved @ green == pytest.approx(moved @ blue, abs=1e-6)


def test_dislikes_that_undo_the_query_leave_it_where_it_was():
    red = vector_of("red")
    likes = LikesParams(liked=0, disliked=1, cosine_min=0.5)
    assert np.allclose(moved_by_likes(red, [], [red[None]], likes=likes) @ red, 1)


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 1000))
def test_likes_never_lead_further_than_they_may(n_liked: int, n_disliked: int, seed: int):
    vectors = unit(np.random.default_rng(seed).standard_normal((41, 8)))
    liked, disliked = vectors[1 : 1 + n_liked, None], vectors[21 : 21 + n_disliked, None]
    moved = moved_by_likes(vectors[0], list(liked), list(disliked), likes=LIKES)
    assert moved @ vectors[0] >= LIKES.cosine_min - 1e-5
    assert np.linalg.norm(moved) == pytest.approx(1, abs=1e-5)


# More like this


def test_cards_alike_leave_out_the_card_and_its_twins():
    index = ExactIndex(DIM)
    names = ["a", "b", "c", "d"]
    near = unit(np.eye(DIM, dtype=np.float32)[[0, 0, 0, 0]] + 0.1 * np.eye(DIM)[[0, 1, 2, 3]])
    index.add([f"{name}/gallery/0" for name in names], of_cards(*names), near)
    photos = photos_of(index)
    found = cards_like("a", photos.near, photos.vectors_of, twins={"a", "c"})
    assert ids(found) == ["b", "d"]


def test_twins_are_cards_of_the_same_product(tmp_path: Path):
    sold_twice = [replace(card, group_id=card.card_id[0]) for card in cards()]
    sold_twice[0] = replace(sold_twice[0], group_id="b")
    write_table(tmp_path / "cards.parquet", Card, sold_twice)
    assert twins_by_card(tmp_path / "cards.parquet") == {
        "red": frozenset({"blue"}),
        "blue": frozenset({"red"}),
    }


def test_gallery_photos_ask_where_there_are_any():
    index = ExactIndex(DIM)
    index.add(
        ["a/gallery/0", "a/review/1/0", "b/gallery/0", "c/gallery/0"],
        of_cards("a", "a", "b", "c"),
        np.stack([vector_of(colour) for colour in ("red", "blue", "red", "blue")]),
    )  # fmt: skip
    photos = photos_of(index)
    assert ids(cards_like("a", photos.near, photos.vectors_of, twins=()))[0] == "b"
    index.remove(["a/gallery/0"])
    assert ids(cards_like("a", photos.near, photos.vectors_of, twins=()))[0] == "c"


def test_a_card_that_the_index_does_not_know_is_refused():
    photos = photos_of(photo_index())
    with pytest.raises(BadRequest, match="No photo of card 'gone' is in the index"):
        cards_like("gone", photos.near, photos.vectors_of, twins=())
