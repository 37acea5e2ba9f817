"""Cards that differ in attributes become triplets: this card and these words lead to that one."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from photosearch.catalog.schemas import Card

Value = tuple[str, str]
"""An attribute and its value: `("Colour", "red")`."""
Words = dict[Value, frozenset[str]]
WORD = re.compile(r"[^\W\d_]{3,}")
"""Letters of any alphabet; vendor articles and the like have digits."""
MEANS_MIN = 0.4
"""A word tells a value if so many of its titles are of cards that have it, and ..."""
CHANCE_MAX = 4.5
"""... these are more than chance would give by so many standard deviations."""
ASKED = ("{}", "the same but {}", "like this, only {}")
ASKED_CYRILLIC = ("{}", "такой же, но {}", "как этот, только {}")
CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Triplet:
    source: str
    """Card that the shopper looks at."""
    target: str
    """Card that the shopper wants."""
    right: tuple[str, ...]
    """All cards that fit as well as the target, itself among them."""
    changes: tuple[str, ...]
    """The attributes that differ."""
    texts: tuple[str, ...]
    """Ways to ask for the target, in the languages of its titles."""


def triplets_from_cards(
    cards: Sequence[Card], *, changed_most: int, targets_a_card: int, seed: int
) -> list[Triplet]:
    """Pairs of one category that agree in all attributes but a few.

    Cards are found by what they share, so the work grows with the cards and not with their pairs.

    Args:
        cards: Those without attributes or category give nothing.
        changed_most: Attributes in which source and target may differ.
        targets_a_card: Triplets from one card, at most; drawn by `seed`.
        seed: Same cards and seed, same triplets.
    """
    known = {card.card_id: card for card in cards if card.attributes and card.category}
    words = words_of_values(list(known.values()))
    same: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for card in known.values():
        same[_all_but(card, ())].append(card.card_id)
    by_rest: dict[tuple[object, ...], list[tuple[object, ...]]] = defaultdict(list)
    for full in same:
        for names in _name_sets(known[same[full][0]], changed_most):
            by_rest[_all_but(known[same[full][0]], names)].append(full)
    random = np.random.default_rng(seed)
    triplets: list[Triplet] = []
    for card_id, card in known.items():
        wanted = [
            (names, full)
            for names in _name_sets(card, changed_most)
            for full in by_rest[_all_but(card, names)]
            if _differs_in_all(card, known[same[full][0]], names)
        ]
        for n in random.permutation(len(wanted))[:targets_a_card].tolist():
            names, full = wanted[n]
            target = known[same[full][int(random.integers(len(same[full])))]]
            texts = texts_of(target, names, words)
            right = tuple(same[full])
            triplets.append(Triplet(card_id, target.card_id, right, names, texts))
    return triplets


def words_of_values(cards: Sequence[Card]) -> Words:
    """Words of titles that tell an attribute's value: `красная` tells `("Colour", "red")`.

    They come from the catalogue alone, so they are of its languages, whatever these are.
    """
    with_value: Counter[Value] = Counter()
    with_word: Counter[str] = Counter()
    together: Counter[tuple[Value, str]] = Counter()
    for card in cards:
        words = {word for title in _titles(card) for word in _words(title)}
        with_word.update(words)
        for value in card.attributes.items():
            with_value[value] += 1
            together.update((value, word) for word in words)
    told: dict[Value, set[str]] = defaultdict(set)
    for (value, word), count in together.items():
        seen, usual = with_word[word], with_value[value] / len(cards)
        by_chance = seen * usual
        beyond = count - by_chance > CHANCE_MAX * math.sqrt(by_chance * (1 - usual))
        if count >= MEANS_MIN * seen and beyond:
            told[value].add(word)
    return {value: frozenset(words) for value, words in told.items()}


def texts_of(target: Card, changed: Sequence[str], words: Words) -> tuple[str, ...]:
    """Ways to ask for a card's values of the changed attributes, plain and as a shopper speaks."""
    values = [(name, target.attributes[name]) for name in changed]
    plain = [", ".join(value for _, value in values)]
    for title in _titles(target):
        in_title = _words(title)
        parts = [
            " ".join(word for word in in_title if word in words.get(value, ())) for value in values
        ]
        if all(parts):  # a title that tells only half of the change would mislead
            plain.append(", ".join(parts))
    return tuple(
        template.format(text)
        for text in dict.fromkeys(plain)
        for template in (ASKED_CYRILLIC if CYRILLIC.search(text) else ASKED)
    )


def _titles(card: Card) -> list[str]:
    return [title for title in (card.title, card.title_ru) if title]


def _words(title: str) -> list[str]:
    return WORD.findall(title.lower())


def _name_sets(card: Card, most: int) -> Iterator[tuple[str, ...]]:
    names = sorted(card.attributes)
    for size in range(1, min(most, len(names)) + 1):
        yield from combinations(names, size)


def _all_but(card: Card, names: Sequence[str]) -> tuple[object, ...]:
    """What cards share that differ in `names` only; `names` too, so that no two sets mix."""
    kept = tuple(sorted((n, v) for n, v in card.attributes.items() if n not in names))
    return (*card.category, tuple(names), kept)


def _differs_in_all(card: Card, other: Card, names: Sequence[str]) -> bool:
    return all(card.attributes[name] != other.attributes[name] for name in names)
