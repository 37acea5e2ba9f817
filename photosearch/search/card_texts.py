"""What a release says in words: titles, descriptions and reviews into its folder text/."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from photosearch.catalog.schemas import Card, Review
from photosearch.embedding.aligner import MANIFEST as ALIGNER
from photosearch.embedding.aligner import read_aligner, read_manifest, save_aligner
from photosearch.embedding.model import read_model
from photosearch.embedding.ngrams import NGRAMS
from photosearch.index.filters import listing_of
from photosearch.index.text_index import write_text_index
from photosearch.index.text_words import CardText
from photosearch.report import write_text
from photosearch.search.refine import MANIFEST as REFINER
from photosearch.search.refine import read_refiner, save_refiner
from photosearch.search.text_search import FACTS, TRAINED, WORDS, TextFacts
from photosearch.text_search_settings import TextSearchParams

log = logging.getLogger(__name__)


def write_text_search(
    folder: Path,
    cards: Sequence[Card],
    reviews: Iterable[Review],
    *,
    learned: Path,
    params: TextSearchParams,
) -> TextFacts:
    """Writes text/ into a release folder that is being built.

    Args:
        folder: Of the release; holds model/ already, and no text/.
        cards: Those of the release.
        reviews: Of any cards; those of others are left aside.
        learned: Where `photosearch text` puts aligner and refiner; where they are absent, of
            another model, or of an encoder that needs torch, words alone are searched, and the
            facts say so.
        params: See params.yaml; they go with the release.

    Raises:
        BadArtifact: An aligner or refiner is there, and damaged.
        IndexUnavailable: The words cannot be written.
    """
    text = folder / "text"
    said = reviews_by_card(reviews, {card.card_id for card in cards}, chars=params.review_chars)
    texts = card_texts(cards, said)
    n_cards = write_text_index(text / WORDS, texts, title_weight=params.title_weight)
    vectors, refiner = _copy_learned(learned, text, read_model(folder / "model").model_id)
    facts = TextFacts(cards=n_cards, vectors=vectors, refiner=refiner, params=params)
    if vectors != TRAINED:
        log.warning("the release finds texts by their words alone: %s", vectors)
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


def _copy_learned(learned: Path, text: Path, model_id: str) -> tuple[str, str]:
    """What of the text side was copied: `trained`, or why not; of aligner and refiner."""
    if not (learned / ALIGNER).is_file():
        told = "none: `photosearch text` has not been run for this model"
        return told, told
    made_for = read_manifest(learned)
    if made_for.model_id != model_id:
        told = f"none: those of `photosearch text` are of model {made_for.model_id}"
        return told, told
    if made_for.encoder != NGRAMS:
        told = (
            f"none: services cannot run the encoder {made_for.encoder!r}, which needs "
            f"torch; set text.aligner.encoder to {NGRAMS!r}"
        )
        return told, told
    save_aligner(text, read_aligner(learned, model_id=model_id))
    if not (learned / REFINER).is_file():
        return TRAINED, "none: cards have too few attributes, see build/reports/text.json"
    save_refiner(text, read_refiner(learned, model_id=model_id))
    return TRAINED, TRAINED
