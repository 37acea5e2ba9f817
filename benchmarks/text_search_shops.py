"""A simulated shop with all that searches it by words, kept between runs of text_search.py."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from shop_queries import catalogue_reviews, in_one_language
from simulated_shop import Shop, simulated_shop

from photosearch.catalog.schemas import Card
from photosearch.embedding.aligner import read_aligner, save_aligner
from photosearch.embedding.embedder import Vectors
from photosearch.embedding.model import read_model
from photosearch.embedding.ngrams import ngram_encoder
from photosearch.index.filters import listing_of
from photosearch.index.text_index import TextIndex, write_text_index
from photosearch.index.vector_index import ExactIndex
from photosearch.search.candidates import nearest_cards
from photosearch.search.card_texts import card_texts, reviews_by_card
from photosearch.search.refine import read_refiner, save_refiner
from photosearch.search.text_search import TextFacts, TextSearch
from photosearch.settings import Params
from photosearch.text_search_settings import TextSearchParams
from simulator.world import World
from training.triplets import Triplet, triplets_from_cards

BUYERS = 2


HITS = 100


ASKED_A_CARD = 5


@dataclass(frozen=True, slots=True)
class Place:
    """A shop with everything that searches it."""

    world: World
    shop: Shop
    is_learned: NDArray[np.bool_]
    side: TextSearch
    one_language: dict[str, TextIndex]
    """Words of the same cards with titles in this language only."""
    index: ExactIndex


def open_place(
    params: Params, model: Path, options: argparse.Namespace, *, seed: int, folder: Path
) -> Place:
    """Draws or reads a shop, learns its text side or reads what was learned, indexes its words."""
    world = World(seed, options.cards)
    shop = simulated_shop(model, seed=seed, n_cards=options.cards, kept=options.kept)
    groups = np.unique(shop.groups)
    half = np.random.default_rng(seed).permutation(groups)[: len(groups) // 2]
    is_learned = np.isin(shop.groups, half)
    learned = options.kept / f"text-{read_model(model).model_id}-{seed}-{options.cards}"
    if not learned.exists():
        _learn(params, shop, is_learned, read_model(model).model_id, learned)
    model_id = read_model(model).model_id
    facts = TextFacts(
        cards=options.cards, has_aligner=True, has_refiner=True, vectors="", refinement="",
        params=params.text_search,
    )  # fmt: skip
    side = TextSearch(
        facts, _words(folder / "both", world, shop.cards, params.text_search), ngram_encoder(),
        read_aligner(learned, model_id=model_id), read_refiner(learned, model_id=model_id),
    )  # fmt: skip
    one_language = {
        language: _words(
            folder / language, world, [in_one_language(card, language) for card in shop.cards],
            params.text_search, only=language,
        )
        for language in ("English", "Russian")
    }  # fmt: skip
    index = ExactIndex(shop.vectors.shape[2])
    for row, card in enumerate(shop.cards):
        names = [f"{card.card_id}/gallery/{n}" for n in range(BUYERS)]
        index.add(names, [listing_of(card)] * BUYERS, shop.vectors[row, :BUYERS])
    return Place(world, shop, is_learned, side, one_language, index)


def asked_triplets(place: Place, params: Params) -> tuple[list[Triplet], list[str]]:
    """Triplets among unseen cards, and the words of each, drawn by chance."""
    unseen = [c for c, seen in zip(place.shop.cards, place.is_learned, strict=True) if not seen]
    asked = triplets_from_cards(
        unseen, changed_most=params.text.refiner.changed_most, targets_a_card=ASKED_A_CARD, seed=7
    )
    random = np.random.default_rng(7)
    return asked, [one.texts[random.integers(len(one.texts))] for one in asked]


def cards_near(place: Place, vector: Vectors) -> list[str]:
    vector = vector.astype(np.float32)
    return [card.card_id for card in nearest_cards(place.index, vector, hits_per_query=HITS)]


def names_of(cards: frozenset[int]) -> set[str]:
    return {f"c{number:06d}" for number in cards}


def _words(
    folder: Path,
    world: World,
    cards: Sequence[Card],
    search: TextSearchParams,
    only: str | None = None,
) -> TextIndex:
    """The index of words of a shop; where titles are of one language, reviews are left out."""
    reviews = [] if only else catalogue_reviews(world)
    texts = ((review.card_id, review.text) for review in reviews)
    said = reviews_by_card(texts, {c.card_id for c in cards}, chars=search.review_chars)
    write_text_index(folder, card_texts(cards, said), title_weight=search.title_weight)
    return TextIndex.open_copy(folder)


def _learn(
    params: Params, shop: Shop, is_learned: NDArray[np.bool_], model_id: str, folder: Path
) -> None:
    from refinement import learned_aligner, learned_refiner  # they need torch

    encode = ngram_encoder()
    cards = [card for card, keep in zip(shop.cards, is_learned, strict=True) if keep]
    refiner = params.text.refiner
    triplets = triplets_from_cards(
        cards, changed_most=refiner.changed_most, targets_a_card=refiner.targets_a_card,
        seed=refiner.seed,
    )  # fmt: skip
    partial = folder.with_name(f"{folder.name}.partial")
    save_aligner(partial, learned_aligner(shop, is_learned, encode, params.text, model_id))
    save_refiner(partial, learned_refiner(shop, triplets, encode, params.text, model_id))
    partial.rename(folder)
