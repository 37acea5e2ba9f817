"""What a home's photos find on a shelf like its next release, alone and with words."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np

from photosearch.catalog.schemas import Card, CuratedPhoto, Label, Tag
from photosearch.catalog.tables import read_rows
from photosearch.embedding.catalog_vectors import ModelVectors, VectorsOf
from photosearch.embedding.embedder import shorten
from photosearch.errors import HomeNotReady
from photosearch.home import Home
from photosearch.index_settings import IndexParams
from photosearch.ranking_settings import RankerParams
from photosearch.search.shown_cards import is_indexed, joined_groups
from photosearch.tagging.tag_index import carried_tags
from photosearch.text_search_settings import TextSearchParams
from training.ranker_data import Answered, Shelf, ask_shelf, exact_index
from training.ranker_words import KINDS, Kind, Wish, ask_with_words, changes_on, wishes_of, words_on

One = TypeVar("One", CuratedPhoto, Wish)
QUERIES_MIN = 20
"""Fewer teach nothing that carries over."""


class AskedHome(NamedTuple):
    """A home's photos, and what they find."""

    learned: list[Answered]
    """Answers to learn from."""
    judging: list[Answered]
    """Answers to held-out photos to judge by."""
    shelf: Shelf
    asked: list[CuratedPhoto]
    """Photos of training that asked."""
    held_out: list[CuratedPhoto]


class AskedWithWords(NamedTuple):
    """What a home's photos find beside words."""

    learned: list[Answered]
    """Answers to learn from; none where a kind of words has too few to learn or to judge."""
    judging: Mapping[Kind, list[Answered]]
    """Answers to held-out photos to judge by."""


def ask_home(
    home: Home, vectors_of: VectorsOf, chosen: RankerParams, index: IndexParams
) -> AskedHome:
    """What photos of training find, and held-out ones.

    Each photo asks twice: among the photos of all others, and as if its product were new, with no
    buyers' photos yet. Photos of training are all of cards that buyers have photographed: by the
    first way alone the ranker would never see what it is to be new.

    Raises:
        HomeNotReady: Too few buyers' photos to learn from or to judge by.
    """
    photos = read_rows(home.curated / "photos.parquet", CuratedPhoto)
    shelf = _shelf(home, photos, vectors_of, index, short_length=chosen.short_length)
    asked = _some([p for p in photos if p.kind == "review" and p.split == "train"], chosen)
    held_out = _some([p for p in photos if not is_indexed(p)], chosen)
    if min(len(asked), len(held_out)) < QUERIES_MIN:
        raise HomeNotReady(
            f"{len(asked)} buyers' photos of training and {len(held_out)} held-out ones are too "
            f"few to train a ranker, {QUERIES_MIN} of each are needed. Pull more reviews with "
            "photos; the search works without a ranker."
        )
    vectors = shorten(vectors_of(asked), index.dim)
    learned = [
        answered for is_new in (False, True)
        for answered in ask_shelf(shelf, asked, vectors, as_new=is_new)
    ]  # fmt: skip
    judging = ask_shelf(shelf, held_out, shorten(vectors_of(held_out), index.dim))
    return AskedHome(learned, judging, shelf, asked, held_out)


def ask_home_with_words(
    asked: AskedHome, home: Home, model: ModelVectors, chosen: RankerParams, text: TextSearchParams
) -> AskedWithWords:
    """Answers to the same photos with words, each asked as known and as new where it teaches.

    Args:
        asked: The home's photos.
        home: Its tags are what shoppers say.
        model: Whose cosines are ranked.
        chosen: See params.yaml.
        text: How a photo and words are searched.
    """
    tags = read_rows(home.tags / "tags.parquet", Tag) if asked.shelf.tags is not None else []
    changes = changes_on(asked.shelf, seed=chosen.seed)
    taught, judged = (
        _some(wishes_of(photos, asked.shelf, tags, changes, seed=chosen.seed), chosen)
        for photos in (asked.asked, asked.held_out)
    )
    if min(_fewest(taught), _fewest(judged)) < QUERIES_MIN:
        return AskedWithWords([], {})
    with words_on(asked.shelf, home, text, model_id=model.model_id) as side:
        ask = partial(ask_with_words, asked.shelf, side, vectors_of=model.of)
        learned = [*ask(taught), *ask(taught, as_new=True)]
        judging = {kind: ask([wish for wish in judged if wish.kind == kind]) for kind in KINDS}
    if min(len(answers) for answers in judging.values()) < QUERIES_MIN:  # nothing was found
        return AskedWithWords([], {})
    return AskedWithWords(learned, judging)


def _fewest(wishes: Sequence[Wish]) -> int:
    """Of the kind that has the fewest: what was not judged must not be served."""
    return min(sum(wish.kind == kind for wish in wishes) for kind in KINDS)


def _shelf(
    home: Home,
    photos: Sequence[CuratedPhoto],
    vectors_of: VectorsOf,
    index: IndexParams,
    *,
    short_length: int,
) -> Shelf:
    """What a release of these photos would hold."""
    cards = {card.card_id: card for card in read_rows(home.curated / "cards.parquet", Card)}
    labels = read_rows(home.labels, Label) if home.labels.exists() else []
    group_of_photo = {photo.photo_id: cards[photo.card_id].group_id for photo in photos}
    indexed = [photo for photo in photos if is_indexed(photo)]
    vectors = shorten(vectors_of(indexed), index.dim)
    return Shelf(
        exact_index(indexed, vectors),
        indexed,
        vectors,
        cards,
        joined_groups(labels, group_of_photo),
        short_length,
        index.hits_per_query,
        carried_tags(home.tags) if home.tags.exists() else None,
    )


def _some(asking: Sequence[One], chosen: RankerParams) -> list[One]:
    """At most `queries_max`, by chance, in their order."""
    rows = np.random.default_rng(chosen.seed).permutation(len(asking))[: chosen.queries_max]
    return [asking[row] for row in np.sort(rows).tolist()]
