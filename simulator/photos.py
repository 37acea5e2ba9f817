"""Which pictures a card has and what is wrong with some; draws nothing."""

import re
from dataclasses import dataclass
from typing import Literal

from simulator.dice import dice, digest
from simulator.spoilt import CHANGES
from simulator.words import review_text
from simulator.world import World, card_id

Kind = Literal["gallery", "review"]

Nature = Literal[
    "product",
    "banner",
    "repeated",
    "not_a_product",
    "exact_duplicate",
    "near_duplicate",
    "corrupt",
    "screenshot",
    "person",
    "blurred",
    "dark",
    "wrong_product",
    "collage",
]
"""`banner`, `collage` and `repeated` happen to gallery pictures, the others to review photos."""

GALLERY = 3
MIN_PHOTOS, MAX_PHOTOS = 4, 8
BANNER_SHARE = 0.04
REPEATED_SHARE = 0.03
COLLAGE_SHARE = 0.02
NOISE: tuple[tuple[Nature, float], ...] = (
    ("not_a_product", 0.04),
    ("corrupt", 0.02),
    ("exact_duplicate", 0.035),
    ("near_duplicate", 0.047),
    ("screenshot", 0.01),
    ("person", 0.01),
    ("blurred", 0.01),
    ("dark", 0.01),
    ("wrong_product", 0.015),
)
"""Shares of review photos. A card's first photo has nothing to repeat, so duplicates come out
rarer by about a seventh: 3% and 4% of all."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a card, by its place in the gallery or among the review photos."""

    card: int
    kind: Kind
    place: int
    nature: Nature
    of: int | None = None
    """Place of the picture it repeats."""

    @property
    def name(self) -> str:
        return picture_name(self.card, self.kind, self.place)


@dataclass(frozen=True, slots=True)
class Review:
    review_id: str
    card: int
    text: str
    rating: int
    photos: list[Picture]


def picture_name(card: int, kind: Kind, place: int) -> str:
    return f"{card_id(card)}-{kind[0]}{place}.jpg"


def gallery(world: World, card: int) -> list[Picture]:
    """The seller's pictures; the last may be a banner or a collage, or repeat an earlier one."""
    chance = dice(world.seed, "gallery", card)
    pictures = [Picture(card, "gallery", place, "product") for place in range(GALLERY - 1)]
    luck, source = float(chance.random()), int(chance.integers(GALLERY - 1))
    # shares are of all gallery pictures, and only the last of each gallery is at risk
    if luck < BANNER_SHARE * GALLERY:
        last = Picture(card, "gallery", GALLERY - 1, "banner")
    elif luck < (BANNER_SHARE + REPEATED_SHARE) * GALLERY:
        last = Picture(card, "gallery", GALLERY - 1, "repeated", source)
    elif luck < (BANNER_SHARE + REPEATED_SHARE + COLLAGE_SHARE) * GALLERY:
        last = Picture(card, "gallery", GALLERY - 1, "collage")
    else:
        last = Picture(card, "gallery", GALLERY - 1, "product")
    return [*pictures, last]


def review_photos(world: World, card: int) -> list[Picture]:
    """The buyers' photos, noise included; duplicates repeat an earlier photo of a product."""
    chance = dice(world.seed, "photos", card)
    photos: list[Picture] = []
    for place in range(int(chance.integers(MIN_PHOTOS, MAX_PHOTOS + 1))):
        nature, of = _nature(float(chance.random())), None
        if nature in {"exact_duplicate", "near_duplicate"}:
            sources = [photo.place for photo in photos if photo.nature == "product"]
            if sources:
                of = sources[int(chance.integers(len(sources)))]
            else:
                nature = "product"
        photos.append(Picture(card, "review", place, nature, of))
    return photos


def reviews(world: World, card: int) -> list[Review]:
    """Shares the photos among buyers, one to three each; a buyer may also write without a photo."""
    chance = dice(world.seed, "reviews", card)
    product = world.product(card)
    waiting = review_photos(world, card)
    shares: list[list[Picture]] = [[]] if chance.random() < 0.3 else []
    while waiting:
        n = int(chance.integers(1, 4))
        shares.append(waiting[:n])
        waiting = waiting[n:]
    made = []
    for place, photos in enumerate(shares):
        text, rating = review_text(chance, product.look.kind, product.look.colour,
                                   product.look.brand)  # fmt: skip
        made.append(Review(f"{card_id(card)}-v{place}", card, text, rating, photos))
    return made


def resend_of(world: World, picture: Picture) -> str | None:
    """What an app did to a near duplicate; None for other pictures."""
    if picture.nature != "near_duplicate":
        return None
    return CHANGES[digest(world.seed, "resent", picture.name) % len(CHANGES)]


def find_picture(world: World, name: str) -> Picture:
    """The picture of this file name.

    Raises:
        KeyError: There is no such picture.
    """
    match = re.fullmatch(r"c(\d{6,9})-([gr])(\d)\.jpg", name, re.ASCII)
    if match is None:
        raise KeyError(name)
    card, place = int(match[1]), int(match[3])
    if card >= world.n_cards:
        raise KeyError(name)
    pictures = gallery(world, card) if match[2] == "g" else review_photos(world, card)
    if place >= len(pictures) or pictures[place].name != name:
        raise KeyError(name)
    return pictures[place]


def truth(world: World, card: int) -> dict[str, object]:
    """What only the world knows of a card: how it was made, and what each picture is."""
    product = world.product(card)
    look = product.look
    photo_ids = _photo_ids(world, card)
    return {
        "card_id": product.card_id,
        "group_id": product.group_id,
        "role": product.role,
        "made_from": None if product.made_from is None else card_id(product.made_from),
        "changed": product.changed,
        "kind": look.kind,
        "colour": look.colour,
        "second_colour": look.second,
        "pattern": look.pattern,
        "brand": look.brand,
        "form": [look.form.tall, look.form.wide, look.form.style],
        "article": product.article,
        "pictures": [
            {
                "image": f"/images/{picture.name}",
                "kind": picture.kind,
                "nature": picture.nature,
                "change": resend_of(world, picture),
                "photo_id": photo_ids[picture.name],
                "of": None
                if picture.of is None
                else f"/images/{picture_name(card, picture.kind, picture.of)}",
            }
            for picture in (*gallery(world, card), *review_photos(world, card))
        ],
    }


def _photo_ids(world: World, card: int) -> dict[str, str]:
    """How catalogues name each picture: CARD/gallery/PLACE or CARD/review/REVIEW/PLACE."""
    names = {p.name: f"{card_id(card)}/gallery/{p.place}" for p in gallery(world, card)}
    for review in reviews(world, card):
        for place, photo in enumerate(review.photos):
            names[photo.name] = f"{card_id(card)}/review/{review.review_id}/{place}"
    return names


def _nature(luck: float) -> Nature:
    for nature, share in NOISE:
        luck -= share
        if luck < 0:
            return nature
    return "product"
