"""How things of the house are shaped: mug, teapot, bottle, vase, lamp, chair, cushion, book."""

import numpy as np

from simulator.shapes import (
    Drawing,
    Form,
    Part,
    Points,
    arc,
    lathe,
    oval,
    points,
    rounded,
    smooth,
)


def mug(form: Form, turn: int) -> Drawing:
    """Styles: straight, tapered, round-bellied."""
    r, h, x = 0.2 + 0.09 * form.wide, 0.42 + 0.26 * form.tall, 0.44
    top, bottom = 0.52 - h / 2, 0.52 + h / 2
    middle, low = [(r, r), (0.9 * r, 0.74 * r), (1.13 * r, 0.8 * r)][form.style]
    reach = (0.19 - 0.05 * abs(turn)) * (0.8 + 0.5 * form.tall)
    ear = arc(x + r * 0.9, (top + bottom) / 2, reach, h * 0.3, (-95, 95))
    return Drawing(
        [
            Part(ear, "trim", "cloth", width=0.055),
            Part(
                lathe(x, [(top, r), ((top + bottom) / 2, middle), (bottom, low)]), "body", "round"
            ),
            Part(oval(x, top, r, r * 0.14), "trim"),
            Part(oval(x, top, r * 0.9, r * 0.105), "dark"),
        ],
        badge=(x + 0.05 * turn, (top + bottom) / 2 + 0.04, 0.24),
    )


def teapot(form: Form, turn: int) -> Drawing:
    """Styles: side handle, handle over the top, tall side handle with a ball on the lid."""
    r, h = 0.22 + 0.08 * form.wide, 0.3 + 0.17 * form.tall
    x, top, bottom = 0.5, 0.56 - h / 2, 0.56 + h / 2
    y, lid = (top + bottom) / 2, r * 0.58
    spout = smooth(
        (x - r * 0.8, y - 0.02),
        (x - r - 0.09, y - 0.06),
        (x - r - 0.16, top - 0.02),
        (x - r - 0.1, top - 0.04),
        (x - r - 0.05, y),
        (x - r * 0.7, y + h * 0.38),
    )
    handle = [
        arc(x + r * 0.92, y, 0.16, h * 0.36, (-100, 100)),
        arc(x, top + 0.06, r * 0.95, 0.25, (180, 360)),
        arc(x + r * 0.9, y - 0.06, 0.13, h * 0.52, (-115, 70)),
    ][form.style]
    knob = 0.05 if form.style == 2 else 0.035
    body = lathe(x, [(top, lid), (y - h * 0.1, r), (y + h * 0.15, r), (bottom, r * 0.62)])
    return Drawing(
        [
            Part(spout, "trim", "cloth"),
            Part(handle, "trim", "cloth", width=0.045),
            Part(body, "body", "round"),
            Part(lathe(x, [(top - 0.06, lid * 0.3), (top - 0.035, lid * 0.85), (top, lid)]), "trim",
                 "round"),
            Part(oval(x, top - 0.06 - knob * 0.7, knob, knob * 0.9), "shade", "ball"),
        ],
        badge=(x + 0.05 * turn, y + 0.03, 0.24),
    )  # fmt: skip


def bottle(form: Form, turn: int) -> Drawing:
    """Styles: flat cap, sport nozzle, cap with a loop."""
    r, h, x = 0.12 + 0.07 * form.wide, 0.62 + 0.16 * form.tall, 0.5
    bottom, top = 0.93, 0.93 - h + 0.06
    neck, shoulder = r * 0.5, top + 0.13
    body = [(top, neck), (top + 0.04, neck), (shoulder, r), (bottom - 0.05, r), (bottom, r * 0.9)]
    cap = [
        [Part(rounded(x - neck - 0.02, top - 0.07, x + neck + 0.02, top + 0.02, 0.02), "trim",
              "round")],
        [Part(rounded(x - neck - 0.02, top - 0.03, x + neck + 0.02, top + 0.03, 0.01), "trim",
              "round"),
         Part(lathe(x, [(top - 0.13, 0.022), (top - 0.08, 0.03), (top - 0.03, 0.05)]), "light",
              "round")],
        [Part(arc(x, top - 0.05, neck * 0.8, 0.07, (180, 360)), "dark", "flat", width=0.025),
         Part(rounded(x - neck - 0.02, top - 0.05, x + neck + 0.02, top + 0.02, 0.02), "trim",
              "round")],
    ][form.style]  # fmt: skip
    band = lathe(x, [(bottom - 0.06, r), (bottom - 0.03, r), (bottom - 0.01, r * 0.95)])
    return Drawing(
        [Part(lathe(x, body), "body", "round"), Part(band, "trim", "round"), *cap],
        badge=(x + 0.03 * turn, shoulder + (bottom - shoulder) * 0.42, 0.2),
        pattern_pitch=0.075,
    )


def vase(form: Form, turn: int) -> Drawing:
    """Styles: one belly, hourglass, two ears."""
    r, h, x = 0.17 + 0.11 * form.wide, 0.52 + 0.24 * form.tall, 0.5
    top = 0.92 - h
    at = [top + h * share for share in (0, 0.16, 0.55, 0.85, 1)]
    radii = [(0.62, 0.42, 1, 0.72, 0.5), (1, 0.8, 0.5, 0.85, 0.95), (0.55, 0.4, 0.85, 0.9, 0.6)]
    profile = [(y, r * share) for y, share in zip(at, radii[form.style], strict=True)]
    rim = profile[0][1]
    ears = [
        Part(arc(x + side * r * 0.5, top + h * 0.24, r * 0.5, h * 0.14, (-100, 260)), "trim",
             width=0.035)
        for side in ((-1, 1) if form.style == 2 else ())
    ]  # fmt: skip
    return Drawing(
        [
            *ears,
            Part(lathe(x, profile), "body", "round"),
            Part(oval(x, top, rim, rim * 0.16), "trim"),
            Part(oval(x, top, rim * 0.84, rim * 0.11), "dark"),
        ],
        badge=(x + 0.04 * turn, top + h * (0.82 if form.style == 1 else 0.6), 0.2),
    )


def lamp(form: Form, turn: int) -> Drawing:
    """Styles: disc foot, tripod, ball foot."""
    r, h, x = 0.24 + 0.12 * form.wide, 0.26 + 0.16 * form.tall, 0.5
    top, floor = 0.08, 0.9
    hem = top + h
    foot = [
        [Part(oval(x, floor, 0.17, 0.045), "trim", "round")],
        [
            Part(points((x, hem + 0.12), (x + reach, floor + 0.02)), "wood", width=0.03)
            for reach in (-0.2, 0.03, 0.2)
        ],
        [
            Part(oval(x, floor - 0.12, 0.13, 0.12), "trim", "ball"),
            Part(oval(x, floor, 0.1, 0.03), "dark", "flat"),
        ],
    ][form.style]
    stem = hem + 0.14 if form.style == 1 else floor - 0.01
    return Drawing(
        [
            Part(points((x, hem - 0.02), (x, stem)), "metal", "round", width=0.028),
            *foot,
            Part(oval(x, hem, r, r * 0.13), "light"),
            Part(lathe(x, [(top, r * 0.55), ((top + hem) / 2, r * 0.78), (hem, r)], depth=0.1),
                 "body", "round"),
        ],
        badge=(x + 0.04 * turn, top + h * 0.6, 0.21),
    )  # fmt: skip


def chair(form: Form, turn: int) -> Drawing:
    """Styles: square back, round back, back of slats."""
    w, back = 0.36 + 0.16 * form.wide, 0.3 + 0.17 * form.tall
    left, right, seat = 0.5 - w / 2, 0.5 + w / 2, 0.57
    top, lean = seat - back, 0.05 * (1 + turn)
    legs = [
        (left + 0.08, seat, left + 0.08, 0.86),
        (right - 0.03, seat, right - 0.01, 0.84),
        (left - 0.05 + lean, seat + 0.08, left - 0.06 + lean, 0.95),
        (right - 0.04 + lean, seat + 0.08, right + 0.02 + lean, 0.95),
    ]
    slat = w / 7
    backs = [
        [Part(rounded(left, top, right, seat, 0.03), "body", "cloth")],
        [Part(oval(0.5, seat - back / 2, w / 2, back / 2 + 0.02), "body", "cloth")],
        [
            Part(rounded(left + slat * n, top, left + slat * (n + 1), seat, 0.01), "body", "cloth")
            for n in (0, 2, 4, 6)
        ]
        + [Part(rounded(left, top, right, top + 0.11, 0.02), "body", "cloth")],
    ][form.style]
    cushion = smooth(
        (left, seat - 0.03),
        (right, seat - 0.03),
        (right + 0.01 + lean, seat + 0.1),
        (left - 0.06 + lean, seat + 0.1),
        steps=4,
    )
    return Drawing(
        [
            *(Part(points((a, b), (c, d)), "wood", "flat", width=0.035) for a, b, c, d in legs),
            *backs,
            Part(cushion, "trim", "cloth"),
        ],
        badge=(0.5, top + (0.055 if form.style == 2 else back * 0.4), 0.2),
    )


def cushion(form: Form, turn: int) -> Drawing:
    """Styles: plain edge, piped edge with a button, round with a frill."""
    w, h = 0.34 + 0.09 * form.wide, 0.25 + 0.16 * form.tall
    x, y = 0.5 + 0.01 * turn, 0.5
    if form.style == 2:
        return Drawing(
            [
                Part(oval(x, y, w + 0.035, h + 0.035), "trim", "cloth"),
                Part(oval(x, y, w, h), "body", "ball"),
                Part(oval(x, y - 0.1, 0.03, 0.026), "trim", "ball"),
            ],
            badge=(x, y + h * 0.5, 0.22),
        )
    outline = smooth(
        (x - w, y - h),
        (x, y - h * 0.86),
        (x + w, y - h),
        (x + w * 0.9, y),
        (x + w, y + h),
        (x, y + h * 0.86),
        (x - w, y + h),
        (x - w * 0.9, y),
    )
    parts = [Part(outline, "body", "ball")]
    if form.style == 1:
        parts += [
            Part(_closed(outline), "trim", width=0.03),
            Part(oval(x, y - 0.05, 0.035, 0.03), "trim", "ball"),
        ]
    return Drawing(parts, badge=(x + w * 0.45, y + h * 0.55, 0.22))


def book(form: Form, turn: int) -> Drawing:
    """Styles: band across, frame, ribbon and disc."""
    w, h = 0.42 + 0.2 * form.wide, 0.56 + 0.24 * form.tall
    left, top = 0.5 - w / 2, 0.5 - h / 2
    right, bottom, deep = left + w, top + h, 0.045 + 0.012 * turn
    pages = points(
        (left + 0.01, top),
        (left + deep, top - deep),
        (right + deep, top - deep),
        (right + deep, bottom - deep),
        (right, bottom),
        (right, top),
    )
    ornament = [
        [Part(rounded(left + 0.05, top + h * 0.16, right, top + h * 0.34, 0.005), "trim")],
        [Part(_closed(rounded(left + 0.09, top + 0.05, right - 0.05, bottom - 0.05, 0.02)),
              "trim", width=0.018)],
        [Part(points((right - 0.1, top), (right - 0.04, top), (right - 0.04, bottom + 0.03),
                     (right - 0.07, bottom), (right - 0.1, bottom + 0.03)), "trim"),
         Part(oval(left + w * 0.42, top + h * 0.28, 0.09, 0.09), "trim")],
    ][form.style]  # fmt: skip
    return Drawing(
        [
            Part(pages, "light"),
            Part(rounded(left, top, right, bottom, 0.012), "body", "flat"),
            *ornament,
            Part(points((left, top), (left + 0.045, top), (left + 0.045, bottom), (left, bottom)),
                 "shade", "round"),
        ],
        badge=(left + w * 0.52, top + h * 0.66, 0.26),
    )  # fmt: skip


def _closed(outline: Points) -> Points:
    """The outline back to its first corner, to be drawn as a line."""
    return np.vstack([outline, outline[:1]])
