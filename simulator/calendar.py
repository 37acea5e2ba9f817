"""What happens to cards from day to day: prices change, cards go; day 0 is the world as made."""

from datetime import datetime, timedelta

from simulator.dice import digest, share
from simulator.world import World

CHANGED_SHARE = 0.05
"""Of all cards, a day."""
GONE_SHARE = 0.01
OPENING = datetime(2025, 4, 1)


def changed_on(world: World, number: int) -> int:
    """The last day, up to now, that the card was changed; 0 if never since the opening."""
    days = range(world.day, 0, -1)
    return next((d for d in days if share(world.seed, "change", number, d) < CHANGED_SHARE), 0)


def gone_on(world: World, number: int) -> int | None:
    """The day the card went, if it has."""
    days = range(1, world.day + 1)
    return next((d for d in days if share(world.seed, "gone", number, d) < GONE_SHARE), None)


def is_on_sale(world: World, number: int) -> bool:
    return gone_on(world, number) is None


def moment(world: World, number: int, day: int) -> str:
    """When a card was changed on a day; of another world it is another second."""
    seconds = digest(world.seed, "moment", number, day) % 86_400
    return f"{OPENING + timedelta(days=day, seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"


def price_factor(world: World, number: int, day: int) -> float:
    """What a price is multiplied by after a change; 1 at the opening."""
    return 1.0 if day == 0 else 0.8 + 0.4 * share(world.seed, "price", number, day)
