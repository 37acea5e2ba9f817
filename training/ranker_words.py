"""Answers to photos with words, which the ranker's other trees learn from and are judged by.

A photo asks with a tag of the card that it shows, as when a shopper taps a chip; and for cards that
differ from it in an attribute or two, as in "the same but red".
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

import numpy as np

from photosearch.catalog.schemas import CuratedPhoto, Review, Tag
from photosearch.catalog.tables import read_table
from photosearch.embedding.catalog_vectors import VectorsOf
from photosearch.embedding.embedder import Vectors, shorten
from photosearch.home import Home
from photosearch.search.card_texts import TEXT, write_text_search
from photosearch.search.features import Evidence
from photosearch.search.learned_texts import read_learned
from photosearch.search.text_search import (
    Photos,
    TextSearch,
    cards_by_photo_and_text,
    open_text_search,
)
from photosearch.text_search_settings import TextSearchParams
from training.ranker_data import (
    Answered,
    Shelf,
    found_cards,
    is_any_of,
    is_other,
    others,
    overlaps_on,
    right_by_product,
    short_cosines,
    short_of,
)
from training.triplets import Triplet, triplets_from_cards

Kind = Literal["tag", "change"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Changes = Mapping[str, Sequence[Triplet]]
"""Ways from a card to others, by its card_id."""
CHANGES_A_PHOTO = 2
"""Times a photo asks for something else than it shows, at most."""
CHANGED_MOST, TARGETS_A_CARD = 2, 5
"""Attributes in which that may differ; cards of which `CHANGES_A_PHOTO` are drawn."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A photo and words, and what fits both."""

    photo: CuratedPhoto
    text: str
    right: frozenset[str]
    """Cards on the shelf."""
    kind: Kind


@contextmanager
def words_on(
    shelf: Shelf, home: Home, params: TextSearchParams, *, model_id: str
) -> Iterator[TextSearch]:
    """The text side that a release of the shelf would have, as far as a photo with words asks it.

    Args:
        shelf: Whose cards are searched by words.
        home: Its reviews are searched too; its refiner takes part if it is of the model.
        params: See params.yaml.
        model_id: Whose vectors the shelf holds.
    """
    table = read_table(home.catalog / "reviews.parquet", Review)
    reviews = zip(table["card_id"].to_pylist(), table["text"].to_pylist(), strict=True)
    learned = replace(read_learned(home.text, model_id=model_id), aligner=None)
    with TemporaryDirectory(prefix="photosearch-ranker-") as folder:
        cards = list(shelf.cards.values())
        write_text_search(Path(folder), cards, reviews, learned=learned, params=params)
        with closing(open_text_search(Path(folder) / TEXT, model_id=model_id)) as side:
            yield side


def changes_on(shelf: Shelf, *, seed: int) -> Changes:
    """Cards of the shelf that differ in an attribute or two; drawn by `seed`."""
    changes = defaultdict(list)
    for triplet in triplets_from_cards(
        list(shelf.cards.values()), changed_most=CHANGED_MOST,
        targets_a_card=TARGETS_A_CARD, seed=seed,
    ):  # fmt: skip
        changes[triplet.source].append(triplet)
    return changes


def wishes_of(
    photos: Sequence[CuratedPhoto],
    shelf: Shelf,
    tags: Sequence[Tag],
    changes: Changes,
    *,
    seed: int,
) -> list[Wish]:
    """What shoppers with these photos ask for, by chance; cards without words ask for nothing.

    Args:
        photos: Buyers' photos, of cards of the shelf or not.
        shelf: Where a wish is fulfilled; its `tags` are rows of `tags`.
        tags: Of the home.
        changes: See `changes_on`.
        seed: Same photos and seed, same wishes.
    """
    random, right_of = np.random.default_rng(seed), right_by_product(shelf)
    on_shelf = {photo.card_id for photo in shelf.photos}
    wishes = []
    for photo in photos:
        product = right_of.get(shelf.cards[photo.card_id].group_id, set())
        rows = [] if shelf.tags is None else shelf.tags.of(photo.card_id).tolist()
        if product and rows:
            text = tags[rows[random.integers(len(rows))]].text
            wishes.append(Wish(photo, text, frozenset(product), "tag"))
        others_wanted = [
            (triplet, right)
            for triplet in changes.get(photo.card_id, ())
            if (right := on_shelf.intersection(triplet.right)) and not right & product
        ]
        for number in random.permutation(len(others_wanted))[:CHANGES_A_PHOTO].tolist():
            triplet, right = others_wanted[number]
            text = triplet.texts[random.integers(len(triplet.texts))]
            wishes.append(Wish(photo, text, frozenset(right), "change"))
    return wishes


def ask_with_words(
    shelf: Shelf,
    side: TextSearch,
    wishes: Sequence[Wish],
    *,
    vectors_of: VectorsOf,
    as_new: bool = False,
) -> list[Answered]:
    """Searches for each wish as if its photo and the others of its review were not there.

    Args:
        shelf: What is searched.
        side: Its words.
        wishes: See `wishes_of`; those that nothing is found for are left out.
        vectors_of: Gives the model's vectors of photos.
        as_new: As if nobody had photographed the right cards yet.
    """
    short = short_of(shelf)
    answers = []
    for wish, vector in zip(wishes, vectors_of([wish.photo for wish in wishes]), strict=True):
        new_cards = wish.right if as_new else frozenset[str]()
        photos = _photos_beside(shelf, wish.photo, new_cards)
        candidates = cards_by_photo_and_text(side, vector, wish.text, photos)
        found, hits = found_cards(candidates.cards, shelf.cards), candidates.hits
        if found:
            evidence = Evidence(
                hits,
                short_cosines(short, shorten(vector, shelf.index.dim), hits, shelf.short_length),
                overlaps_on(shelf, found, hits),
                candidates.text_scores,
            )
            product = shelf.cards[wish.photo.card_id].group_id
            is_right = is_any_of(found, wish.right)
            answers.append(Answered(product, found, evidence, is_right, len(wish.right)))
    return answers


def _photos_beside(shelf: Shelf, photo: CuratedPhoto, new_cards: frozenset[str]) -> Photos:
    """The shelf as a search by words asks it, without what the photo must not find."""

    def vectors_of(card_ids: Sequence[str]) -> dict[str, tuple[list[str], Vectors]]:
        kept = {}
        for card_id, (photo_ids, vectors) in shelf.index.vectors_of(card_ids).items():
            rows = [
                row
                for row, photo_id in enumerate(photo_ids)
                if is_other(photo, card_id, photo_id, new_cards)
            ]
            if rows:
                kept[card_id] = ([photo_ids[row] for row in rows], vectors[rows])
        return kept

    return Photos(
        lambda vector: others(shelf, photo, vector, new_cards=new_cards),
        vectors_of,
        shelf.index.dim,
    )
