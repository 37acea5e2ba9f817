"""Things around and in front of a product: clutter, a hand, a parcel, a receipt, a screenshot."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from simulator.brands import font
from simulator.dice import dice

CLUTTER = ("box", "phone", "pen", "leaf", "can", "cup", "tape", "keys")
HAND_PX = 420
"""Side of the picture of a hand; its finger tips are in the middle, the arm leaves below."""
HANDS = 4
HAND_TURNS = 7
SKINS = ((232, 190, 160), (205, 152, 118), (150, 100, 72), (96, 64, 48))
LINES = (
    "Hello! Where is my order?", "It was sent on Monday.", "Thank you, I will wait.",
    "Order 71-204-8 is on its way", "Can I return it?", "Yes, within 14 days.", "Total 2 490",
    "Delivery 0", "Paid by card", "See you soon", "Rate the seller", "Track the parcel",
)  # fmt: skip


@lru_cache(maxsize=256)
def clutter(seed: int, name: str, turn: int, size: int) -> Image.Image:
    """A thing nobody asked about. Mode RGBA.

    Args:
        turn: 0 to 7, eighths of a full turn.
        size: 0 to 3, from 90 to 180 px.
    """
    side = 90 + 30 * size
    thing = _thing(seed, name).rotate(45 * turn + 9 * size, Image.Resampling.BILINEAR)
    return thing.resize((side, side), Image.Resampling.BOX)


@lru_cache(maxsize=len(CLUTTER))
def _thing(seed: int, name: str) -> Image.Image:
    image = Image.new("RGBA", (400, 400), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    shade = tuple(dice(seed, "clutter", name).integers(50, 215, 3).tolist())
    match name:
        case "box":
            draw.polygon(
                [(40, 120), (230, 70), (360, 130), (360, 320), (170, 370), (40, 300)], fill=shade
            )
            draw.polygon([(170, 190), (360, 130), (360, 320), (170, 370)], fill=(96, 78, 60))
        case "phone":
            draw.rounded_rectangle((110, 20, 290, 380), 30, fill=(26, 26, 30))
            draw.rounded_rectangle((122, 44, 278, 356), 12, fill=(70, 92, 120))
        case "pen":
            draw.line((60, 340, 320, 80), fill=shade, width=26)
            draw.line((320, 80, 352, 48), fill=(210, 210, 214), width=14)
        case "leaf":
            for n in range(5):
                x, y = 200 + 170 * np.cos(n * 0.7 + 2.9), 230 + 190 * np.sin(n * 0.7 + 3.3)
                draw.line((200, 390, x, y), fill=(40, 96, 44), width=8)
                draw.ellipse((x - 50, y - 34, x + 50, y + 34), fill=(58, 128 + 12 * n, 60))
        case "can":
            draw.rounded_rectangle((110, 60, 290, 360), 24, fill=shade)
            draw.rectangle((110, 150, 290, 270), fill=(236, 234, 228))
            draw.ellipse((110, 40, 290, 92), fill=(196, 200, 206))
        case "cup":
            draw.polygon([(100, 80), (300, 80), (265, 370), (135, 370)], fill=(236, 230, 220))
            draw.polygon([(113, 180), (287, 180), (275, 270), (125, 270)], fill=shade)
            draw.ellipse((96, 56, 304, 104), fill=(84, 54, 36))
        case "tape":
            draw.ellipse((60, 60, 340, 340), outline=(190, 152, 92), width=70)
            draw.ellipse((60, 60, 340, 340), outline=(140, 108, 62), width=6)
        case _:
            draw.ellipse((70, 70, 210, 210), outline=(170, 174, 180), width=14)
            draw.line((180, 190, 330, 340), fill=(196, 170, 80), width=26)
            draw.line((150, 200, 190, 370), fill=(176, 180, 186), width=26)
    return image


@lru_cache(maxsize=HANDS * HAND_TURNS)
def hand(number: int, turn: int) -> Image.Image:
    """Fingers reaching up, or a thumb. Mode RGBA, `HAND_PX` wide, drawn twice as large.

    Args:
        number: 0 to `HANDS` - 1: another skin, another gesture.
        turn: 0 to `HAND_TURNS` - 1: the arm comes from the left, from below, from the right.
    """
    skin = SKINS[number % len(SKINS)]
    shadow = tuple(value * 3 // 4 for value in skin)
    image = Image.new("RGBA", (2 * HAND_PX,) * 2, (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    m = HAND_PX
    fingers = [(-105, 30), (-38, -8), (30, 0), (92, 44)] if number % 2 else [(-50, 0), (60, 160)]
    draw.rounded_rectangle((m - 140, m + 170, m + 130, 2 * m + 80), 90, fill=skin)
    for x, y in fingers:
        for width, colour in ((70, shadow), (58, skin)):
            _capsule(draw, (m + x, m + y + 36), (m + x * 0.8, m + 270), (width, colour))
        nail = tuple(min(255, value + 24) for value in skin)
        draw.ellipse((m + x - 17, m + y + 10, m + x + 17, m + y + 54), fill=nail)
    return image.rotate(hand_degrees(turn), Image.Resampling.BILINEAR).reduce(2)


def hand_degrees(turn: int) -> float:
    """0: the arm comes from below; positive: from the right."""
    return -90 + turn * 180 / (HAND_TURNS - 1)


def parcel(chance: np.random.Generator) -> Image.Image:
    """A cardboard box with tape and an address label. Mode RGBA, 600 px."""
    image = Image.new("RGBA", (600, 600), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    tone = chance.uniform(0.8, 1.1)
    board = tuple(int(value * tone) for value in (186, 142, 92))
    draw.rectangle((20, 60, 580, 540), fill=board, outline=(120, 88, 54), width=6)
    draw.rectangle((20, 270, 580, 330), fill=tuple(value + 22 for value in board))
    draw.rectangle((330, 90, 550, 250), fill=(248, 248, 244))
    for row in range(4):
        draw.line((345, 115 + row * 24, 345 + int(chance.integers(80, 190)), 115 + row * 24),
                  fill=(60, 60, 64), width=8)  # fmt: skip
    for x in range(350, 530, 9):
        draw.line((x, 210, x, 240), fill=(20, 20, 22), width=int(chance.integers(2, 7)))
    return image


def receipt(chance: np.random.Generator) -> Image.Image:
    """A till receipt. Mode RGBA, 600 px."""
    image = Image.new("RGBA", (600, 600), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.rectangle((170, 10, 430, 590), fill=(250, 249, 244, 255))
    draw.text((300, 40), f"SHOP No {chance.integers(1, 99)}", font=font(26), fill=(40, 40, 44),
              anchor="mm")  # fmt: skip
    for y in range(80, 540, 30):
        draw.text(
            (190, y), LINES[chance.integers(len(LINES))][:14], font=font(18), fill=(70, 70, 74)
        )
        price = f"{chance.integers(20, 3000)}.00"
        draw.text((410, y), price, font=font(18), fill=(70, 70, 74), anchor="ra")
    return image


def screenshot(chance: np.random.Generator, width: int, height: int) -> Image.Image:
    """A chat on a telephone's screen."""
    image = Image.new("RGB", (width, height), tuple(chance.integers(226, 250, 3).tolist()))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width, 44), fill=(70, 120, 190))
    draw.text((20, 12), "Seller support", font=font(20), fill=(255, 255, 255))
    y = 60
    while y < height - 60:
        is_mine = bool(chance.integers(2))
        left = width * 0.3 if is_mine else 14
        tall = 34 + 26 * int(chance.integers(0, 2))
        fill = (206, 240, 196) if is_mine else (255, 255, 255)
        draw.rounded_rectangle((left, y, left + width * 0.66, y + tall), 12, fill=fill)
        for row in range(y + 7, y + tall - 20, 26):
            words = LINES[chance.integers(len(LINES))]
            draw.text((left + 12, row), words, font=font(18), fill=(34, 36, 40))
        y += tall + 14
    return image


def _capsule(
    draw: ImageDraw.ImageDraw,
    start: tuple[float, float],
    end: tuple[float, float],
    pen: tuple[int, tuple[int, ...]],
) -> None:
    width, colour = pen
    draw.line((*start, *end), fill=colour, width=width)
    r = width / 2
    for x, y in (start, end):
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)
