"""Renders a picture of a card into the bytes of its file: gallery, review photo, or its noise."""

import io
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw

from simulator import props, spoilt
from simulator.brands import font
from simulator.camera import Shot, develop, place_object
from simulator.dice import dice, share
from simulator.photos import Picture, resend_of, review_photos
from simulator.photos import gallery as gallery_of
from simulator.sprites import soft_sprite, sprite
from simulator.textures import GROUND_PX, GROUNDS, VARIANTS, ground
from simulator.world import BLOCK, World

GALLERY_PX = 512
REVIEW_PX = (480, 640)
TURNED = {
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}
"""EXIF orientation -> how a camera that is held so stores the pixels."""
EXIF_SHARE = 0.12
ORIENTATION_TAG = 0x0112
WRONG_PLACE = 100
"""Added to a place, so that a photo at the wrong card is none of the right card's own."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """A review photo before it becomes a file."""

    image: Image.Image
    quality: int
    orientation: int
    """As in EXIF; 1 is upright."""


def render(world: World, picture: Picture) -> bytes:
    """The bytes of a picture's file: always the same for the same world and picture."""
    match picture.nature:
        case "repeated" | "exact_duplicate":
            return render(world, _repeated(world, picture))
        case "near_duplicate":
            return _near_duplicate(world, picture)
        case "corrupt":
            return _corrupt(world, picture)
        case _:
            return _file(_exposed(world, picture))


def _exposed(world: World, picture: Picture) -> Exposure:
    match picture.nature:
        case "not_a_product":
            return _nothing_sold(world, picture)
        case "screenshot":
            chance = _chance(world, picture)
            return Exposure(props.screenshot(chance, *REVIEW_PX), int(chance.integers(50, 86)), 1)
        case "person" | "wrong_product":
            return (_person if picture.nature == "person" else _wrong_product)(world, picture)
        case "blurred" | "dark":
            return _spoilt_review(world, picture)
        case _ if picture.kind == "gallery":
            return (_collage if picture.nature == "collage" else _gallery)(world, picture)
        case _:
            return _review(world, picture)


def _repeated(world: World, picture: Picture) -> Picture:
    """The picture that this one repeats."""
    if picture.of is None:
        raise ValueError(f"{picture.name} is {picture.nature}, but of nothing. Name its `of`.")
    pictures = gallery_of if picture.kind == "gallery" else review_photos
    return pictures(world, picture.card)[picture.of]


def _chance(world: World, picture: Picture) -> np.random.Generator:
    return dice(world.seed, "picture", picture.card, picture.kind, picture.place)


def _sprite(world: World, card: int, *, is_turned: bool, is_soft: bool) -> Image.Image:
    """The product from the front or, turned, from the one other side its card shows."""
    product = world.product(card)
    side = 1 if share(world.seed, "side", card) < 0.5 else -1
    draw = soft_sprite if is_soft else sprite
    return draw(world.seed, product.look, product.article, side * is_turned)


def _gallery(world: World, picture: Picture) -> Exposure:
    """Clean light ground, soft shadow, another side and size each; or a banner."""
    chance = _chance(world, picture)
    is_banner = picture.nature == "banner"
    is_turned = picture.place == 1 or (picture.place == 2 and bool(chance.integers(2)))
    scene = _banner(chance) if is_banner else backdrop(chance)
    scale = 0.56 if is_banner else (0.86, 0.78, 0.68)[picture.place]
    shot = Shot(
        x=GALLERY_PX * (0.5 + (0.04 * float(chance.normal()) if picture.place else 0)),
        y=GALLERY_PX * (0.58 if is_banner else 0.5),
        size_px=GALLERY_PX * scale * float(chance.uniform(0.94, 1.04)),
        degrees=float(chance.uniform(-3, 3) if picture.place == 0 else chance.uniform(-14, 14)),
        squeeze=1 - 0.16 * is_turned * float(chance.random()),
        skew=0.03 + 0.05 * is_turned,
        shadow=0.28,
        is_fine=picture.place == 0,
    )
    seen = _sprite(world, picture.card, is_turned=is_turned, is_soft=not shot.is_fine)
    place_object(scene, seen, shot, chance)
    return Exposure(scene, 88, 1)


def backdrop(chance: np.random.Generator) -> Image.Image:
    light = chance.uniform(234, 255, 3)
    rows = np.linspace(light, light * chance.uniform(0.9, 0.98), 8)[:, None]
    return Image.fromarray(rows.astype(np.uint8)).resize(
        (GALLERY_PX, GALLERY_PX), Image.Resampling.BILINEAR
    )


def _banner(chance: np.random.Generator) -> Image.Image:
    """An advertisement: loud ground, large words."""
    hue = chance.integers(60, 235, 3)
    scene = Image.new("RGB", (GALLERY_PX, GALLERY_PX), tuple(hue.tolist()))
    draw = ImageDraw.Draw(scene)
    centre = (GALLERY_PX / 2, GALLERY_PX * 0.58)
    for angle in np.arange(0, 2 * np.pi, np.pi / 8):
        ends = [(centre[0] + 600 * np.cos(a), centre[1] + 600 * np.sin(a))
                for a in (angle, angle + np.pi / 16)]  # fmt: skip
        draw.polygon([centre, *ends], fill=tuple(np.minimum(hue + 26, 255).tolist()))
    words = ("SALE -30%", "HIT OF THE YEAR", "FREE DELIVERY", "NEW 2025")[chance.integers(4)]
    draw.rectangle((0, 20, GALLERY_PX, 96), fill=(255, 255, 255))
    draw.text((GALLERY_PX / 2, 58), words, font=font(48), fill=(200, 20, 40), anchor="mm")
    return scene


def _review(world: World, picture: Picture) -> Exposure:
    """The product somewhere at home, as a buyer photographs it."""
    chance = _chance(world, picture)
    scene = empty_scene(world, chance, chance.choice(list(GROUNDS)))
    width, height = scene.size
    for _ in range(int(chance.integers(0, 4))):
        _put_clutter(world, scene, chance.uniform((0, 0), (width, height)), chance)
    shot = Shot(
        x=width * float(chance.uniform(0.4, 0.6)),
        y=height * float(chance.uniform(0.42, 0.6)),
        size_px=min(width, height) * float(chance.uniform(0.55, 0.95)),
        degrees=float(chance.normal(0, 14)),
        squeeze=float(chance.uniform(0.82, 1)),
        skew=0.1,
        shadow=float(chance.uniform(0.3, 0.6)),
        is_fine=False,
    )
    seen = _sprite(world, picture.card, is_turned=bool(chance.integers(2)), is_soft=True)
    place_object(scene, seen, shot, chance)
    edge = np.array([shot.x, shot.y]) + shot.size_px * _on_circle(chance) * (0.46, 0.46)
    match float(chance.random()):
        case luck if luck < 0.16:
            _put_hand(scene, shot, chance)
        case luck if luck < 0.3:
            _put_clutter(world, scene, edge, chance)
    orientation = int(chance.choice(list(TURNED))) if chance.random() < EXIF_SHARE else 1
    quality = int(chance.integers(40, 86))
    return Exposure(develop(world.seed, scene, chance), quality, orientation)


def empty_scene(world: World, chance: np.random.Generator, name: str) -> Image.Image:
    """An empty piece of ground in the size of a photo, mostly upright."""
    width, height = REVIEW_PX if chance.random() < 0.75 else REVIEW_PX[::-1]
    whole = ground(world.seed, str(name), int(chance.integers(VARIANTS)))
    x, y = chance.integers(0, (GROUND_PX - width, GROUND_PX - height)).tolist()
    return whole.crop((x, y, x + width, y + height))


def _put_clutter(
    world: World, scene: Image.Image, where: np.ndarray, chance: np.random.Generator
) -> None:
    name = str(chance.choice(props.CLUTTER))
    thing = props.clutter(world.seed, name, int(chance.integers(8)), int(chance.integers(4)))
    x, y = where.tolist()
    scene.paste(thing, (round(x - thing.width / 2), round(y - thing.height / 2)), thing)


def _put_hand(scene: Image.Image, shot: Shot, chance: np.random.Generator) -> None:
    """Fingers over an edge of the product; the arm comes from below or from a side."""
    turn = int(chance.integers(props.HAND_TURNS))
    side = np.radians(props.hand_degrees(turn) + chance.uniform(-5, 5))
    # the arm points away from the product, its finger tips cover the edge
    away = np.array([np.sin(side), np.cos(side)])
    x, y = (np.array([shot.x, shot.y]) + away * shot.size_px * 0.34).round().astype(int).tolist()
    arm, half = props.hand(int(chance.integers(props.HANDS)), turn), props.HAND_PX // 2
    scene.paste(arm, (x - half, y - half), arm)


def _on_circle(chance: np.random.Generator) -> np.ndarray:
    angle = chance.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])


def _nothing_sold(world: World, picture: Picture) -> Exposure:
    """An empty floor, a parcel or a receipt."""
    chance = _chance(world, picture)
    what = int(chance.integers(3))
    quality = int(chance.integers(50, 86))
    scene = empty_scene(world, chance, chance.choice(("tiles", "carpet", "wood", "stone", "sheet")))
    if what:
        thing = (props.parcel if what == 1 else props.receipt)(chance).convert("RGBa")
        shot = Shot(
            x=scene.width / 2,
            y=scene.height / 2,
            size_px=min(scene.size) * float(chance.uniform(0.8, 1.05)),
            degrees=float(chance.normal(0, 15)),
            squeeze=1,
            skew=0.08,
            shadow=0.4,
        )
        place_object(scene, thing, shot, chance)
    return Exposure(develop(world.seed, scene, chance), quality, 1)


def _near_duplicate(world: World, picture: Picture) -> bytes:
    """The same photo sent again by an app: turned upright, changed a little, recompressed."""
    chance = _chance(world, picture)
    source = Image.open(io.BytesIO(render(world, _repeated(world, picture))))
    orientation = source.getexif().get(ORIENTATION_TAG, 1)
    image = source.convert("RGB")
    if orientation in TURNED:
        image = image.transpose(_back(orientation))
    changed = spoilt.resent(image, resend_of(world, picture) or "recompressed", chance)
    return _file(Exposure(changed, int(chance.integers(35, 80)), 1))


def _wrong_product(world: World, picture: Picture) -> Exposure:
    """A buyer's photo of a thing of another kind, posted at the wrong card."""
    chance, own = _chance(world, picture), world.product(picture.card).look.kind
    wider = replace(world, n_cards=world.n_cards + BLOCK)  # a block has several kinds
    other = picture.card
    while wider.product(other).look.kind == own:
        other = int(chance.integers(wider.n_cards))
    return _review(wider, replace(picture, card=other, place=WRONG_PLACE + picture.place))


def _collage(world: World, picture: Picture) -> Exposure:
    """The card's first pictures pasted together with those of other cards."""
    chance = _chance(world, picture)
    cards = [picture.card, picture.card, *chance.integers(world.n_cards, size=2).tolist()]
    tiles = [
        _gallery(world, Picture(card, "gallery", n % 2, "product")).image
        for n, card in enumerate(cards)
    ]
    return Exposure(spoilt.collage(tiles, GALLERY_PX, chance), 88, 1)


def _person(world: World, picture: Picture) -> Exposure:
    chance = _chance(world, picture)
    scene = empty_scene(world, chance, chance.choice(list(GROUNDS)))
    spoilt.draw_person(scene, chance)
    return Exposure(develop(world.seed, scene, chance), int(chance.integers(50, 86)), 1)


def _spoilt_review(world: World, picture: Picture) -> Exposure:
    """A photo of the product that shows too little of it."""
    taken, spoil = _review(world, picture), _chance(world, picture)
    change = spoilt.blurred if picture.nature == "blurred" else spoilt.darkened
    return replace(taken, image=change(taken.image, spoil))


def _back(orientation: int) -> Image.Transpose:
    opposite = {6: Image.Transpose.ROTATE_270, 8: Image.Transpose.ROTATE_90}
    return opposite.get(orientation, Image.Transpose.ROTATE_180)


def _corrupt(world: World, picture: Picture) -> bytes:
    """A file cut short on its way, or a server's words under a picture's name."""
    chance = _chance(world, picture)
    if chance.random() < 0.4:
        return f"<html><body>503 try later ({picture.name})</body></html>\n".encode()
    whole = _file(_review(world, picture))
    return whole[: int(len(whole) * chance.uniform(0.15, 0.7))]


def _file(exposure: Exposure) -> bytes:
    image, target = exposure.image, io.BytesIO()
    if exposure.orientation == 1:
        image.save(target, "JPEG", quality=exposure.quality)
    else:
        exif = Image.Exif()
        exif[ORIENTATION_TAG] = exposure.orientation
        turned = image.transpose(TURNED[exposure.orientation])
        turned.save(target, "JPEG", quality=exposure.quality, exif=exif)
    return target.getvalue()
