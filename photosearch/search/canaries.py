"""Photos that a new index must find before it goes live: the same ones from release to release."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from photosearch.catalog.schemas import CuratedPhoto
from photosearch.catalog.tables import read_rows, write_table
from photosearch.embedding.embedder import Vectors
from photosearch.index.vector_index import VectorIndex
from photosearch.search.candidates import nearest_cards

CANARIES = 64
FILE = "canaries.parquet"
AMONG_CARDS = 10
"""A canary's own card must be among so many; several cards may show one picture."""


@dataclass(frozen=True, slots=True)
class Canary:
    """A photo of the index, and the vector that the model made of it."""

    photo_id: str
    card_id: str
    sha256: str
    vector: list[float]
    """Of unit length, as long as those of the index."""


def canaries_of(photos: Sequence[CuratedPhoto], vectors: Vectors) -> list[Canary]:
    """Makes canaries of photos and their vectors, (n_photos, dim)."""
    return [
        Canary(photo.photo_id, photo.card_id, photo.sha256, vector.tolist())
        for photo, vector in zip(photos, vectors, strict=True)
    ]


def spread(photos: Sequence[CuratedPhoto]) -> list[CuratedPhoto]:
    """At most CANARIES photos, evenly over the catalogue."""
    return list(photos[:: max(1, -(-len(photos) // CANARIES))])


def keep_canaries(
    before: Sequence[Canary], *, gone: Collection[str], new: Sequence[Canary]
) -> list[Canary]:
    """Those whose photo is still there; new photos take the places of the others."""
    kept = [canary for canary in before if canary.photo_id not in gone]
    return [*kept, *new[: CANARIES - len(kept)]]


def lost_canaries(
    index: VectorIndex, canaries: Sequence[Canary], *, hits_per_query: int
) -> list[Canary]:
    """Those whose card the index does not find, asked as a search asks."""
    import numpy as np

    lost = []
    for canary in canaries:
        vector = np.array(canary.vector, np.float32)
        cards = nearest_cards(index, vector, hits_per_query=hits_per_query)[:AMONG_CARDS]
        if canary.card_id not in {card.card_id for card in cards}:
            lost.append(canary)
    return lost


def write_canaries(folder: Path, canaries: Sequence[Canary]) -> None:
    """Writes canaries.parquet into a release folder."""
    write_table(folder / FILE, Canary, canaries)


def read_canaries(folder: Path) -> list[Canary]:
    """Those of a release; none where it was made before there were any."""
    path = folder / FILE
    return read_rows(path, Canary) if path.exists() else []
