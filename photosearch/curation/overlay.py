"""Lays one photo over another, moved and scaled to fit, and says how alike they are in detail."""

import numpy as np
from numpy.typing import NDArray

OVERLAY_PX = 48
"""Side of the small colour pictures that are compared."""
STEPS = 8
MAX_SCALE, MAX_SHIFT_PX = 0.12, 4.0
"""A copy may be cropped by some 4% on each side; more is another picture."""
EDGE_PX = 3
"""Not compared: after a shift there is nothing under it."""
DETAIL_REACH = 2
NOISE = 9.0
"""Variance in grey levels squared that compression alone makes: weaker detail says nothing."""

Pictures = NDArray[np.float32]


def likeness(ours: Pictures, theirs: Pictures) -> NDArray[np.float32]:
    """Correlation of detail after the best crop and scale, or of the whole if that is lower.

    Detail is what is left without the mean of the surroundings: two red mugs on white have one
    outline but other prints. A change of light changes nothing.

    Args:
        ours: Small RGB pictures, (n, OVERLAY_PX, OVERLAY_PX, 3), 0 to 255.
        theirs: What each is compared with, of the same shape.

    Returns:
        In [-1, 1], (n,). Measured: docs/decisions.md, 27.
    """
    laid = _move(theirs, _fit(_normal(ours), theirs))
    inner = np.s_[:, EDGE_PX:-EDGE_PX, EDGE_PX:-EDGE_PX]
    spread = ours.std(axis=(1, 2, 3), keepdims=True)
    a, b = _normal(ours) * spread, _normal(laid) * spread
    whole = _correlation(a[inner], b[inner])
    detail = _correlation(_detail(a)[inner], _detail(b)[inner], noise=NOISE)
    return np.minimum(whole, detail).astype(np.float32)


def _fit(ours: Pictures, theirs: Pictures) -> NDArray[np.float64]:
    """Scale and shift in both directions that lay `theirs` over `ours`, (n, 4).

    Source: Lucas and Kanade 1981, by Gauss-Newton; light is taken out by normalising.
    """
    side = np.arange(OVERLAY_PX) - (OVERLAY_PX - 1) / 2
    x, y = side[None, None, :, None], side[None, :, None, None]
    inner = np.s_[:, EDGE_PX:-EDGE_PX, EDGE_PX:-EDGE_PX]
    moves = np.zeros((len(ours), 4))
    for _ in range(STEPS):
        laid = _normal(_move(theirs, moves))
        down, across = np.gradient(laid, axis=(1, 2))
        slopes = np.stack([across * x, down * y, across, down], axis=-1)[inner]
        slopes = slopes.reshape(len(ours), -1, 4)
        gap = (ours - laid)[inner].reshape(len(ours), -1)
        normal = np.einsum("nij,nik->njk", slopes, slopes) + 1e-3 * np.eye(4)
        change = np.linalg.solve(normal, np.einsum("nij,ni->nj", slopes, gap)[..., None])
        moves = moves + change[..., 0]
        moves[:, :2] = moves[:, :2].clip(-MAX_SCALE, MAX_SCALE)
        moves[:, 2:] = moves[:, 2:].clip(-MAX_SHIFT_PX, MAX_SHIFT_PX)
    return moves


def _move(pictures: Pictures, moves: NDArray[np.float64]) -> Pictures:
    """Samples pictures bilinearly where the moved grid lies; edges are repeated."""
    side = np.arange(OVERLAY_PX) - (OVERLAY_PX - 1) / 2
    last = OVERLAY_PX - 1
    x = (side * (1 + moves[:, :1]) + moves[:, 2:3] + last / 2).clip(0, last - 1e-3)
    y = (side * (1 + moves[:, 1:2]) + moves[:, 3:] + last / 2).clip(0, last - 1e-3)
    left, top = x.astype(int), y.astype(int)
    right_share, low_share = (x - left)[:, None, :, None], (y - top)[:, :, None, None]
    n = np.arange(len(pictures))[:, None, None]

    def at(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Pictures:
        return pictures[n, rows[:, :, None], columns[:, None, :]]

    high = at(top, left) * (1 - right_share) + at(top, left + 1) * right_share
    low = at(top + 1, left) * (1 - right_share) + at(top + 1, left + 1) * right_share
    return np.asarray(high * (1 - low_share) + low * low_share, np.float32)


def _normal(pictures: Pictures) -> Pictures:
    """Mean 0 and variance 1 over pixels and colours together, so that colours still count."""
    level = pictures - pictures.mean(axis=(1, 2, 3), keepdims=True)
    spread = np.sqrt((level * level).mean(axis=(1, 2, 3), keepdims=True) + 1e-6)
    return np.asarray(level / spread, np.float32)


def _detail(pictures: Pictures) -> Pictures:
    """What differs from the mean of the surroundings."""
    reach = range(-DETAIL_REACH, DETAIL_REACH + 1)
    around = sum(np.roll(pictures, (dy, dx), axis=(1, 2)) for dy in reach for dx in reach)
    return np.asarray(pictures - around / len(reach) ** 2, np.float32)


def _correlation(a: Pictures, b: Pictures, *, noise: float = 0.0) -> NDArray[np.float32]:
    """Where both vary less than `noise` they count as equal."""
    axes = (1, 2, 3)
    a, b = a - a.mean(axis=axes, keepdims=True), b - b.mean(axis=axes, keepdims=True)
    spread = np.sqrt((a * a).mean(axis=axes) * (b * b).mean(axis=axes))
    return np.asarray(((a * b).mean(axis=axes) + noise) / (spread + noise + 1e-9), np.float32)
