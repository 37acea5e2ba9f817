"""Mugs of every colour and pattern with titles in two languages, and what learns from them."""

import numpy as np

from photosearch.catalog.schemas import Card
from photosearch.embedding.embedder import Vectors, unit
from photosearch.text_settings import AlignerParams, RefinerParams

ALIGNER = AlignerParams(
    encoder="tower", start="closed_form", ridge=0.001, steps=60, batch=32, learning_rate=0.003,
    temperature=0.1, seed=7,
)  # fmt: skip
REFINER = RefinerParams(
    width=64, changed_most=2, targets_a_card=20, described_most=4, triplets_min=10, steps=150,
    batch=32, learning_rate=0.01, weight_decay=0.0, dropout=0.0, temperature=0.1, seed=7,
)  # fmt: skip
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
