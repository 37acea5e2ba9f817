"""How things people carry are shaped: clothes, bags, a watch, a ball, an umbrella, headphones."""

import numpy as np

from simulator.shapes import (
    Drawing,
    Form,
    Part,
    arc,
    oval,
    points,
    rounded,
    smooth,
)


def tshirt(form: Form, turn: int) -> Drawing:
    """Styles: short sleeves, long sleeves, short with a V-neck and a pocket."""
    w, top = 0.21 + 0.06 * form.wide, 0.12
    hem = 0.74 + 0.16 * form.tall
    reach, drop = (0.45, 0.58) if form.style == 1 else (w + 0.17, 0.2)
    left, right = 0.5 - w, 0.5 + w
    body = points(
        (0.41, top), (left - 0.02, top + 0.06), (0.5 - reach, top + drop),
        (0.5 - reach + 0.1, top + drop + 0.06), (left, top + 0.24), (left - 0.01 * turn, hem),
        (0.5, hem + 0.015), (right - 0.01 * turn, hem), (right, top + 0.24),
        (0.5 + reach - 0.1, top + drop + 0.06), (0.5 + reach, top + drop),
        (right + 0.02, top + 0.06), (0.59, top),
    )  # fmt: skip
    if form.style == 2:
        neck = points((0.41, top), (0.5, top + 0.15), (0.59, top))
        extra = [
            Part(rounded(0.53, top + 0.22, 0.64, top + 0.35, 0.02), "trim", "cloth"),
        ]
    else:
        neck, extra = arc(0.5, top, 0.09, 0.07, (180, 0)), []
    return Drawing(
        [
            Part(body, "body", "cloth"),
            Part(neck, "dark"),
            Part(neck, "trim", width=0.03),
            Part(points((left, hem - 0.01), (right, hem - 0.01)), "trim", width=0.02),
            *extra,
        ],
        badge=(0.5 if form.style != 2 else 0.43, top + 0.42, 0.2),
        pattern_pitch=0.075,
    )


def sneaker(form: Form, turn: int) -> Drawing:
    """Styles: low with laces, high-top, strap."""
    sole, tongue = 0.07 + 0.07 * form.tall, 0.12 if form.style == 1 else 0
    heel, toe, floor = 0.1 - 0.04 * form.wide, 0.86 + 0.08 * form.wide, 0.76
    y = floor - sole
    upper = smooth(
        (heel + 0.02, y + 0.02), (heel, y - 0.16), (heel + 0.04, y - 0.28 - tongue),
        (heel + 0.17, y - 0.25 - tongue), (heel + 0.3, y - 0.3 - tongue * 0.8),
        (heel + 0.4, y - 0.22), (toe - 0.22, y - 0.13), (toe - 0.06, y - 0.09), (toe, y),
        (toe - 0.1, y + 0.03), (heel + 0.3, y + 0.03),
    )  # fmt: skip
    base = smooth(
        (heel - 0.01, y), (heel + 0.3, y + 0.02), (toe - 0.2, y), (toe + 0.02, y - 0.03),
        (toe + 0.02, floor - 0.02), (toe - 0.15, floor + 0.005), (heel + 0.3, floor),
        (heel, floor),
    )  # fmt: skip
    cap = smooth((toe - 0.17, y + 0.02), (toe - 0.14, y - 0.1), (toe - 0.03, y - 0.075), (toe, y))
    laces = [
        Part(points((heel + 0.29 + 0.055 * n, y - 0.27 + 0.03 * n - tongue * (1 - n / 3) * 0.6),
                    (heel + 0.37 + 0.05 * n, y - 0.17 + 0.02 * n - tongue * (1 - n / 3) * 0.4)),
             "light", width=0.02)
        for n in range(4)
    ]  # fmt: skip
    strap = [Part(points((heel + 0.28, y - 0.25), (heel + 0.46, y - 0.08)), "trim", width=0.09)]
    return Drawing(
        [
            Part(upper, "body", "cloth"),
            Part(cap, "trim", "cloth"),
            Part(smooth((heel, y), (heel + 0.0, y - 0.15), (heel + 0.09, y - 0.12),
                        (heel + 0.1, y)), "trim", "cloth"),
            *(strap if form.style == 2 else laces),
            Part(base, "light", "flat"),
            Part(points((heel, floor - sole * 0.35), (toe, floor - sole * 0.35)), "trim",
                 width=0.016),
        ],
        badge=(heel + 0.2 + 0.01 * turn, y - 0.1, 0.17),
        pattern_pitch=0.075,
    )  # fmt: skip


def backpack(form: Form, turn: int) -> Drawing:
    """Styles: one pocket, two pockets, flap with a buckle."""
    w, h = 0.22 + 0.08 * form.wide, 0.6 + 0.16 * form.tall
    left, right, bottom = 0.5 - w, 0.5 + w, 0.93
    top, low = bottom - h, 0.93 - h * 0.42
    fronts = [
        [Part(rounded(left + 0.05, low, right - 0.05, bottom - 0.04, 0.05), "trim", "cloth")],
        [Part(rounded(left + 0.03, low, 0.49, bottom - 0.04, 0.04), "trim", "cloth"),
         Part(rounded(0.51, low, right - 0.03, bottom - 0.04, 0.04), "trim", "cloth")],
        [Part(rounded(left - 0.01, top + 0.02, right + 0.01, top + h * 0.42, 0.12), "trim",
              "cloth"),
         Part(rounded(0.47, top + h * 0.36, 0.53, top + h * 0.5, 0.01), "metal")],
    ][form.style]  # fmt: skip
    y = top + h * (0.72 if form.style == 2 else 0.34)
    return Drawing(
        [
            Part(arc(left + 0.02, 0.62, 0.09, h * 0.36, (90, 270)), "dark", width=0.045),
            Part(arc(right - 0.02, 0.62, 0.09, h * 0.36, (-90, 90)), "dark", width=0.045),
            Part(arc(0.5, top + 0.02, 0.08, 0.08, (180, 360)), "dark", width=0.03),
            Part(rounded(left, top, right, bottom, 0.16), "body", "cloth"),
            Part(arc(0.5, top + 0.2, w * 0.9, 0.16, (195, 345)), "dark", width=0.014),
            *fronts,
        ],
        badge=(0.5 + 0.02 * turn, y, 0.22),
    )


def cap(form: Form, turn: int) -> Drawing:
    """Styles: flat visor, long visor with a button, visor with a band."""
    w, h = 0.29 + 0.05 * form.wide, 0.25 + 0.14 * form.tall
    x, y = 0.44, 0.62
    reach = 0.9 if form.style != 1 else 0.97
    dome = np.vstack([arc(x, y, w, h, (180, 360)), arc(x, y, w, 0.05, (0, 180))])
    visor = smooth(
        (x - 0.02, y + 0.03), (x + w, y - 0.02), (reach, y + 0.05), (reach - 0.02, y + 0.09),
        (x + w * 0.7, y + 0.1),
    )  # fmt: skip
    extra = [
        [],
        [Part(oval(x, y - h, 0.035, 0.02), "trim", "ball")],
        [Part(np.vstack([arc(x, y - 0.07, w, 0.05, (0, 180)), arc(x, y, w, 0.05, (180, 0))]),
              "trim", "round")],
    ][form.style]  # fmt: skip
    seams = [
        Part(arc(x, y, w * share, h, (250, 355)), "shade", width=0.008) for share in (0.45, -0.45)
    ]
    return Drawing(
        [
            *extra[: form.style == 1],
            Part(dome, "body", "ball"),
            *seams,
            *extra[form.style == 1 :],
            Part(visor, "trim", "flat"),
        ],
        badge=(x + 0.08 + 0.03 * turn, y - h * 0.42, 0.2),
        pattern_pitch=0.075,
    )


def watch(form: Form, turn: int) -> Drawing:
    """Styles: round case, square case, round case with two push buttons."""
    r, strap = 0.19 + 0.06 * form.tall, 0.1 + 0.05 * form.wide
    x, y = 0.5, 0.5
    ends = [(x - strap * 0.75, 0.03), (x + strap * 0.75, 0.03)]
    band = points(
        *ends, (x + strap, y - r * 0.7), (x + strap, y + r * 0.7), (x + strap * 0.75, 0.97),
        (x - strap * 0.75, 0.97), (x - strap, y + r * 0.7), (x - strap, y - r * 0.7),
    )  # fmt: skip

    def disc(scale: float) -> np.ndarray:
        size = r * scale
        if form.style == 1:
            return rounded(x - size, y - size, x + size, y + size, 0.05)
        return oval(x, y, size, size)

    buttons = [
        Part(points((x + r * 0.6, y + s * r * 0.6), (x + r * 0.95, y + s * r * 0.85)), "metal",
             width=0.05)
        for s in ((-1, 1) if form.style == 2 else ())
    ]  # fmt: skip
    hand = 0.5 + 0.15 * turn
    return Drawing(
        [
            Part(band, "body", "cloth"),
            Part(points((x - strap * 0.85, 0.86), (x + strap * 0.85, 0.86)), "metal", width=0.03),
            *buttons,
            Part(points((x + r, y), (x + r + 0.03, y)), "metal", width=0.06),
            Part(disc(1), "metal", "round"),
            Part(disc(0.86), "trim", "flat"),
            Part(disc(0.78), "light", "flat"),
            *_ticks(x, y, r),
            Part(points((x, y), (x + r * hand, y - r * 0.3)), "dark", width=0.018),
            Part(points((x, y), (x - r * 0.25, y - r * 0.35)), "dark", width=0.024),
        ],
        badge=(x, y + r * 0.38, 0.17),
        pattern_pitch=0.05,
    )


def ball(form: Form, turn: int) -> Drawing:
    """Styles: basketball seams, football spots, one broad belt; tall 0 makes it oblong."""
    rx, ry = 0.4, 0.27 + 0.13 * form.tall
    x, y, thick = 0.5, 0.5, 0.012 + 0.022 * form.wide
    shift = 0.06 * turn
    if form.style == 0:
        marks = [
            Part(arc(x + shift, y, rx * 0.08, ry * 0.98, (90, 270)), "dark", width=thick),
            Part(arc(x - rx, y, rx * 0.62, ry * 0.9, (-62, 62)), "dark", width=thick),
            Part(arc(x + rx, y, rx * 0.62, ry * 0.9, (118, 242)), "dark", width=thick),
            Part(arc(x, y - 0.02, rx * 0.98, ry * 0.12, (0, 180)), "dark", width=thick),
        ]
    elif form.style == 1:
        spots = [(0, -0.62), (0.62, -0.1), (-0.62, -0.1), (0.38, 0.68), (-0.38, 0.68)]
        size = 0.07 + 1.3 * thick
        marks = [
            Part(_pentagon(x + sx * rx * 0.85 + shift, y + sy * ry * 0.85, size), "trim", "flat")
            for sx, sy in spots
        ]
    else:
        half = 0.05 + 3 * thick
        reach = rx * np.sqrt(1 - ((half + 0.01) / ry) ** 2) - 0.004
        belt = [arc(x, y + s * half, reach, ry * 0.1, (0, 180)) for s in (-1, 1)]
        marks = [Part(np.vstack([belt[0], belt[1][::-1]]), "trim", "round")]
    return Drawing(
        [Part(oval(x, y, rx, ry), "body", "ball"), *marks],
        badge=(x + shift, y + 0.08, 0.23),
        pattern_pitch=0.1,
    )


def umbrella(form: Form, turn: int) -> Drawing:
    """Styles: hooked handle, straight handle, ball handle."""
    w, h = 0.36 + 0.09 * form.wide, 0.26 + 0.16 * form.tall
    x, y, lean = 0.5, 0.1 + 0.26 + 0.16 * form.tall, 0.04 * turn
    edges = np.linspace(x - w, x + w, 6)
    hem = [
        arc((a + b) / 2, y, (b - a) / 2, 0.035, (0, -180))
        for a, b in zip(edges[-2::-1], edges[:0:-1], strict=True)
    ]
    canopy = np.vstack([arc(x, y, w, h, (180, 360)), *hem])
    ribs = [
        Part(smooth((x, y - h), (x + (edge - x) * 0.62 + lean, y - h * 0.62), (edge, y),
                    is_closed=False), "shade", width=0.008)
        for edge in edges[1:-1]
    ]  # fmt: skip
    handle = [
        [Part(arc(x + 0.05, 0.88, 0.05, 0.06, (0, 180)), "trim", width=0.032)],
        [Part(points((x, 0.78), (x, 0.94)), "trim", "flat", width=0.05)],
        [Part(oval(x, 0.9, 0.05, 0.05), "trim", "ball")],
    ][form.style]
    return Drawing(
        [
            Part(points((x, y - h - 0.05), (x, 0.89)), "metal", width=0.016),
            *handle,
            Part(canopy, "body", "ball"),
            *ribs,
        ],
        badge=(x + lean, y - h * 0.36, 0.22),
    )


def headphones(form: Form, turn: int) -> Drawing:
    """Styles: oval cups, round cups, square cups."""
    reach, high = 0.27 + 0.07 * form.wide, 0.3 + 0.12 * form.tall
    x, y = 0.5, 0.6
    rx, ry = [(0.11, 0.17), (0.14, 0.14), (0.12, 0.15)][form.style]

    def cup(side: int, scale: float) -> np.ndarray:
        cx, a, b = x + side * reach, rx * scale, ry * scale
        if form.style == 2:
            return rounded(cx - a, y - b, cx + a, y + b, 0.04)
        return oval(cx, y, a, b)

    band = arc(x, y - 0.08, reach, high, (180, 360))
    parts = [
        Part(band, "shade", width=0.075),
        Part(arc(x, y - 0.08, reach - 0.035, high - 0.035, (195, 345)), "trim", width=0.02),
    ]
    for side in (-1, 1):
        parts += [
            Part(oval(x + side * (reach - rx * 0.75), y, 0.05, ry * 0.92), "dark", "round"),
            Part(cup(side, 1.12), "trim", "flat"),
            Part(cup(side, 1), "body", "ball"),
        ]
    return Drawing(parts, badge=(x + reach + 0.005 * turn, y + 0.01, 0.19), pattern_pitch=0.05)


def _ticks(x: float, y: float, r: float) -> list[Part]:
    """Twelve hour marks of a dial."""
    angles = np.radians(np.arange(0, 360, 30))
    ends = [[(x + r * s * np.sin(a), y - r * s * np.cos(a)) for s in (0.66, 0.76)] for a in angles]
    return [Part(points(*end), "dark", width=0.012) for end in ends]


def _pentagon(x: float, y: float, radius: float) -> np.ndarray:
    angle = np.radians(np.arange(-90, 270, 72))
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)
