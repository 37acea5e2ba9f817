"""A release of four colours in two languages, with a text side learned from their titles."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from photosearch.catalog.schemas import Card
from photosearch.embedding.aligner import Aligner, AlignerManifest, save_aligner
from photosearch.embedding.embedder import Vectors
from photosearch.embedding.layers import Layer
from photosearch.embedding.model import HeadShape, Lineage, read_model, write_model
from photosearch.embedding.ngrams import NGRAM_DIM, ngram_encoder
from photosearch.embedding.tower import CONFIG, WEIGHTS
from photosearch.index.filters import CardFilter, Listing
from photosearch.index.vector_index import ExactIndex
from photosearch.search.card_texts import write_text_search
from photosearch.search.learned_texts import read_learned
from photosearch.search.refine import Refiner, RefinerManifest, save_refiner
from photosearch.search.text_search import (
    Photos,
    TextSearch,
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
        lambda vector: index.nearest(vector, limit=4),
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
