"""What shoppers of a simulated shop type, and which cards are right: for text_search.py."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from photosearch.catalog.schemas import Card, Review
from simulator.photos import reviews
from simulator.words import BRANDS, NOUNS, PATTERN_WORDS, _cases
from simulator.world import Product, World

ACCUSATIVE = {
    "mug": "кружку", "bottle": "бутылку", "vase": "вазу", "lamp": "лампу", "cushion": "подушку",
    "tshirt": "футболку", "cap": "кепку",
}  # fmt: skip
"""Of nouns whose accusative is not the title's form: shoppers look for `красную кружку`."""
ASKED = ("colour", "pattern", "brand", "brand and pattern")
"""What is told beside the kind of thing."""
MISTYPED_LETTERS = 3
"""Shorter words are typed right."""


@dataclass(frozen=True, slots=True)
class TextQuery:
    card: int
    """The card a shopper has in mind."""
    text: str
    language: str
    """`English`, or `Russian`."""
    is_mistyped: bool
    right: frozenset[int]
    """Cards that are all that the text says."""


def text_queries(world: World, cards: Sequence[int], *, seed: int) -> list[TextQuery]:
    """Four queries a card: both languages, typed right and with a mistake."""
    random = np.random.default_rng(seed)
    products = list(world.products())
    queries = []
    for card in cards:
        asked = ASKED[random.integers(len(ASKED))]
        told = told_of(products[card], asked)
        right = frozenset(n for n, one in enumerate(products) if told_of(one, asked) == told)
        for language in ("English", "Russian"):
            words = _words(products[card], asked, language)
            words = [words[n] for n in random.permutation(len(words))]
            mistyped = _mistyped(words, random)
            queries += [
                TextQuery(card, " ".join(typed), language, typed is mistyped, right)
                for typed in (words, mistyped)
            ]
    return queries


def told_of(product: Product, asked: str) -> tuple[str, ...]:
    """The values that a text of this sort tells."""
    look = product.look
    told = [look.kind, look.colour]
    if "pattern" in asked:
        told += [look.pattern, look.second if look.pattern != "plain" else ""]
    if "brand" in asked:
        told.append(BRANDS[look.brand][0])
    return tuple(told)


def catalogue_reviews(world: World) -> list[Review]:
    """As a pull would have them."""
    return [
        Review(one.review_id, f"c{one.card:06d}", one.text, one.rating, None)
        for number in range(world.n_cards)
        for one in reviews(world, number)
    ]


def in_one_language(card: Card, language: str) -> Card:
    """A card whose seller wrote its titles in one language only."""
    title = card.title if language == "English" else card.title_ru or card.title
    description = card.description if language == "English" else None
    kept = {name: getattr(card, name) for name in Card.__slots__}
    return Card(**kept | {"title": title, "title_ru": None, "description": description})


def _words(product: Product, asked: str, language: str) -> list[str]:
    look, noun = product.look, NOUNS[product.look.kind]
    if language == "English":
        words = [look.colour, noun.en, *PATTERN_WORDS[look.pattern][0].format(look.second).split()]
        brand = BRANDS[look.brand][0]
    else:
        main = _cases(look.colour)["acc_f" if noun.gender == "f" else noun.gender]
        tail = PATTERN_WORDS[look.pattern][1].format(**_cases(look.second))
        words = [main, ACCUSATIVE.get(look.kind, noun.ru), *tail.split()]
        brand = BRANDS[look.brand][1]
    kept = words if "pattern" in asked else words[:2]
    return [word.lower() for word in (*kept, *([brand] if "brand" in asked else []))]


def _mistyped(words: Sequence[str], random: Generator) -> list[str]:
    """One letter wrong in one word of two, at least in one: left out, doubled, swapped, another."""
    long = [n for n, word in enumerate(words) if len(word) >= MISTYPED_LETTERS]
    chosen = {n for n in long if random.random() < 0.5} or {long[random.integers(len(long))]}
    return [_slip(word, random) if n in chosen else word for n, word in enumerate(words)]


def _slip(word: str, random: Generator) -> str:
    at = int(random.integers(1, len(word) - 1))
    before, letter, after = word[:at], word[at], word[at + 1 :]
    other = chr(ord(letter) + 1)
    return (before + after, before + 2 * letter + after, before + after[0] + letter + after[1:],
            before + other + after)[random.integers(4)]  # fmt: skip
