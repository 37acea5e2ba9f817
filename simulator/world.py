"""Which products exist, which look alike and who sells them; a card is a function of its number."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np

from simulator.dice import dice, digest, share
from simulator.kinds import KINDS
from simulator.patterns import PATTERNS
from simulator.shapes import Form
from simulator.sprites import COLOURS, Look
from simulator.words import BRANDS, NOUNS, SHOP_OPENINGS, title_en, title_ru

BLOCK = 20
"""Cards are made in blocks of so many, so that none needs more than its block to be known."""
LOOK_ALIKES = 7
RESALES = 1
"""In a block; the first card of a block is always a product of its own."""

Role = Literal["original", "look_alike", "resale"]

ARTICLE_LETTERS = "ABCDEFGHKLMNPRSTVWXZ"
MIN_CONTRAST = 110


@dataclass(frozen=True, slots=True)
class Product:
    """A card, and what the world alone knows about it."""

    number: int
    role: Role
    look: Look
    article: str
    group: int
    """Number of the card that sold this product first."""
    made_from: int | None = None
    """The card this one was made from by changing one attribute, or whose product it resells."""
    changed: str | None = None
    """The attribute: `colour`, `pattern`, `brand`, `tall`, `wide` or `style`."""

    @property
    def card_id(self) -> str:
        return card_id(self.number)

    @property
    def group_id(self) -> str:
        return f"p{self.group:06d}"


@dataclass(frozen=True, slots=True)
class World:
    """A marketplace: everything else follows from these numbers."""

    seed: int
    n_cards: int
    day: int = 0
    """Days since the opening; see calendar.py."""

    def product(self, number: int) -> Product:
        """The product of a card.

        Raises:
            IndexError: There is no such card.
        """
        if not 0 <= number < self.n_cards:
            raise IndexError(f"Card {number} is not one of the {self.n_cards} cards.")
        return _block(self.seed, number // BLOCK)[number % BLOCK]

    def products(self) -> Iterator[Product]:
        """All of them, one at a time."""
        return map(self.product, range(self.n_cards))


def card_id(number: int) -> str:
    return f"c{number:06d}"


def card_page(world: World, number: int) -> dict[str, object]:
    """What the marketplace shows of a card, its pictures aside."""
    product = world.product(number)
    look, chance = product.look, dice(world.seed, "page", number)
    colours, is_resale = (look.colour, look.second), product.role == "resale"
    brand_en, brand_ru = BRANDS[look.brand]
    title = title_en(look.kind, colours, look.pattern, is_resale=is_resale)
    noun = NOUNS[look.kind]
    price = noun.price_rub * (0.7 + 0.3 * look.form.tall + 0.5 * float(chance.random()))
    return {
        "card_id": product.card_id,
        "title": f"{title}, {brand_en} {product.article}",
        "title_ru": f"{title_ru(look.kind, colours, look.pattern, is_resale=is_resale)}, "
        f"{brand_ru} {product.article}",
        "description": SHOP_OPENINGS[chance.integers(len(SHOP_OPENINGS))].format(title=title),
        "category": list(noun.category),
        "brand": brand_en,
        "article": product.article,
        "price": float(round(price / 10) * 10),
        "group_id": product.group_id,
        "seller": f"{brand_en} shop {1 + digest(world.seed, 'seller', number) % 9}",
        "attributes": {
            "Colour": look.colour,
            "Height": "tall" if look.form.tall > 0.5 else "low",
            "Pattern": look.pattern,
        },
        "status": "out_of_stock" if share(world.seed, "stock", number) < 0.05 else "on_sale",
    }


@lru_cache(maxsize=256)
def _block(seed: int, block: int) -> tuple[Product, ...]:
    chance = dice(seed, "block", block)
    counts: dict[Role, int] = {
        "original": BLOCK - 1 - LOOK_ALIKES - RESALES,
        "look_alike": LOOK_ALIKES,
        "resale": RESALES,
    }
    roles = [role for role, count in counts.items() for _ in range(count)]
    kinds = iter(np.resize(chance.permutation(len(KINDS)), BLOCK))
    made: list[Product] = []
    order: list[Role] = ["original", *(roles[i] for i in chance.permutation(BLOCK - 1))]
    for role in order:
        number = block * BLOCK + len(made)
        if role == "original":
            look = _new_look(chance, KINDS[next(kinds)])
            made.append(Product(number, role, look, _article(seed, number), number))
        elif role == "look_alike":
            made.append(_look_alike(chance, made, number, _article(seed, number)))
        else:
            source = made[chance.integers(len(made))]
            made.append(replace(source, number=number, role=role, made_from=source.number,
                                changed=None))  # fmt: skip
    return tuple(made)


def _new_look(chance: np.random.Generator, kind: str) -> Look:
    colour = str(chance.choice(list(COLOURS)))
    second = str(chance.choice(_contrasting(colour)))
    is_plain = chance.random() < 0.15
    pattern = "plain" if is_plain else PATTERNS[chance.integers(1, len(PATTERNS))]
    tall, wide = map(_low_or_high, chance.random(2).tolist())
    form = Form(tall, wide, int(chance.integers(3)))
    return Look(kind, colour, second, pattern, int(chance.integers(len(BRANDS))), form)


def _look_alike(
    chance: np.random.Generator, made: list[Product], number: int, article: str
) -> Product:
    """Changes one attribute of an earlier original, so that no product of the block is repeated."""
    originals = [product for product in made if product.role == "original"]
    source = originals[chance.integers(len(originals))]
    taken = {product.look for product in made}
    while True:
        changed = str(chance.choice(("colour", "pattern", "brand", "tall", "wide", "style")))
        look = _change(chance, source.look, changed)
        if look not in taken:
            return Product(number, "look_alike", look, article, number, source.number, changed)


def _change(chance: np.random.Generator, look: Look, attribute: str) -> Look:
    """The same look with one attribute changed so much that it shows."""
    form = look.form
    match attribute:
        case "colour":
            others = [c for c in _contrasting(look.second) if c in _contrasting(look.colour)]
            return replace(look, colour=str(chance.choice(others)))
        case "pattern":
            return replace(
                look, pattern=str(chance.choice([p for p in PATTERNS if p != look.pattern]))
            )
        case "brand":
            return replace(look, brand=(look.brand + int(chance.integers(1, 32))) % len(BRANDS))
        case "tall":
            return replace(look, form=replace(form, tall=_far_from(form.tall)))
        case "wide":
            return replace(look, form=replace(form, wide=_far_from(form.wide)))
        case _:
            style = (form.style + int(chance.integers(1, 3))) % 3
            return replace(look, form=replace(form, style=style))


def _low_or_high(luck: float) -> float:
    """A proportion in [0, 0.2] or [0.8, 1]: the middle is left out, see `_far_from`."""
    return round(0.4 * luck if luck < 0.5 else 0.6 + 0.4 * luck, 3)


def _far_from(value: float) -> float:
    """The proportion at the other end, so that no perspective makes the two look the same."""
    return round(value + 0.8 if value < 0.5 else value - 0.8, 3)


def _contrasting(colour: str) -> list[str]:
    """Colours that nobody mistakes for this one."""
    rgb = np.array(COLOURS[colour])
    return [
        other
        for other, value in COLOURS.items()
        if np.linalg.norm(rgb - np.array(value)) >= MIN_CONTRAST
    ]


def _article(seed: int, number: int) -> str:
    """Like `KR-4821`; two products never have the same (for the first 4,000,000 cards)."""
    n_letters = len(ARTICLE_LETTERS)
    n_all = n_letters**2 * 10_000
    # the factor shares no divisor with 2 and 5, so this walks all articles before one repeats
    place = (number * 1_234_567 + digest(seed, "articles")) % n_all
    letters, digits = divmod(place, 10_000)
    first, second = divmod(letters, n_letters)
    return f"{ARTICLE_LETTERS[first]}{ARTICLE_LETTERS[second]}-{digits:04d}"
