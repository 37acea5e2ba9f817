"""What a release says in words: titles, descriptions and reviews into its folder text/.

reviews.parquet   a hash of what is said of each card in reviews; tells a later release what changed
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from photosearch.catalog.schemas import Card
from photosearch.catalog.tables import arrow_schema, read_table, rows_of, write_columns
from photosearch.embedding.aligner import save_aligner
from photosearch.index.filters import Listing, listing_of
from photosearch.index.text_index import change_text_index, write_text_index
from photosearch.index.text_words import CardText
from photosearch.release import CARDS
from photosearch.report import write_text
from photosearch.search.learned_texts import Learned
from photosearch.search.refine import save_refiner
from photosearch.search.release_changes import as_text, rows_missing_from
from photosearch.search.text_search import FACTS, WORDS, TextFacts, read_facts
from photosearch.search.thumbnails import link_or_copy
from photosearch.text_search_settings import TextSearchParams

log = logging.getLogger(__name__)

TEXT, REVIEWS = "text", "reviews.parquet"
TOLD = (*(field.name for field in fields(Listing)), "title", "title_ru", "description")
"""Columns of a card that its words are made of."""

Said = Iterable[tuple[str, str | None]]
"""Reviews: a card's id and what is said of it."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Of a card that somebody reviewed; one row of reviews.parquet."""

    card_id: str
    digest: str
    """Of what its reviews say, as far as that is searched."""


def write_text_search(
    folder: Path,
    cards: Sequence[Card],
    reviews: Said,
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
    text = folder / TEXT
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
    write_columns(text / REVIEWS, Reviewed, _reviewed(said))
    write_text(text / FACTS, facts.model_dump_json(indent=1))
    return facts


def change_text_search(folder: Path, before: Path, reviews: Said) -> TextFacts:
    """Writes text/ into a release folder out of another release's, of the same settings.

    Only cards of which something else is said now are read anew. Aligner and refiner are the other
    release's, one in closed form too: it is of the same model, and thousands of titles hardly move
    it.

    Args:
        folder: Of the new release; holds its cards, and no text/ yet.
        before: Folder of the other release, which stays as it is.
        reviews: Of any cards.

    Raises:
        BadArtifact, IndexUnavailable: The other release's words are damaged.
    """
    text, old = folder / TEXT, before / TEXT
    facts = read_facts(old)
    cards, cards_before = (read_table(of / CARDS, Card) for of in (folder, before))
    card_ids = set(cards["card_id"].to_pylist())
    said = reviews_by_card(reviews, card_ids, chars=facts.params.review_chars)
    reviewed = _reviewed(said)
    told = _told(cards, reviewed)
    told_before = _told(cards_before, read_table(old / REVIEWS, Reviewed))
    changed = rows_missing_from(told_before, told, told.column_names)["card_id"].combine_chunks()
    gone = rows_missing_from(told, told_before, ["card_id"])["card_id"].to_pylist()
    rows = rows_of(cards.filter(pc.is_in(cards["card_id"], value_set=changed)), Card)
    n_cards = change_text_index(
        old / WORDS, text / WORDS, card_texts(rows, said), gone,
        title_weight=facts.params.title_weight,
    )  # fmt: skip
    for path in sorted(old.iterdir()):
        if path.is_file() and path.name not in (FACTS, REVIEWS):
            link_or_copy(path, text / path.name)
    log.info("words of %d cards: %d changed, %d gone", n_cards, len(changed), len(gone))
    write_columns(text / REVIEWS, Reviewed, reviewed)
    facts = facts.model_copy(update={"cards": n_cards})
    write_text(text / FACTS, facts.model_dump_json(indent=1))
    return facts


def card_texts(cards: Iterable[Card], said: Mapping[str, str]) -> Iterator[CardText]:
    """What is said of each card; `said`: reviews by card."""
    for card in cards:
        titles = " ".join(filter(None, (card.title, card.title_ru)))
        rest = " ".join(filter(None, (card.description, said.get(card.card_id))))
        yield CardText(listing_of(card), titles, rest)


def reviews_by_card(reviews: Said, card_ids: set[str], *, chars: int) -> dict[str, str]:
    """Reviews of these cards, one after another, cut to so many characters a card."""
    said: dict[str, str] = {}
    for card_id, text in reviews:
        if text and card_id in card_ids:
            before = said.get(card_id, "")
            if len(before) < chars:
                said[card_id] = f"{before} {text}"[:chars]
    return said


def _reviewed(said: Mapping[str, str]) -> pa.Table:
    digests = [hashlib.blake2b(text.encode(), digest_size=8).hexdigest() for text in said.values()]
    return pa.table({"card_id": list(said), "digest": digests}, schema=arrow_schema(Reviewed))


def _told(cards: pa.Table, reviewed: pa.Table) -> pa.Table:
    """A row a card: its id, its words as one text, the digest of its reviews; nothing is null."""
    told = pc.binary_join_element_wise(*[as_text(cards[name]) for name in TOLD], "\x1e")
    table = pa.table({"card_id": cards["card_id"], "told": told})
    joined = table.join(reviewed, keys="card_id", join_type="left outer")
    digest = joined.column_names.index("digest")
    return joined.set_column(digest, "digest", pc.fill_null(joined["digest"], ""))
