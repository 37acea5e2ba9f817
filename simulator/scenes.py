"""Scenes with no product, one or several, and the truth of where they are: boxes and masks.

A scene is a function of its world and number, as a picture is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from simulator import props, spoilt
from simulator.camera import Seen, Shot, develop, look_at, put_down
from simulator.dice import dice
from simulator.pictures import REVIEW_PX, backdrop, empty_scene
from simulator.sprites import SPRITE_PX, sprite
from simulator.textures import GROUNDS
from simulator.world import World

MOST = 10
N_PRODUCTS = (0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10)
"""How many products scenes have, by chance."""
MIN_VISIBLE = 0.4
"""A product or clutter never covers more of a product than leaves this share of it to be seen."""
TRIES = 8
"""A product that finds no place in so many tries is left out."""

Mask = NDArray[np.bool_]
"""Shape (height, width) of the scene."""


@dataclass(frozen=True, slots=True)
class ShownProduct:
    card: int
    box: tuple[int, int, int, int]
    """Left, top, right, bottom in pixels, round what is seen of it."""
    mask: Mask
    """What is seen of it."""


@dataclass(frozen=True, slots=True)
class Scene:
    image: Image.Image
    products: list[ShownProduct]


def make_scene(world: World, number: int, *, cards: Sequence[int] = ()) -> Scene:
    """Renders a scene of a world.

    Args:
        world: Whose products and grounds.
        number: Which scene.
        cards: Products to show, at most ten; by default chance decides how many and which.
    """
    chance = dice(world.seed, "scene", number)
    wanted = list(cards) or _some_cards(world, chance)
    if not wanted and chance.random() < 0.4:
        return Scene(_something_else(world, chance), [])
    scene = Table(_ground(world, chance), [])
    for _ in range(int(chance.integers(0, 4))):
        scene.add(None, _clutter(world, scene.image.size, chance))
    crowd = len(wanted) + float(chance.uniform(-0.5, 0.5))
    for card in wanted:
        _put_product(world, scene, (card, crowd), chance)
    if chance.random() < 0.3:
        scene.add(None, _clutter(world, scene.image.size, chance))
    return Scene(develop(world.seed, scene.image, chance), list(scene.products()))


@dataclass(slots=True)
class Table:
    """A scene in the making."""

    image: Image.Image
    things: list[tuple[int, int, Mask]]
    """Card, pixels of it before anything covered it, and what is still seen of it."""

    def add(self, card: int | None, thing: tuple[Seen, Shot | None]) -> bool:
        """Puts a thing over the others unless it would hide one of them; a card None is clutter."""
        seen, shot = thing
        mask = _mask_of(seen, self.image.size)
        n_pixels = int(mask.sum())
        left = [(other, whole, there & ~mask) for other, whole, there in self.things]
        whole_px = int((np.asarray(seen.image.getchannel("A")) > 127).sum())
        is_inside = card is None or n_pixels > 0.7 * whole_px
        if not is_inside or any(there.sum() < MIN_VISIBLE * whole for _, whole, there in left):
            return False
        if shot is None:
            self.image.paste(seen.image, seen.corner, seen.image)
        else:
            put_down(self.image, seen, shot)
        self.things = left if card is None else [*left, (card, n_pixels, mask)]
        return True

    def products(self) -> Iterator[ShownProduct]:
        for card, _, mask in self.things:
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            left, right = int(columns[0]), int(columns[-1]) + 1
            yield ShownProduct(card, (left, int(rows[0]), right, int(rows[-1]) + 1), mask)


def _some_cards(world: World, chance: np.random.Generator) -> list[int]:
    n = N_PRODUCTS[int(chance.integers(len(N_PRODUCTS)))]
    cards: list[int] = chance.choice(world.n_cards, n, replace=False).tolist()
    return cards


def _ground(world: World, chance: np.random.Generator) -> Image.Image:
    if chance.random() < 0.12:
        return backdrop(chance)
    return empty_scene(world, chance, str(chance.choice(list(GROUNDS))))


def _put_product(
    world: World, scene: Table, what: tuple[int, float], chance: np.random.Generator
) -> None:
    card, crowd = what
    product = world.product(card)
    whole = sprite(world.seed, product.look, product.article, int(chance.integers(-1, 2)))
    for _ in range(TRIES):
        shot = _shot(scene.image.size, crowd, chance)
        smaller = max(1, int(SPRITE_PX / shot.size_px / 2))
        seen = look_at(whole.reduce(smaller), shot, chance)
        if seen is not None and scene.add(card, (seen, shot)):
            return


def _shot(size: tuple[int, int], crowd: float, chance: np.random.Generator) -> Shot:
    """The more products, the smaller each; alone a product may be of any size."""
    side = min(size) * float(chance.uniform(0.4, 1.0)) / max(1.0, crowd) ** 0.5
    low = 0.25 if crowd > 1.5 else 0.4
    x, y = chance.uniform(
        (low * side,) * 2, np.maximum(np.array(size) - low * side, low * side + 1)
    )
    return Shot(
        x=float(x),
        y=float(y),
        size_px=side,
        degrees=float(chance.normal(0, 14)),
        squeeze=float(chance.uniform(0.82, 1)),
        skew=0.1,
        shadow=float(chance.uniform(0.3, 0.6)),
    )


def _clutter(
    world: World, size: tuple[int, int], chance: np.random.Generator
) -> tuple[Seen, Shot | None]:
    """A thing nobody sells, or now and then a hand."""
    if chance.random() < 0.12:
        turn = int(chance.integers(props.HAND_TURNS))
        thing = props.hand(int(chance.integers(props.HANDS)), turn)
    else:
        name = str(chance.choice(props.CLUTTER))
        thing = props.clutter(world.seed, name, int(chance.integers(8)), int(chance.integers(4)))
    x, y = chance.uniform((0, 0), size).tolist()
    corner = (round(x - thing.width / 2), round(y - thing.height / 2))
    return Seen(thing, corner), None


def _something_else(world: World, chance: np.random.Generator) -> Image.Image:
    """A parcel, a receipt, a screenshot or a person."""
    what = int(chance.integers(4))
    if what == 0:
        return props.screenshot(chance, *REVIEW_PX)
    scene = empty_scene(world, chance, str(chance.choice(list(GROUNDS))))
    if what == 1:
        spoilt.draw_person(scene, chance)
    else:
        thing = (props.parcel if what == 2 else props.receipt)(chance).convert("RGBa")
        shot = _shot(scene.size, 1, chance)
        seen = look_at(thing, shot, chance)
        if seen is not None:
            put_down(scene, seen, shot)
    return develop(world.seed, scene, chance)


def _mask_of(seen: Seen, size: tuple[int, int]) -> Mask:
    """Where in the scene the thing is."""
    whole = Image.new("L", size, 0)
    whole.paste(seen.image.getchannel("A"), seen.corner)
    mask: Mask = np.asarray(whole) > 127
    return mask
