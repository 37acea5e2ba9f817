"""Vectors of a catalogue's photos: from cached tokens where there are any, else by the tower."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from torch import nn

from photosearch.catalog.images import load
from photosearch.catalog.schemas import CuratedPhoto
from photosearch.embedding.embedder import Embedder, Vectors
from photosearch.embedding.model import ModelManifest, read_model
from photosearch.embedding.tokens import TokenCache, open_tokens
from photosearch.embedding.torch_runtime import load_head, pool_tokens
from photosearch.errors import BadArtifact
from photosearch.home import Home
from photosearch.progress import track

PHOTOS_A_BATCH, ROWS_A_BATCH = 64, 1024
log = logging.getLogger(__name__)


class StoredPhoto(Protocol):
    """Anything that names an image by its content."""

    @property
    def sha256(self) -> str: ...


VectorsOf = Callable[[Sequence[CuratedPhoto]], Vectors]
"""Gives the unit vectors of photos, (n_photos, dim)."""


class ModelVectors(NamedTuple):
    """A model as those see it who need its vectors alone."""

    model_id: str
    of: VectorsOf


def catalog_vectors(home: Home, model: Path, embedder: Embedder) -> VectorsOf:
    """Vectors of curated photos by a model; a new head needs no pass of the tower over them.

    Args:
        home: Its token cache is used if the model's tower made it; photos that are not in it, and
            all of them if there is no such cache, are embedded from their images.
        model: A model folder.
        embedder: The same model, running.
    """
    manifest = read_model(model)
    cache = tokens_by(home, manifest)
    if cache is None:
        return lambda photos: embed_all(photos, home.images, embedder)
    head = load_head(model, manifest)
    row_of = {row.sha256: number for number, row in enumerate(cache.rows) if row.view == 0}

    def vectors_of(photos: Sequence[CuratedPhoto]) -> Vectors:
        cached = [place for place, photo in enumerate(photos) if photo.sha256 in row_of]
        new = [place for place, photo in enumerate(photos) if photo.sha256 not in row_of]
        parts = []
        if cached:
            parts.append(_pooled(head, cache, [row_of[photos[place].sha256] for place in cached]))
        if new:
            parts.append(embed_all([photos[place] for place in new], home.images, embedder))
        found = np.concatenate(parts)
        return found[np.argsort(cached + new)]

    known = sum(row.view == 0 for row in cache.rows)
    log.info("%d photos have cached tokens of tower %s", known, cache.tower_id)
    return vectors_of


def tokens_by(home: Home, manifest: ModelManifest) -> TokenCache | None:
    """The home's token cache, if the model's tower made it; the log says so if it did not."""
    try:
        cache = open_tokens(home.tokens)
        of_tower = (cache.tower_id, cache.shape.pool)
        reason = f"cached tokens are of tower {cache.tower_id}"
    except BadArtifact as error:
        of_tower, reason = ("", 0), str(error)
    if of_tower == (manifest.tower_id, manifest.head.pool):
        return cache
    log.info("all photos are embedded from their images: %s", reason)
    return None


def _pooled(head: nn.Module, cache: TokenCache, rows: Sequence[int]) -> Vectors:
    parts = [
        pool_tokens(head, cache.read(rows[start : start + ROWS_A_BATCH]).float().numpy())
        for start in range(0, len(rows), ROWS_A_BATCH)
    ]
    return np.concatenate(parts)


def embed_all(photos: Sequence[StoredPhoto], images: Path, embedder: Embedder) -> Vectors:
    """Unit vectors of stored photos, (n_photos, dim), a batch of images in memory at a time."""
    starts = range(0, len(photos), PHOTOS_A_BATCH)
    parts = [
        embedder.embed([load(images, p.sha256) for p in photos[n : n + PHOTOS_A_BATCH]])
        for n in track(starts, "embedding batches of photos", len(starts))
    ]
    return np.concatenate(parts)
