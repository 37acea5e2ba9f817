"""A model as the benchmark sees it, and everything it is asked: photos, views, texts, pairs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from photosearch.catalog.images import load
from photosearch.embedding.catalog_vectors import PHOTOS_A_BATCH, VectorsOf
from photosearch.embedding.embedder import Embedder, Vectors, shorten, unit
from photosearch.evaluation.asked import Answered, Asked, StoredCards, answer, asked_for_groups
from photosearch.evaluation.held_out import HeldOut
from photosearch.evaluation.nearest import numbered
from photosearch.evaluation.text_queries import change_queries, title_queries
from photosearch.evaluation.verification import Judged, can_be_judged, judge_pairs
from photosearch.evaluation.views import VIEWS, WHOLE, seen_as
from photosearch.progress import track

PHOTO, TEXT, REFINED, PAIRS = "photo -> card", "text -> card", "photo+text -> card", "same object"
PHOTOS_A_CHUNK = 4096
Answers = dict[int, Answered]
"""By vector length."""


@dataclass(frozen=True, slots=True)
class TextSide:
    """How texts reach a model's image space."""

    encode: Callable[[Sequence[str]], Vectors]
    """The encoder's own vectors, (n, text_dim)."""
    align: Callable[[Vectors], Vectors]
    """These in the image space, (n, dim)."""
    refine: Callable[[Vectors, Vectors], Vectors] | None
    """Photos' vectors and the encoder's -> the vectors to search with; None: no refiner."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A model that is measured, or that it is compared with."""

    name: str
    """`candidate`, `release NAME`, `mean pooling`."""
    model_id: str
    lengths: list[int]
    """Longest first."""
    vectors_of: VectorsOf
    """Of stored photos as they are."""
    embedder: Embedder
    """Of photos that were changed."""
    texts: TextSide | None
    without: dict[str, str] = field(default_factory=dict)
    """Why it cannot do what it cannot: a reason by task."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one model answered."""

    asked: dict[tuple[str, str], Asked]
    """By task and way."""
    answers: dict[tuple[str, str], Answers]
    judged: dict[int, Judged]
    """Pairs, by vector length; empty where they are too few."""
    skipped: dict[str, str]
    """Why a task was not run, by task."""


def ask_everything(held: HeldOut, model: Contender, folder: Path) -> Outcome:
    """Runs every task that the model can do.

    Args:
        held: What is asked.
        model: Who answers.
        folder: An empty one; the gallery's vectors are mapped from a file in it.
    """
    gallery = _gallery(held, model, folder)
    vectors = photo_vectors(held, model)
    photo_ids = [photo.photo_id for photo in held.queries]
    card_ids = [photo.card_id for photo in held.queries]
    photos = asked_for_groups(photo_ids, card_ids, held.group_of_card, held.cards_of_group)
    asked = {(PHOTO, view): photos for view in VIEWS}
    asked_with = {(PHOTO, view): vectors[view] for view in VIEWS}
    skipped = dict(model.without)
    if model.texts is not None:
        texts_asked, texts_with = _texts(held, model.texts, skipped)
        photo_of = dict(zip(photo_ids, vectors[WHOLE], strict=True))
        changes_asked, changes_with = _changes(held, model.texts, photo_of, skipped)
        asked |= texts_asked | changes_asked
        asked_with |= texts_with | changes_with
    answers = {
        key: {
            length: answer(asked[key], asked_with[key], gallery, length=length)
            for length in model.lengths
        }
        for key in track(asked, f"ranking answers of {model.name} to", len(asked))
    }
    return Outcome(asked, answers, _pairs(held, model, skipped), skipped)


def photo_vectors(held: HeldOut, model: Contender) -> dict[str, Vectors]:
    """Vectors of the queries in every view, (n_queries, dim) each; a photo is opened once."""
    parts: dict[str, list[Vectors]] = {view: [] for view in VIEWS if view != WHOLE}
    starts = range(0, len(held.queries), PHOTOS_A_BATCH)
    for start in track(starts, f"batches of views to {model.name}", len(starts)):
        batch = held.queries[start : start + PHOTOS_A_BATCH]
        opened = [load(held.home.images, photo.sha256) for photo in batch]
        for view, of_view in parts.items():
            shown = [
                seen_as(view, image, photo, drawn=held.boxes, strength=held.strength)
                for image, photo in zip(opened, batch, strict=True)
            ]
            of_view.append(model.embedder.embed(shown))
    made = {view: np.concatenate(of_view) for view, of_view in parts.items()}
    return {WHOLE: model.vectors_of(held.queries)} | made


def _gallery(held: HeldOut, model: Contender, folder: Path) -> StoredCards:
    """Vectors of the cards' pictures in a file, so that memory does not grow with them."""
    card_ids, card_of_photo = numbered([photo.card_id for photo in held.gallery])
    shape = (len(held.gallery), max(model.lengths))
    stored = np.memmap(folder / "gallery.f32", np.float32, "w+", shape=shape)
    for start in range(0, len(held.gallery), PHOTOS_A_CHUNK):
        chunk = held.gallery[start : start + PHOTOS_A_CHUNK]
        stored[start : start + len(chunk)] = model.vectors_of(chunk)
    return StoredCards(card_ids, card_of_photo, stored)


AskedWith = tuple[dict[tuple[str, str], Asked], dict[tuple[str, str], Vectors]]


def _texts(held: HeldOut, texts: TextSide, skipped: dict[str, str]) -> AskedWith:
    by_language = title_queries(held)
    if not by_language:
        skipped[TEXT] = f"none of {len(held.cards)} cards has a title"
    asked = {(TEXT, language): queries for language, queries in by_language.items()}
    with_vectors = {key: texts.align(texts.encode(one.names)) for key, one in asked.items()}
    return asked, with_vectors


def _changes(
    held: HeldOut, texts: TextSide, photo_of: dict[str, Vectors], skipped: dict[str, str]
) -> AskedWith:
    """Refined, the photo's and the words' vectors added, and the photo alone."""
    if texts.refine is None:
        skipped.setdefault(REFINED, "there is no refiner")
        return {}, {}
    made = change_queries(held)
    if made is None:
        skipped[REFINED] = (
            "no buyer's photo of an unseen card has an unseen card that differs from its own in "
            "few attributes"
        )
        return {}, {}
    photos = np.stack([photo_of[photo_id] for photo_id in made.photo_ids])
    words = texts.encode(made.texts)
    ways = {
        "refined": texts.refine(photos, words),
        "added": unit(photos + texts.align(words)),
        "photo alone": photos,
    }
    return {(REFINED, way): made.asked for way in ways}, {
        (REFINED, way): vectors for way, vectors in ways.items()
    }


def _pairs(held: HeldOut, model: Contender, skipped: dict[str, str]) -> dict[int, Judged]:
    if not can_be_judged(held.pairs):
        skipped[PAIRS] = (
            f"{len(held.pairs.products)} pairs of held-out photos, "
            f"{int(held.pairs.is_same.sum())} of them of one product, are too few"
        )
        return {}
    vectors = model.vectors_of(held.pool)
    return {length: judge_pairs(held.pairs, shorten(vectors, length)) for length in model.lengths}
