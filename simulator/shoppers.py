"""Pretended shoppers: they want one product, look at the first cards most, and like cheap ones.

What they prefer is known, so that learning from their clicks can be measured.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

from simulator.dice import dice
from simulator.photos import reviews
from simulator.sprites import Look
from simulator.words import NOUNS
from simulator.world import World, card_page

SAME, LOOK_ALIKE, OTHER = 0.5, -1.0, -4.0
"""Log-odds of a click on a usual card that is looked at: the product, one that looks like it in
all but one attribute, something else."""
EACH_DIFFERENCE = 0.7
"""What each further attribute costs."""
THRIFT = 5.0
"""What a price of twice the usual one costs."""
STARS = 0.8
"""What a star more is worth."""
USUAL_STARS = 3.9
VARIETY = 0.5
"""Shoppers care for price and stars up to so much more or less than the mean one."""
STEEPNESS = 1.0
"""A shopper looks at rank r with probability r ** -STEEPNESS."""


def look_share(rank: int) -> float:
    """Share of shoppers who look at a rank, from 1."""
    return float(rank**-STEEPNESS)


def appeal(world: World, wanted: int, card: int, *, care: tuple[float, float] = (1, 1)) -> float:
    """Probability that a shopper who wants one card's product clicks a card, once looked at.

    Args:
        world: Whose cards.
        wanted: Number of a card that sells the wanted product.
        card: The card that is looked at.
        care: How much the shopper cares for price and stars; the mean one cares 1 and 1.
    """
    price, stars = _offer(world, card)
    odds = _likeness(world, wanted, card)
    odds += -care[0] * THRIFT * (price - 1) + care[1] * STARS * (stars - USUAL_STARS)
    return 1 / (1 + math.exp(-odds))


def clicks(world: World, visit: int, wanted: int, shown: Sequence[int]) -> list[bool]:
    """Which of the shown cards a shopper clicks; the same visit, the same clicks.

    Args:
        world: Whose cards.
        visit: Number of the visit; each is another shopper.
        wanted: Number of a card that sells the wanted product.
        shown: Numbers of cards, rank 1 first.

    Source: the position-based model of Craswell et al. 2008, "An Experimental Comparison of Click
    Position-Bias Models": looking depends on the rank alone, clicking on the card alone.
    """
    chance = dice(world.seed, "visit", visit)
    first, second = chance.uniform(1 - VARIETY, 1 + VARIETY, 2).tolist()
    luck = chance.random((len(shown), 2)).tolist()
    return [
        looks < look_share(rank) and likes < appeal(world, wanted, card, care=(first, second))
        for rank, (card, (looks, likes)) in enumerate(zip(shown, luck, strict=True), start=1)
    ]


def _likeness(world: World, wanted: int, card: int) -> float:
    first, second = world.product(wanted), world.product(card)
    if first.group == second.group:
        return SAME
    if first.look.kind != second.look.kind:
        return OTHER
    apart = sum(a != b for a, b in zip(_told(first.look), _told(second.look), strict=True))
    return max(LOOK_ALIKE - EACH_DIFFERENCE * (apart - 1), OTHER)


def _told(look: Look) -> tuple[object, ...]:
    """What a shopper sees of a look; proportions as low or high."""
    form = look.form
    return (look.colour, look.pattern, look.brand, form.tall > 0.5, form.wide > 0.5, form.style)


@lru_cache(maxsize=100_000)
def _offer(world: World, card: int) -> tuple[float, float]:
    """A card's price by the usual one of its kind, and its mean stars, as its page shows them."""
    stars = [review.rating for review in reviews(world, card)]
    price = float(str(card_page(world, card)["price"]))
    usual = NOUNS[world.product(card).look.kind].price_rub
    return price / usual, sum(stars) / len(stars)
