"""Pictures of why: where the model looks, and which part of a query matched which part of a find.

Draws with numpy and Pillow only, so that services can; knows no model.
"""

import io
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from photosearch.embedding.embedder import unit
from photosearch.embedding.graph import GraphEmbedder, Sight
from photosearch.embedding.short_tokens import Projection
from photosearch.errors import BadArtifact

SIDE_PX = 480
"""A larger photo is drawn at this size."""
HUES = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
"""From nothing to most. Source: five steps of viridis, Smith and van der Walt 2015."""
OPAQUE = 0.65
"""Of the colour where the weight is largest."""
GAP_PX = 12
MATCHES = 3
"""Pairs of tokens that are told of: those that raise the likeness most."""

Weights = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Match:
    """A token of the query and the token of the found photo that is most like it."""

    worth: float
    """Its part of the likeness; all parts add up to MaxSim."""
    query: Weights
    """Share of each patch of the query in its token, (n_patches,)."""
    found: Weights
    """The same of the found photo."""


def attention(sight: Sight, row: int = 0) -> Weights:
    """Where a photo's vector comes from: the share of each patch, (n_patches,), sum 1.

    The skip path, which takes the mean of all patches, is left aside.

    Source: Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers", attention rollout.
    """
    flow: Weights = sight.shares[row] @ sight.places[row]
    return flow


def matches(query: Sight, found: Sight, projection: Projection | None) -> list[Match]:
    """What MaxSim is made of, the most telling pair of tokens first.

    Args:
        query: Of one photo.
        found: Of one photo.
        projection: As the search uses it; None compares the head's tokens as they are.
    """
    shorten = unit if projection is None else projection.shorten
    asked, answers = shorten(query.tokens[0]), shorten(found.tokens[0])
    cosines = asked @ answers.T
    like = cosines.argmax(axis=1)
    worth = cosines[np.arange(len(asked)), like] / len(asked)
    return [
        Match(float(worth[token]), query.places[0][token], found.places[0][like[token]])
        for token in np.argsort(-worth, kind="stable").tolist()
    ]


def draw_map(photo: Image.Image, weights: Weights) -> bytes:
    """A PNG file of the photo, coloured where the weights are large.

    Args:
        photo: RGB, of any size; the model saw all of it, squashed to a square.
        weights: Of the patches, row by row, (side * side,).

    Raises:
        BadArtifact: The patches are no square grid.
    """
    return _png(_overlaid(_small(photo), weights))


def draw_matches(query: Image.Image, found: Image.Image, pairs: list[Match]) -> bytes:
    """A PNG file: a row for each of the best pairs, the query's part left, the found one's right.

    Raises:
        BadArtifact: The patches are no square grid.
    """
    left, right = _small(query), _small(found)
    told = pairs[:MATCHES]
    high = max(left.height, right.height)
    size = (left.width + GAP_PX + right.width, len(told) * (high + GAP_PX) - GAP_PX)
    canvas = Image.new("RGB", size, "white")
    for row, pair in enumerate(told):
        top = row * (high + GAP_PX)
        canvas.paste(_overlaid(left, pair.query), (0, top))
        canvas.paste(_overlaid(right, pair.found), (left.width + GAP_PX, top))
    return _png(canvas)


def map_of(
    embedder: GraphEmbedder,
    photo: Image.Image,
    other: Image.Image | None,
    projection: Projection | None,
) -> bytes:
    """A PNG file: where a model looks on a photo, or what it finds alike on another one.

    Args:
        embedder: Sees, see `GraphEmbedder.see`.
        photo: RGB, the searched part.
        other: RGB; None draws the attention.
        projection: See `matches`.
    """
    if other is None:
        return draw_map(photo, attention(embedder.see([photo])))
    pairs = matches(embedder.see([photo]), embedder.see([other]), projection)
    return draw_matches(photo, other, pairs)


def _overlaid(photo: Image.Image, weights: Weights) -> Image.Image:
    """The photo under the colours of the weights, the largest of them most opaque."""
    side = math.isqrt(len(weights))
    if side * side != len(weights):
        raise BadArtifact(
            f"The model sees {len(weights)} patches, which are no square grid: there is no map of "
            "them. Ask for the answer without maps."
        )
    low, high = float(weights.min()), float(weights.max())
    spread = (weights - low) / (high - low) if high > low else np.zeros_like(weights)
    grid = Image.fromarray(np.rint(spread.reshape(side, side) * 255).astype(np.uint8))
    strong = np.asarray(grid.resize(photo.size, Image.Resampling.BICUBIC), np.float32) / 255
    steps = np.linspace(0, 1, len(HUES))
    colours = np.stack([np.interp(strong, steps, hue) for hue in np.transpose(HUES)], axis=-1)
    opaque = OPAQUE * strong[..., None]
    mixed = np.asarray(photo, np.float32) * (1 - opaque) + colours * opaque
    return Image.fromarray(np.rint(mixed).astype(np.uint8))


def _small(photo: Image.Image) -> Image.Image:
    """A copy of at most SIDE_PX a side, RGB."""
    small = photo.convert("RGB")
    small.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
    return small


def _png(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()
