"""From a shopper's photo to ranked cards, step by step."""

import ast
import dataclasses
import io
import logging
from pathlib import Path

import numpy as np
import pytest
from found_cards import Plain, found
from PIL import Image
from small_shop import ColourEmbedder, SmallShop, colour, jpeg, open_shop, painted

from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import read_rows, write_table
from photosearch.errors import (
    BadBox,
    BadLength,
    BadTable,
    DimensionMismatch,
    ForeignIndex,
    UnreadablePhoto,
)
from photosearch.index.filters import Listing
from photosearch.index.vector_index import ExactIndex, Hit
from photosearch.search.candidates import EXACT_SCORE, VOTERS, collapse, nearest_cards
from photosearch.search.enrich import CardFactsTable
from photosearch.search.finding import Finder
from photosearch.search.pipeline import make_pipeline
from photosearch.search.query import Candidate, SearchRequest
from photosearch.search.rank import best_first
from photosearch.search.schemas import ReleaseIds, SearchResponse
from photosearch.search.thumbnails import (
    GALLERY_MOST,
    SIDE_PX,
    Thumbnail,
    write_thumbnails,
)

IDS = ReleaseIds(release="r1", model_id="colours", index_id="i1", data_version="d1")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> SmallShop:
    return open_shop(tmp_path_factory.mktemp("shop"))


def ids(answer: SearchResponse) -> list[str]:
    return [card.card.card_id for card in answer.cards]


def test_a_photo_finds_the_card_of_its_colour_first(shop: SmallShop):
    answer = shop.pipeline.answer(SearchRequest(jpeg(painted(colour("green")))))
    best = answer.cards[0]
    assert (best.card.card_id, best.rank) == ("green", 1)
    assert best.cosine == pytest.approx(1, abs=0.01)
    assert best.matched_photo_id == "green/gallery/0"


def test_a_card_with_two_near_photos_is_found_once(shop: SmallShop):
    answer = shop.pipeline.answer(SearchRequest(jpeg(painted(colour("red")))))
    card_ids = [card.card.card_id for card in answer.cards]
    assert sorted(card_ids) == ["blue", "green", "red", "violet", "yellow"]


def test_a_box_searches_only_its_part_of_the_photo(shop: SmallShop):
    photo = jpeg(painted(colour("red"), colour("red"), colour("blue")))
    whole = shop.pipeline.answer(SearchRequest(photo))
    part = shop.pipeline.answer(SearchRequest(photo, box=(280, 20, 390, 280)))
    assert whole.cards[0].card.card_id == "red"
    assert whole.box is None
    assert part.cards[0].card.card_id == "blue"
    assert part.box == (280, 20, 390, 280)


def test_the_box_is_in_pixels_of_the_turned_photo(shop: SmallShop):
    upright = painted(colour("red"), colour("blue"), size=(400, 200))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise when shown
    lying = io.BytesIO()
    upright.save(lying, "JPEG", quality=95, exif=exif)
    answer = shop.pipeline.answer(SearchRequest(lying.getvalue(), box=(20, 220, 180, 380)))
    assert (answer.width, answer.height) == (200, 400)
    assert answer.cards[0].card.card_id == "blue"


def test_limit_cuts_after_ranking(shop: SmallShop):
    answer = shop.pipeline.answer(SearchRequest(jpeg(painted(colour("violet"))), limit=1))
    assert [card.card.card_id for card in answer.cards] == ["violet"]


def test_every_step_is_timed(shop: SmallShop):
    took_ms = shop.pipeline.answer(SearchRequest(jpeg(painted(colour("red"))))).took_ms
    stages = ["decode", "crop", "embed", "candidates", "enrich", "facets", "rank"]
    assert list(took_ms) == [*stages, "total"]
    assert took_ms["total"] >= sum(took_ms[stage] for stage in stages)


def test_every_answer_has_an_id_of_its_own_and_names_its_release(shop: SmallShop):
    request = SearchRequest(jpeg(painted(colour("red"))))
    first, second = shop.pipeline.answer(request), shop.pipeline.answer(request)
    assert first.query_id != second.query_id
    assert len(first.query_id) == 32
    assert first.release == IDS
    assert first.cards == second.cards


def test_a_step_can_be_swapped(shop: SmallShop):
    backwards = dataclasses.replace(shop.pipeline, rank=lambda cards, _: best_first(cards)[::-1])
    request = SearchRequest(jpeg(painted(colour("red"))))
    assert ids(backwards.answer(request)) == ids(shop.pipeline.answer(request))[::-1]


def test_facts_of_a_card_reach_the_answer(shop: SmallShop):
    card = shop.pipeline.answer(SearchRequest(jpeg(painted(colour("green"))))).cards[0].card
    assert card.title == "Green kettle"
    assert card.title_ru == "Зелёный чайник"
    assert (card.brand, card.article, card.price) == ("Paint & Co", "KR-4821", 10.5)
    assert card.category == ["Home", "Colour"]
    assert card.thumbnail is not None
    assert (shop.release.thumbnails / Path(card.thumbnail).name).is_file()


def test_an_empty_index_is_an_answer_without_cards():
    pipeline = make_pipeline(
        IDS, ColourEmbedder(), finder=Finder(ExactIndex(64), 10), cards=Plain()
    )
    answer = pipeline.answer(SearchRequest(jpeg(painted(colour("red")))))
    assert answer.cards == []


def test_a_length_that_the_index_does_not_hold_is_refused(shop: SmallShop):
    photo = jpeg(painted(colour("red")))
    assert shop.pipeline.answer(SearchRequest(photo, length=64)).length == 64
    with pytest.raises(BadLength, match="Vector length 16 is not one of 64"):
        shop.pipeline.answer(SearchRequest(photo, length=16))


def test_an_index_of_shorter_vectors_is_searched_with_shortened_ones():
    embedder, index = ColourEmbedder(), ExactIndex(16)
    dark = painted((30, 120, 30))
    index.add(["dark/0"], [Listing("dark")], embedder.embed([dark])[:, :16])
    pipeline = make_pipeline(IDS, embedder, finder=Finder(index, 10), cards=Plain())
    answer = pipeline.answer(SearchRequest(jpeg(dark)))
    assert answer.length == 16
    assert answer.cards[0].card.card_id == "dark"
    assert answer.cards[0].cosine == pytest.approx(1)


def test_an_index_of_another_model_is_never_searched():
    other = IDS.model_copy(update={"model_id": "shapes"})
    with pytest.raises(ForeignIndex, match="made by model shapes, the query by colours"):
        make_pipeline(other, ColourEmbedder(), finder=Finder(ExactIndex(64), 9), cards=Plain())


def test_an_index_of_a_length_the_model_does_not_make_is_refused():
    with pytest.raises(DimensionMismatch, match="holds 50-d vectors, the model made 64-d ones"):
        make_pipeline(IDS, ColourEmbedder(), finder=Finder(ExactIndex(50), 9), cards=Plain())


def test_what_cannot_be_read_is_named(shop: SmallShop):
    with pytest.raises(UnreadablePhoto, match=r"'notes.jpg' is not a JPEG, PNG or WebP image"):
        shop.pipeline.answer(SearchRequest(b"dear diary", name="'notes.jpg'"))
    with pytest.raises(UnreadablePhoto, match="not a readable photo"):
        shop.pipeline.answer(SearchRequest(jpeg(painted(colour("red")))[:900]))


def test_a_box_outside_the_photo_is_refused(shop: SmallShop):
    request = SearchRequest(jpeg(painted(colour("red"))), box=(300, 200, 500, 280))
    with pytest.raises(BadBox, match="not inside the photo of 400 x 300 pixels"):
        shop.pipeline.answer(request)


def test_a_card_is_represented_by_its_nearest_photo():
    index = ExactIndex(2)
    vectors = np.array([[0.6, 0.8], [1, 0], [0.8, 0.6]], np.float32)
    index.add(["a/far", "a/near", "b/0"], [Listing("a"), Listing("a"), Listing("b")], vectors)
    assert nearest_cards(index, np.array([1, 0], np.float32), hits_per_query=3) == [
        Candidate("a", "a/near", 1.0, EXACT_SCORE),
        Candidate("b", "b/0", pytest.approx(0.8), pytest.approx(0.8)),
    ]


def test_several_near_photos_outweigh_one_that_is_slightly_nearer():
    hits = [Hit("lone/0", "lone", 0.90), Hit("many/0", "many", 0.89), Hit("many/1", "many", 0.88)]
    first, second = collapse(hits)
    assert (first.card_id, first.photo_id, first.cosine) == ("many", "many/0", 0.89)
    assert first.score > second.score == pytest.approx(0.90)


def test_votes_do_not_outweigh_a_photo_that_is_the_query_itself():
    hits = [Hit("own/0", "own", 1.0)] + [Hit(f"many/{n}", "many", 0.999) for n in range(5)]
    assert [card.card_id for card in collapse(hits)] == ["own", "many"]


def test_a_card_beyond_the_voters_keeps_its_place_by_cosine():
    hits = [Hit(f"a/{n}", "a", 0.9) for n in range(VOTERS)] + [Hit("b/0", "b", 0.8)]
    assert [card.card_id for card in collapse(hits)] == ["a", "b"]
    assert collapse(hits)[1].score == 0.8


def test_equal_cosines_are_ranked_by_card_id_whatever_their_order():
    cards = [found("c", 0.5), found("a", 0.5), found("d", 0.9), found("b", 0.5)]
    for order in (cards, cards[::-1]):
        ranked = best_first(order)
        assert [card.traits.card_id for card in ranked] == ["d", "a", "b", "c"]


def test_a_found_card_without_facts_is_left_out_and_told_of(
    shop: SmallShop, caplog: pytest.LogCaptureFixture
):
    table = CardFactsTable(shop.release.cards, shop.release.thumbnail_table)
    candidates = [
        Candidate("gone", "gone/0", 0.9, 0.9),
        Candidate("red", "red/gallery/0", 0.8, 0.8),
    ]
    with caplog.at_level(logging.WARNING, logger="photosearch.search.enrich"):
        cards = table.enrich(candidates)
    assert [card.traits.card_id for card in cards] == ["red"]
    assert "1 found cards have no facts, first gone" in caplog.text
    assert table.enrich([]) == []


def test_a_release_without_its_cards_says_so(tmp_path: Path, shop: SmallShop):
    with pytest.raises(BadTable, match=r"cards.parquet does not exist"):
        CardFactsTable(tmp_path / "cards.parquet", shop.release.thumbnail_table)


def test_a_card_is_shown_by_its_first_gallery_photos_and_never_by_a_buyers(tmp_path: Path):
    from photosearch.catalog import images

    def photo(card_id: str, kind: str, picture: Image.Image) -> CuratedPhoto:
        sha256 = images.store(tmp_path / "images", jpeg(picture))
        return CuratedPhoto(f"{card_id}/{sha256}", card_id, kind, sha256, "train", True)

    def card(card_id: str) -> Card:
        return Card(card_id, card_id, None, None, [], None, None, None, card_id)

    red, blue = painted((200, 0, 0), size=(1600, 800)), painted((0, 0, 200))
    more = [painted((0, 200, light), size=(90, 80)) for light in (0, 60, 120, 180)]
    photos = [
        photo("a", "review", more[0]), photo("a", "gallery", red), photo("b", "review", more[0]),
        photo("a", "gallery", blue), *(photo("a", "gallery", picture) for picture in more),
        photo("c", "gallery", red),
    ]  # fmt: skip
    release = tmp_path / "release"
    cards = [card("a"), card("b"), card("c")]
    n_shown = write_thumbnails(release, cards, photos=photos, images_dir=tmp_path / "images")
    rows = read_rows(release / "thumbnails.parquet", Thumbnail)
    assert n_shown == 2
    assert [row.card_id for row in rows] == ["a"] * GALLERY_MOST + ["c"]
    assert rows[0].sha256 == rows[-1].sha256
    files = {row.sha256: release / "thumbnails" / f"{row.sha256}.jpg" for row in rows}
    assert set(files.values()) == set((release / "thumbnails").iterdir())
    file = files[rows[0].sha256]
    assert file.name == f"{images.content_hash(file.read_bytes())}.jpg"
    with Image.open(file) as shown:
        assert (shown.format, shown.size) == ("JPEG", (SIDE_PX, SIDE_PX // 2))
        red_part, _, blue_part = shown.getpixel((10, 10))
    assert red_part > 150 > blue_part


def test_a_card_without_a_thumbnail_is_still_found(tmp_path: Path, shop: SmallShop):
    write_table(tmp_path / "thumbnails.parquet", Thumbnail, [])
    table = CardFactsTable(shop.release.cards, tmp_path / "thumbnails.parquet")
    (card,) = table.enrich([Candidate("red", "red/gallery/0", 0.8, 0.8)])
    (shown,) = table.facts([card.traits.card_id])
    assert (shown.card_id, shown.thumbnail) == ("red", None)
    assert table.gallery("red") == table.gallery("no such card") == []


@pytest.mark.parametrize("module", ["pipeline", "enrich", "rank", "schemas"])
def test_the_search_path_names_no_framework(module: str):
    frameworks = {"torch", "open_clip", "qdrant_client", "qdrant_edge", "bentoml", "onnxruntime"}
    source = Path(__file__).parent.parent / "photosearch" / "search" / f"{module}.py"
    named = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
    }
    assert not named & frameworks
