"""Words, alone or beside a photo, become cards; likes, cards alike."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from photo_vectors import of_cards

from photosearch.catalog.schemas import Card
from photosearch.catalog.tables import write_table
from photosearch.embedding.aligner import Aligner, AlignerManifest, save_aligner
from photosearch.embedding.embedder import Vectors, unit
from photosearch.embedding.layers import Layer
from photosearch.embedding.model import HeadShape, Lineage, read_model, write_model
from photosearch.embedding.ngrams import NGRAM_DIM, ngram_encoder
from photosearch.embedding.tower import CONFIG, WEIGHTS
from photosearch.errors import BadArtifact, BadRequest
from photosearch.index.filters import CardFilter, Listing
from photosearch.index.vector_index import ExactIndex
from photosearch.search.alike import cards_like, twins_by_card
from photosearch.search.candidates import nearest_cards
from photosearch.search.card_texts import reviews_by_card, write_text_search
from photosearch.search.fusion import by_ranks, by_scores
from photosearch.search.learned_texts import read_learned, with_closed_form
from photosearch.search.likes import moved_by_likes
from photosearch.search.query import Candidate
from photosearch.search.refine import Refiner, RefinerManifest, save_refiner
from photosearch.search.text_search import (
    FACTS,
    Photos,
    TextSearch,
    cards_by_photo_and_text,
    cards_by_text,
    open_text_search,
)
from photosearch.text_search_settings import FusionWeights, LikesParams, TextSearchParams

EQUALLY = FusionWeights(words=1, pieces=1, vectors=1)
LIKES = LikesParams(liked=0.75, disliked=0.15, cosine_min=0.7)
PARAMS = TextSearchParams(
    title_weight=3, review_chars=200, depth=10, fusion="rrf", rrf_k=60,
    text=EQUALLY, photo=EQUALLY, likes=LIKES,
)  # fmt: skip
COLOURS = {"red": "красная", "green": "зелёная", "blue": "синяя", "white": "белая"}
DIM = len(COLOURS)
REVIEWS = [("white", "Отличная вещь, брала маме"), ("white", None), ("gone", "Отличная")]


def a_card(colour: str) -> Card:
    return Card(
        colour, f"{colour.capitalize()} mug", f"Кружка {COLOURS[colour]}", None, ["Home", "Mugs"],
        "Orion", None, 100.0, colour,
    )  # fmt: skip


def vector_of(colour: str) -> Vectors:
    return np.eye(DIM, dtype=np.float32)[list(COLOURS).index(colour)]


def photo_vectors() -> Vectors:
    return np.stack([vector_of(colour) for colour in COLOURS])


def photo_index() -> ExactIndex:
    index = ExactIndex(DIM)
    for colour in COLOURS:
        own = [f"{colour}/gallery/0", f"{colour}/review/r/0"]
        index.add(own, [Listing(colour)] * 2, np.stack([vector_of(colour)] * 2))
    return index


def photos_of(index: ExactIndex, where: CardFilter | None = None) -> Photos:
    return Photos(
        lambda vector: nearest_cards(index, vector, hits_per_query=4),
        index.vectors_of, index.dim, where,
    )  # fmt: skip


def learned(folder: Path, model_id: str, *, encoder: str = "ngrams") -> Path:
    """An aligner that knows the colours' English names, and a refiner that goes where words say."""
    texts = ngram_encoder()(list(COLOURS))  # (colours, NGRAM_DIM)
    colours = Layer(texts, np.zeros(DIM, np.float32))
    save_aligner(folder, Aligner(AlignerManifest(encoder, model_id, NGRAM_DIM, DIM), [colours]))
    both = np.hstack([np.zeros((DIM, DIM), np.float32), 9 * texts])
    refine = [Layer(both, np.zeros(DIM, np.float32))]
    save_refiner(folder, Refiner(RefinerManifest(model_id, encoder, NGRAM_DIM, DIM), refine))
    return folder


def a_release(folder: Path) -> Path:
    """A release folder as it is when the text side is written: it holds the model."""
    for name in (CONFIG, WEIGHTS):
        (folder / "tower").mkdir(parents=True, exist_ok=True)
        (folder / "tower" / name).write_bytes(b"copied and hashed, never opened here")
    write_model(
        folder / "release" / "model", tower=folder / "tower",
        head=HeadShape("mean", DIM, DIM, [DIM]), lineage=Lineage("d1", 0),
    )  # fmt: skip
    return folder / "release"


def model_of(release: Path) -> str:
    return read_model(release / "model").model_id


def cards() -> list[Card]:
    return [a_card(colour) for colour in COLOURS]


@pytest.fixture(scope="module")
def side(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TextSearch]:
    release = a_release(tmp_path_factory.mktemp("home"))
    texts = read_learned(
        learned(release.with_name("text"), model_of(release)), model_id=model_of(release)
    )
    write_text_search(release, cards(), REVIEWS, learned=texts, params=PARAMS)
    opened = open_text_search(release / "text", model_id=model_of(release))
    yield opened
    opened.close()


def ids(found: Sequence[Candidate]) -> list[str]:
    return [card.card_id for card in found]


# Words


@pytest.mark.parametrize("text", ["red mug", "красная кружка", "красные", "rde mug red"])
def test_words_find_the_card_they_tell(side: TextSearch, text: str):
    found = cards_by_text(side, text, photos_of(photo_index()))
    assert found[0].card_id == "red"
    assert found[0].score <= 1
    assert found[0].photo_id.startswith("red/")


def test_a_word_that_only_the_vectors_know_finds_its_card_too(side: TextSearch):
    near = cards_by_text(side, "greenish", photos_of(photo_index()))
    assert near[0].card_id == "green"
    assert near[0].cosine > 0.5


def test_a_review_makes_its_card_findable(side: TextSearch):
    assert cards_by_text(side, "маме", photos_of(photo_index()))[0].card_id == "white"


def test_a_card_found_by_words_alone_tells_how_near_it_is(side: TextSearch):
    found = cards_by_text(side, "red mug", photos_of(photo_index()))
    assert sorted(ids(found)) == sorted(COLOURS)  # all are mugs; near the vector are only two
    assert all(-1 <= card.cosine <= 1 and card.photo_id for card in found)


def test_words_are_filtered_as_the_photos_are(side: TextSearch):
    index = photo_index()
    nothing = Photos(lambda _: [], index.vectors_of, index.dim, CardFilter(price_min=200))
    assert cards_by_text(side, "red mug", nothing) == []


def test_the_same_words_get_the_same_answer(side: TextSearch):
    one, other = (cards_by_text(side, "mug", photos_of(photo_index())) for _ in range(2))
    assert one == other


# A photo and words


def test_words_beside_a_photo_lead_to_the_card_that_is_like_it_but_for_them(side: TextSearch):
    index = photo_index()
    found = cards_by_photo_and_text(side, vector_of("red"), "the same but green", photos_of(index))
    assert found[0].card_id == "green"


def test_without_a_refiner_the_photo_stays_and_words_still_count(tmp_path: Path):
    release = a_release(tmp_path)
    nothing = read_learned(tmp_path / "none", model_id=model_of(release))
    facts = write_text_search(release, cards(), REVIEWS, learned=nothing, params=PARAMS)
    assert facts.vectors == facts.refinement == "none: `photosearch text` has not been run"
    side = open_text_search(release / "text", model_id=model_of(release))
    assert np.array_equal(side.refined(vector_of("red"), "green"), vector_of("red"))
    found = cards_by_photo_and_text(side, vector_of("red"), "green", photos_of(photo_index()))
    assert set(ids(found)[:2]) == {"red", "green"}
    by_words = cards_by_text(side, "green", photos_of(photo_index()))
    assert (by_words[0].photo_id, by_words[0].cosine) == ("green/gallery/0", 0.0)
    side.close()


# A release


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
