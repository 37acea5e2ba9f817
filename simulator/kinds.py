"""Every kind of product by name; knows which function draws it and nothing else."""

from collections.abc import Callable

from simulator import kinds_home as home
from simulator import kinds_worn as worn
from simulator.shapes import Drawing, Form

OUTLINES: dict[str, Callable[[Form, int], Drawing]] = {
    "mug": home.mug,
    "teapot": home.teapot,
    "bottle": home.bottle,
    "vase": home.vase,
    "lamp": home.lamp,
    "chair": home.chair,
    "cushion": home.cushion,
    "book": home.book,
    "tshirt": worn.tshirt,
    "sneaker": worn.sneaker,
    "backpack": worn.backpack,
    "cap": worn.cap,
    "watch": worn.watch,
    "ball": worn.ball,
    "umbrella": worn.umbrella,
    "headphones": worn.headphones,
}

KINDS = tuple(OUTLINES)


def outline(kind: str, form: Form, *, turn: int) -> Drawing:
    """The product seen from the front (`turn` 0), or turned a little left (-1) or right (1)."""
    return OUTLINES[kind](form, turn)
