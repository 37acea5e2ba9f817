"""What a release says in words: titles, descriptions and reviews into its folder text/."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from photosearch.catalog.schemas import Card, Review
from photosearch.embedding.aligner import save_aligner
from photosearch.index.filters import listing_of
from photosearch.index.text_index import write_text_index
from photosearch.index.text_words import CardText
from photosearch.report import write_text
from photosearch.search.learned_texts import Learned
from photosearch.search.refine import save_refiner
from photosearch.search.text_search import FACTS, WORDS, TextFacts
from photosearch.text_search_settings import TextSearchParams

log = logging.getLogger(__name__)


def write_text_search(
    folder: Path,
    cards: Sequence[Card],
    reviews: Iterable[Review],
    *,
    learned: Learned,
    params: TextSearchParams,
) -> TextFacts:
    """Writes text/ into a release folder that is being built.

    Args:
        folder: Of the release; holds no text/ yet.
        cards: Those of the release.
        reviews: Of any cards; those of others are left aside.
        learned: See `read_learned` and `with_closed_form`.
        params: See params.yaml; they go with the release.

    Raises:
        IndexUnavailable: The words cannot be written.
    """
    text = folder / "text"
    said = reviews_by_card(reviews, {card.card_id for card in cards}, chars=params.review_chars)
    texts = card_texts(cards, said)
    n_cards = write_text_index(text / WORDS, texts, title_weight=params.title_weight)
    if learned.aligner is not None:
        save_aligner(text, learned.aligner)
    if learned.refiner is not None:
        save_refiner(text, learned.refiner)
    facts = TextFacts(
        cards=n_cards,
        has_aligner=learned.aligner is not None,
        has_refiner=learned.refiner is not None,
        vectors=learned.vectors,
        refinement=learned.refinement,
        params=params,
    )
    log.info(
        "words of %d cards; aligner: %s; refiner: %s", n_cards, facts.vectors, facts.refinement
    )
    write_text(text / FACTS, facts.model_dump_json(indent=1))
    return facts


def card_texts(cards: Iterable[Card], said: Mapping[str, str]) -> Iterator[CardText]:
    """What is said of each card; `said`: reviews by card."""
    for card in cards:
        titles = " ".join(filter(None, (card.title, card.title_ru)))
        rest = " ".join(filter(None, (card.description, said.get(card.card_id))))
        yield CardText(listing_of(card), titles, rest)


def reviews_by_card(reviews: Iterable[Review], card_ids: set[str], *, chars: int) -> dict[str, str]:
    """Reviews of these cards, one after another, cut to so many characters a card."""
    said: dict[str, str] = {}
    for review in reviews:
        if review.text and review.card_id in card_ids:
            before = said.get(review.card_id, "")
            if len(before) < chars:
                said[review.card_id] = f"{before} {review.text}"[:chars]
    return said
