"""`photosearch text` on a small home: titles find cards, and the refiner is there or is told of."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_texts import ALIGNER, REFINER, a_card
from small_tower import Colour, ColourTower, png, quarters

from photosearch.catalog import images
from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import read_rows, write_table
from photosearch.embedding.aligner import read_aligner
from photosearch.embedding.embedder import Vectors, unit
from photosearch.embedding.model import HeadShape, Lineage, read_model, write_model
from photosearch.embedding.tokens import cache_tokens
from photosearch.embedding.tower import CONFIG, WEIGHTS
from photosearch.errors import BadArtifact, EmptySource
from photosearch.head_settings import TokensParams
from photosearch.home import Home
from photosearch.search.refine import read_refiner
from photosearch.text_settings import TextParams
from training.text_side import learn_texts, titled_photos

COLOURS: dict[str, Colour] = {
    "red": (255, 0, 0), "blue": (0, 0, 255), "green": (0, 255, 0), "white": (255, 255, 255)
}  # fmt: skip
PATTERNS: dict[str, Colour] = {"dots": (0, 0, 0), "checks": (128, 0, 128), "plain": (0, 128, 128)}
UNSEEN = "Mugs white plain 0"
TEXT = TextParams(aligner=ALIGNER.model_copy(update={"steps": 0}), refiner=REFINER)


def encode(texts: Sequence[str]) -> Vectors:
    """The words of a text as random vectors, added up."""
    words = [text.lower().replace(",", " ").split() for text in texts]
    made = [
        sum(np.random.default_rng(list(word.encode())).standard_normal(32) for word in of_text)
        for of_text in words
    ]
    return unit(np.array(made))


def every_card() -> list[Card]:
    return [a_card(colour, pattern) for colour in COLOURS for pattern in PATTERNS]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Twelve cards, two photos each, one card never seen in training; mean pooling is the model."""
    made = Home(tmp_path / "home")
    photos = []
    for card in every_card():
        colour, pattern = COLOURS[card.attributes["Colour"]], PATTERNS[card.attributes["Pattern"]]
        for kind, light in (("gallery", 0), ("review", 60)):
            shown = quarters(colour, colour, pattern, (light,) * 3)
            is_seen = card.card_id != UNSEEN
            photos.append(
                CuratedPhoto(
                    f"{card.card_id}/{kind}/0", card.card_id, kind,
                    images.store(made.images, png(shown)), "train" if is_seen else "test", is_seen,
                )
            )  # fmt: skip
    write_table(made.curated / "photos.parquet", CuratedPhoto, photos)
    write_table(made.curated / "cards.parquet", Card, every_card())
    cache_tokens(made, ColourTower(), tokens=TokensParams(views=1, form="bf16", pool=1, seed=7))
    made.tower.mkdir(parents=True)
    for name in (CONFIG, WEIGHTS):
        (made.tower / name).write_bytes(b"copied and hashed, never opened here")
    shape = HeadShape("mean", 8, 8, [8, 4])
    write_model(made.candidate, tower=made.tower, head=shape, lineage=Lineage("d1", 0))
    return made


def test_titles_of_a_card_never_seen_find_it_and_the_refiner_is_made(home: Home):
    report = learn_texts(home, TEXT, encode)
    model_id = read_model(home.candidate).model_id
    assert (report.model_id, report.encoder) == (model_id, "tower")
    assert report.pairs == 11 * 2 * 2  # cards, photos, titles
    assert report.titles_asked == 2
    assert report.recall_at_10 == 1
    assert report.refiner == "trained"
    assert read_aligner(home.text, model_id=model_id).manifest.text_dim == 32
    assert read_refiner(home.text, model_id=model_id).manifest.dim == 8


def test_the_stage_makes_the_same_bytes_again(home: Home):
    def made() -> dict[str, bytes]:
        learn_texts(home, TEXT, encode)
        return {path.name: path.read_bytes() for path in sorted(home.text.iterdir())}

    first = made()
    assert sorted(first) == [
        "aligner.json", "aligner.safetensors", "refiner.json", "refiner.safetensors"
    ]  # fmt: skip
    assert made() == first


def test_cards_without_attributes_get_an_aligner_and_no_refiner(home: Home):
    bare = [replace(card, attributes={}) for card in every_card()]
    write_table(home.curated / "cards.parquet", Card, bare)
    report = learn_texts(home, TEXT, encode)
    assert report.refiner == "none: 0 triplets are fewer than 10"
    read_aligner(home.text, model_id=report.model_id)
    with pytest.raises(BadArtifact, match=r"text\.json"):
        read_refiner(home.text, model_id=report.model_id)


def test_photos_that_a_refresh_dropped_or_changed_are_not_learned_from(home: Home):
    model, table = read_model(home.candidate), home.curated / "photos.parquet"
    before = titled_photos(home, model, every_card(), encode)
    dropped, *photos, changed = read_rows(table, CuratedPhoto)
    write_table(table, CuratedPhoto, [*photos, replace(changed, sha256="0" * 64)])
    known = titled_photos(home, model, every_card(), encode)
    assert (known.photos, changed.card_id) == (photos, UNSEEN)
    rows = [before.photos.index(photo) for photo in photos]
    assert np.array_equal(known.vectors, before.vectors[rows])
    rest = [card for card in every_card() if card.card_id != dropped.card_id]
    write_table(home.curated / "cards.parquet", Card, rest)
    write_table(table, CuratedPhoto, photos[1:])  # nothing of that card
    assert learn_texts(home, TEXT, encode).pairs == 10 * 2 * 2


def test_the_network_may_follow_the_closed_form(home: Home):
    report = learn_texts(home, TEXT.model_copy(update={"aligner": ALIGNER}), encode)
    assert len(read_aligner(home.text, model_id=report.model_id).layers) == 2


def test_cards_without_titles_are_told(home: Home):
    write_table(
        home.curated / "cards.parquet",
        Card,
        [replace(card, title="", title_ru=None) for card in every_card()],
    )
    with pytest.raises(EmptySource, match="None of 12 cards has a title"):
        learn_texts(home, TEXT, encode)
