"""Queries with words: titles look for their cards, and a photo with words for another card."""

import re
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from photosearch.evaluation.asked import Asked, asked_for_groups
from photosearch.evaluation.held_out import HeldOut, chosen

CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)
LANGUAGES = ("English", "Russian")


@dataclass(frozen=True, slots=True)
class ChangeQueries:
    """A buyer's photo of a card, and words that lead to another card."""

    photo_ids: list[str]
    texts: list[str]
    asked: Asked


def title_queries(held: HeldOut) -> dict[str, Asked]:
    """Titles of cards with a gallery picture, by language; a language without titles is absent.

    A title with a Cyrillic letter is Russian.
    """
    by_language: dict[str, list[tuple[str, str]]] = {language: [] for language in LANGUAGES}
    for card_id in sorted({photo.card_id for photo in held.gallery}):
        card = held.cards[card_id]
        for title in dict.fromkeys(filter(None, (card.title, card.title_ru))):
            by_language[LANGUAGES[bool(CYRILLIC.search(title))]].append((title, card_id))
    strength, made = held.strength, {}
    for language, titles in by_language.items():
        kept = chosen(titles, strength.queries_max, strength.seed)
        if kept:
            names, cards = [list(part) for part in zip(*kept, strict=True)]
            made[language] = asked_for_groups(names, cards, held.group_of_card, held.cards_of_group)
    return made


def change_queries(held: HeldOut) -> ChangeQueries | None:
    """One query a change that has a held-out buyer's photo to start from; None without any.

    Right is every card with the wanted attributes; the cards of the photo's own product are not
    shown, for the shopper looks at them already.
    """
    random = np.random.default_rng(held.strength.seed)
    photos: dict[str, list[str]] = defaultdict(list)
    for photo in held.queries:
        photos[photo.card_id].append(photo.photo_id)
    with_pictures = frozenset().union(*held.cards_of_group.values())
    rows = []
    for change in held.changes:
        own = held.cards_of_group[held.group_of_card[change.source]]
        right = (frozenset(change.right) & with_pictures) - own
        if photos[change.source] and right:
            photo_id = str(random.choice(photos[change.source]))
            text = str(random.choice(change.texts))
            rows.append((photo_id, text, change.source, right, own))
    if not rows:
        return None
    photo_ids, texts, sources, right_cards, hidden = (
        list(part) for part in zip(*rows, strict=True)
    )
    products = [held.group_of_card[source] for source in sources]
    return ChangeQueries(photo_ids, texts, Asked(texts, sources, products, right_cards, hidden))
