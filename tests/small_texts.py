"""Mugs of every colour and pattern with titles in two languages, and vectors for them by chance."""

import numpy as np

from photosearch.catalog.schemas import Card
from photosearch.embedding.embedder import Vectors, unit

COLOURS = {"red": "красная", "blue": "синяя", "green": "зелёная", "white": "белая"}
PATTERNS = {"dots": "в горошек", "checks": "в клетку", "plain": "гладкая"}


def a_card(colour: str, pattern: str, *, kind: str = "Mugs", number: int = 0) -> Card:
    return Card(
        f"{kind} {colour} {pattern} {number}", f"{colour.capitalize()} mug, {pattern} KR-{number}7",
        f"Кружка {COLOURS[colour]} {PATTERNS[pattern]}", None, [kind], "Orion", None, None,
        f"{kind} {colour} {pattern}", attributes={"Colour": colour, "Pattern": pattern},
    )  # fmt: skip


def every_card() -> list[Card]:
    return [
        a_card(colour, pattern, number=number)
        for colour in COLOURS for pattern in PATTERNS for number in range(3)
    ]  # fmt: skip


def random_units(n: int, dim: int, *, seed: int) -> Vectors:
    return unit(np.random.default_rng(seed).standard_normal((n, dim)))
