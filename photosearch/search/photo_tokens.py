"""Short tokens of every photo in an index, in a mapped file; knows no model.

tokens.npy             a byte a number, (n_photos, n_tokens, dim), photos in the order of their ids
photo_ids.npy          those ids in UTF-8, sorted
projection.*           how a query's tokens are shortened: see embedding/short_tokens.py
photo_tokens.json      what they are for, and how the search uses them; written last
"""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from photosearch.catalog.schemas import CuratedPhoto
from photosearch.embedding.embedder import Vectors
from photosearch.embedding.short_tokens import (
    Packed,
    Projection,
    pack,
    read_projection,
    save_projection,
    unpack,
)
from photosearch.errors import BadArtifact
from photosearch.progress import track
from photosearch.release import Release
from photosearch.report import save_report

log = logging.getLogger(__name__)

FOLDER = "photo_tokens"
"""Its name in a release."""
MANIFEST, TOKENS, PHOTO_IDS = "photo_tokens.json", "tokens.npy", "photo_ids.npy"
PHOTOS_A_BATCH = 256

TokensOf = Callable[[Sequence[CuratedPhoto]], Vectors]
"""Gives a head's tokens of photos, (n_photos, n_tokens, width)."""


@dataclass(frozen=True, slots=True)
class TokensManifest:
    model_id: str
    n_photos: int
    cards: int
    """Cards that the search compares anew."""
    weight: float
    """What a MaxSim of 1 adds to a card's score."""


@dataclass(frozen=True, slots=True)
class PhotoTokens:
    manifest: TokensManifest
    projection: Projection
    _tokens: Packed
    _photo_ids: NDArray[np.bytes_]

    def of(self, photo_ids: Sequence[str]) -> Vectors:
        """Short tokens of photos, (n_photos, n_tokens, dim), of unit length but for rounding.

        Raises:
            BadArtifact: A photo has none.
        """
        wanted = np.array([photo_id.encode() for photo_id in photo_ids], np.bytes_)
        rows = np.minimum(np.searchsorted(self._photo_ids, wanted), len(self._photo_ids) - 1)
        strange = [photo for photo, row in zip(wanted, rows, strict=True)
                   if self._photo_ids[row] != photo]  # fmt: skip
        if strange:
            raise BadArtifact(
                f"{len(strange)} of {len(wanted)} photos have no tokens, the first is "
                f"{strange[0].decode()!r}: tokens and index were not made together. Make the "
                "release again: `photosearch index`."
            )
        return unpack(self._tokens[rows])


def write_photo_tokens(
    folder: Path,
    photos: Sequence[CuratedPhoto],
    tokens_of: TokensOf,
    *,
    projection: Projection,
    manifest: TokensManifest,
) -> None:
    """Writes the tokens of the photos of an index, a batch in memory at a time.

    Args:
        folder: A release's photo_tokens/, which is made.
        photos: All photos of the index, in any order.
        tokens_of: By the model that the index is made by.
        projection: For tokens of the same model.
        manifest: See its fields; `n_photos` must be the number of photos.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_projection(folder, projection)
    ordered = sorted(photos, key=lambda photo: photo.photo_id.encode())
    np.save(folder / PHOTO_IDS, np.array([p.photo_id.encode() for p in ordered], np.bytes_))
    starts = range(0, len(ordered), PHOTOS_A_BATCH)
    mapped: np.memmap[Any, np.dtype[np.int8]] | None = None
    for start in track(starts, "batches of photo tokens", len(starts)):
        short = pack(projection.shorten(tokens_of(ordered[start : start + PHOTOS_A_BATCH])))
        if mapped is None:
            shape = (len(ordered), *short.shape[1:])
            mapped = open_memmap(folder / TOKENS, mode="w+", dtype=np.int8, shape=shape)
        mapped[start : start + len(short)] = short
    if mapped is not None:
        mapped.flush()
    save_report(folder / MANIFEST, manifest)


def tokens_of_release(release: Release) -> PhotoTokens | None:
    """The tokens a release carries; None where it has none, and the log says so.

    Raises:
        BadArtifact: They are there, but incomplete or of another model or index.
    """
    folder, manifest = release.folder / FOLDER, release.manifest
    if not folder.exists():
        log.info("late interaction off: release %s was made without it", manifest.release)
        return None
    tokens = open_photo_tokens(folder, model_id=manifest.model_id, n_photos=manifest.n_photos)
    how, kind = tokens.manifest, tokens.projection.manifest.kind
    log.info("late interaction on: %d cards, weight %g, %s tokens", how.cards, how.weight, kind)
    return tokens


def open_photo_tokens(folder: Path, *, model_id: str, n_photos: int) -> PhotoTokens:
    """Maps the tokens of a release into memory.

    Args:
        folder: A release's photo_tokens/.
        model_id: The release's model.
        n_photos: Photos in the release's index.

    Raises:
        BadArtifact: They are incomplete, or of another model or index.
    """
    try:
        manifest = TokensManifest(**json.loads((folder / MANIFEST).read_text()))
        tokens = np.load(folder / TOKENS, mmap_mode="r")
        photo_ids = np.load(folder / PHOTO_IDS, mmap_mode="r")
        counts = {manifest.n_photos, len(tokens), len(photo_ids), n_photos}
        if len(counts) > 1:
            raise ValueError(f"tokens of {len(tokens)} photos, {n_photos} are in the index")
    except (OSError, TypeError, ValueError) as error:
        raise BadArtifact(
            f"{folder} holds no whole photo tokens ({error}). Make the release again: "
            "`photosearch index`."
        ) from None
    projection = read_projection(folder, model_id=model_id)
    return PhotoTokens(manifest, projection, tokens, photo_ids)
