"""The stage `tags`: what titles say, or an endpoint, becomes a clean table of tags.

tags.parquet      the tags; a row number is a tag's name
carried.parquet   which cards carry which
dropped.parquet   what became no tag, and why
"""

import logging
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from photosearch.catalog.schemas import Card, CardTags, DroppedTag, Tag
from photosearch.catalog.tables import read_rows, write_table
from photosearch.errors import EmptySource
from photosearch.home import Home
from photosearch.tagging.clean import Cleaned, clean
from photosearch.tagging.words import is_function_word, language_of, phrases_of
from photosearch.tags_settings import TagsParams

log = logging.getLogger(__name__)

TAGS, CARRIED, DROPPED = "tags.parquet", "carried.parquet", "dropped.parquet"
NO_VALUES = frozenset(("yes", "no", "true", "false", "да", "нет", "none", "n/a"))
"""Of an attribute, which say nothing without its name."""

Proposals = dict[str, str]
"""What one card might carry -> where it was found."""
Propose = Callable[[Card], Proposals]


@dataclass(frozen=True, slots=True)
class TagsReport:
    source: str
    cards: int
    cards_tagged: int
    """That carry a tag."""
    proposed: int
    """Different texts."""
    kept: dict[str, int]
    """Tags by language."""
    dropped: dict[str, int]
    """Texts by reason."""
    asked: int
    """Cards that the endpoint was asked about now; the others' answers were there already."""
    bad_answers: dict[str, int]
    """Cards by reason; they carry no tags."""


@dataclass(frozen=True, slots=True)
class Told:
    """What an endpoint said of cards: see told.py."""

    proposals: dict[str, Proposals]
    """By card_id."""
    asked: int = 0
    bad_answers: dict[str, int] | None = None


def make_tags(home: Home, tags: TagsParams, told: Told | None = None) -> TagsReport:
    """Proposes, cleans and counts the tags of the curated cards; writes `home.tags`.

    Texts are counted first, and given to cards when it is known which are kept: what is held in
    memory is one count a text.

    Args:
        home: Reads curated cards; a killed run leaves the old folder.
        tags: See params.yaml.
        told: What an endpoint said of the cards; None proposes from titles and attributes.

    Raises:
        EmptySource: There is no card.
    """
    cards = read_rows(home.curated / "cards.parquet", Card)
    if not cards:
        raise EmptySource(f"{home.curated} holds no card to tag. Pull cards, then curate.")

    def propose(card: Card) -> Proposals:
        return from_titles(card, tags.words_max) if told is None else told.proposals[card.card_id]

    counts = Counter(text for card in cards for text in propose(card))
    cleaned = clean(counts, len(cards), tags)
    kept, carried = _carried(cards, propose, cleaned, tags.cards_min)
    partial = home.tags.with_name(f".{home.tags.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    write_table(partial / TAGS, Tag, kept)
    write_table(partial / CARRIED, CardTags, carried)
    dropped = _dropped(cleaned, counts, {tag.text for tag in kept})
    write_table(partial / DROPPED, DroppedTag, dropped)
    shutil.rmtree(home.tags, ignore_errors=True)
    partial.rename(home.tags)
    return TagsReport(
        tags.source, len(cards), sum(bool(card.tags) for card in carried), len(counts),
        dict(sorted(Counter(tag.language for tag in kept).items())),
        dict(sorted(Counter(drop.reason for drop in dropped).items())),
        told.asked if told else 0, (told.bad_answers or {}) if told else {},
    )  # fmt: skip


def from_titles(card: Card, words_max: int) -> Proposals:
    """Values of attributes, and n-grams of both titles.

    An n-gram with a function word inside ends where its phrase ends: `mug with dots`, but never
    `mug with white` of `mug with white dots`.
    """
    found = dict.fromkeys(
        (" ".join(words) for value in card.attributes.values() for words in phrases_of(value)),
        "attribute",
    )
    found = {text: place for text, place in found.items() if text not in NO_VALUES}
    for title in (card.title, card.title_ru):
        for words in phrases_of(title or ""):
            found |= dict.fromkeys(_ngrams(words, words_max), "title")
    return found


def _ngrams(words: Sequence[str], words_max: int) -> Iterator[str]:
    for start in range(len(words)):
        for end in range(start + 1, min(start + words_max, len(words)) + 1):
            part = words[start:end]
            is_cut = end < len(words) and not is_function_word(words[end])
            if not (is_cut and any(map(is_function_word, part[1:-1]))):
                yield " ".join(part)


def _carried(
    cards: Sequence[Card], propose: Propose, cleaned: Cleaned, cards_min: int
) -> tuple[list[Tag], list[CardTags]]:
    """The tags, most frequent first, and what each card carries."""
    of_card: list[set[str]] = []
    places: dict[str, Counter[str]] = defaultdict(Counter)
    for card in cards:
        found = {
            (cleaned.tag_of[text], place)
            for text, place in propose(card).items()
            if text in cleaned.tag_of
        }
        of_card.append({tag for tag, _ in found})
        for tag, place in sorted(found):
            places[tag][place] += 1
    counts = Counter(tag for tags in of_card for tag in tags)
    # two texts of one tag on one card count once, so that a tag may turn out to be rare only here
    kept = sorted(
        (tag for tag, n in counts.items() if n >= cards_min), key=lambda t: (-counts[t], t)
    )
    row_of = {tag: row for row, tag in enumerate(kept)}
    tags = [
        Tag(text, "ru" if language_of(text) == "ru" else "en", counts[text],
            places[text].most_common(1)[0][0])
        for text in kept
    ]  # fmt: skip
    return tags, [
        CardTags(card.card_id, sorted(row_of[tag] for tag in of_it if tag in row_of))
        for card, of_it in zip(cards, of_card, strict=True)
    ]


def _dropped(cleaned: Cleaned, counts: Counter[str], kept: set[str]) -> list[DroppedTag]:
    """Every text that is no tag, by alphabet."""
    rows = []
    for text in sorted(counts):
        if text in kept:
            continue
        reason, instead = cleaned.why.get(text, ("rare", None))
        instead = instead if instead in kept else None
        rows.append(DroppedTag(text, language_of(text), counts[text], reason, instead))
    return rows
