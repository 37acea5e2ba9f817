"""Who visits the shop of a benchmark, and what they click."""

from collections.abc import Callable, Sequence

from shopped import Street, number_of

from photosearch.search.found import FoundCard
from simulator.dice import dice
from simulator.shoppers import clicks, look_share

CHANCE = 0.2
"""What shoppers by chance click of what they look at."""
MACHINES = 0.3
"""Share of visits by one and the same machine."""
MACHINE_CLICKS = 3
Crowd = Callable[[Street, int, int, Sequence[FoundCard]], tuple[str, list[bool]]]
"""Street, visit, query and what was shown -> the shopper's key and what is clicked."""


def shopper(
    street: Street, number: int, row: int, shown: Sequence[FoundCard]
) -> tuple[str, list[bool]]:
    """Each visit is another one, who clicks by taste."""
    cards = [number_of(card) for card in shown]
    return f"shopper-{number}", clicks(street.world, number, street.wanted[row], cards)


def by_chance(
    street: Street, number: int, row: int, shown: Sequence[FoundCard]
) -> tuple[str, list[bool]]:
    """Looks as the others do, and clicks whatever it is."""
    del row
    luck = dice(street.world.seed, "by chance", number).random((len(shown), 2)).tolist()
    return f"shopper-{number}", [
        looks < look_share(rank) and likes < CHANCE
        for rank, (looks, likes) in enumerate(luck, start=1)
    ]


def shopper_or_machine(
    street: Street, number: int, row: int, shown: Sequence[FoundCard]
) -> tuple[str, list[bool]]:
    """Now and then a machine, always the same one, that clicks the dearest cards."""
    if dice(street.world.seed, "machine", number).random() >= MACHINES:
        return shopper(street, number, row, shown)
    prices = [card.traits.price or 0.0 for card in shown]
    least = sorted(prices)[-MACHINE_CLICKS:][0]
    return "machine", [price >= least for price in prices]


CROWDS: dict[str, Crowd] = {
    "shoppers": shopper, "by chance": by_chance, "shoppers and a machine": shopper_or_machine
}  # fmt: skip
