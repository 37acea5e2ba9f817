"""The tags of a release in memory: nearest to a vector, and carried by cards; up to a million.

tags.parquet      the tags, as the stage `tags` wrote them
carried.parquet   which cards carry which
vectors.npy       fp16, (n_tags, dim)
codes.npy         uint64, (WORDS, n_tags): signs of a vector's projections, a bit each
planes.npy        float32, (dim, 64 * WORDS): what codes are projected on
tags.json         what it was made for; written last

Above EXACT_UP_TO tags those of the nearest codes are compared, and not all.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from photosearch.catalog.schemas import CardTags, Tag
from photosearch.catalog.tables import read_table
from photosearch.embedding.embedder import Vectors, shorten
from photosearch.errors import BadArtifact
from photosearch.report import save_report

MANIFEST = "tags.json"
ARRAYS = ("vectors", "codes", "planes")
"""Fields of TagVectors, in order; a file each."""
EXACT_UP_TO = 5_000
"""Above, codes are faster than comparing with all: docs/experiments/tags.md."""
WORDS = 4
"""Of 64 bits in a code."""
SHORTLIST = 2_000
"""Tags of the nearest codes that are compared, give or take a few."""
CODES_A_BLOCK = 32_768
"""Stay in the processor's cache."""
EVERY = 16
"""One in so many codes tells how far the shortlist reaches."""
PLANES_SEED = 7
Rows = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class TagsManifest:
    model_id: str
    """The model whose vectors may search it."""
    dim: int
    n_tags: int


@dataclass(frozen=True, slots=True)
class NearTag:
    row: int
    """In the table of tags."""
    cosine: float


@dataclass(frozen=True, slots=True)
class TagVectors:
    vectors: NDArray[np.float16]
    """Unit vectors of tags, (n_tags, dim); a tag that no card carries has zeros."""
    codes: NDArray[np.uint64]
    """(WORDS, n_tags)."""
    planes: Vectors
    """(dim, 64 * WORDS)."""


@dataclass(frozen=True, slots=True)
class Carried:
    """Which cards carry which tags, side by side in one array."""

    number_of: dict[str, int]
    """By card_id."""
    starts: NDArray[np.int64]
    """(n_cards + 1,)."""
    rows: Rows
    """Of tags, card after card."""

    def of(self, card_id: str) -> Rows:
        """Rows of a card's tags; none for a card that the release did not know."""
        number = self.number_of.get(card_id)
        if number is None:
            return np.empty(0, np.int32)
        return self.rows[self.starts[number] : self.starts[number + 1]]


class TagIndex:
    """Made by `open_tags`."""

    def __init__(self, tags: pa.Table, carried: Carried, vectors: TagVectors) -> None:
        """Takes what `open_tags` read.

        Args:
            tags: Columns of Tag: as rows, a million would take ten times the memory.
            carried: By card.
            vectors: Of the tags.
        """
        self._tags = tags.combine_chunks()
        self.languages = np.array(tags["language"].to_pylist(), np.str_)
        """Of each tag, (n_tags,)."""
        self.carried = carried
        self._vectors = vectors

    def __len__(self) -> int:
        """Tags that can be found."""
        return len(self._tags)

    @property
    def dim(self) -> int:
        return int(self._vectors.vectors.shape[1])

    def text(self, row: int) -> str:
        text: str = self._tags["text"][row].as_py()
        return text

    def nearest(self, vector: Vectors, *, limit: int) -> list[NearTag]:
        """At most `limit` tags, nearest first; equal ones in the order of the table.

        Args:
            vector: Of the model, (dim,) or longer.
            limit: Tags wanted.
        """
        rows = np.arange(len(self), dtype=np.int32)
        if len(self) > EXACT_UP_TO:
            rows = self._shortlist(shorten(vector, self.dim))
        cosines = self.cosines_of(rows, vector)
        kept = np.arange(len(rows))
        if limit < len(rows):
            last = np.partition(cosines, len(rows) - limit)[len(rows) - limit]
            kept = np.flatnonzero(cosines >= last)
        best = sorted(zip((-cosines[kept]).tolist(), rows[kept].tolist(), strict=True))[:limit]
        return [NearTag(row, -negated) for negated, row in best]

    def cosines_of(self, rows: Rows, vector: Vectors) -> Vectors:
        """Cosines of these tags to a vector of the model, (n_rows,)."""
        chosen = self._vectors.vectors[rows].astype(np.float32)
        query = shorten(vector, self.dim)
        found: Vectors = (chosen * query).sum(axis=1)  # so that equal rows have equal cosines
        return found

    def _shortlist(self, query: Vectors) -> Rows:
        """Some SHORTLIST tags whose codes differ from the query's in the fewest bits."""
        codes, asked = self._vectors.codes, codes_of(query[None], self._vectors.planes)
        n_bits = np.empty(len(self), np.uint8)  # 256 would be 0: an opposite is compared in vain
        for start in range(0, len(self), CODES_A_BLOCK):
            part = slice(start, start + CODES_A_BLOCK)
            n_bits[part] = np.bitwise_count(codes[0, part] ^ asked[0])
            for word in range(1, WORDS):
                n_bits[part] += np.bitwise_count(codes[word, part] ^ asked[word])
        sample = n_bits[::EVERY]
        place = min(SHORTLIST // EVERY, len(sample) - 1)
        farthest = np.partition(sample, place)[place]
        return np.flatnonzero(n_bits <= farthest).astype(np.int32)


def with_codes(vectors: NDArray[np.float16]) -> TagVectors:
    """Vectors with their codes; a fixed seed draws the planes."""
    dice = np.random.default_rng(PLANES_SEED)
    planes = dice.normal(size=(vectors.shape[1], 64 * WORDS)).astype(np.float32)
    starts = range(0, max(len(vectors), 1), CODES_A_BLOCK)
    parts = [codes_of(vectors[n : n + CODES_A_BLOCK].astype(np.float32), planes) for n in starts]
    return TagVectors(vectors, np.concatenate(parts, axis=1), planes)


def codes_of(vectors: Vectors, planes: Vectors) -> NDArray[np.uint64]:
    """On which side of each plane vectors lie, (n, dim) -> (WORDS, n).

    Source: Charikar 2002, "Similarity estimation techniques from rounding algorithms".
    """
    bits = np.packbits(vectors @ planes > 0, axis=1)
    return np.ascontiguousarray(bits.view(np.uint64).T)


def save_vectors(folder: Path, found: TagVectors, model_id: str) -> TagsManifest:
    """Writes vectors and codes beside the tables; the manifest last."""
    for name in ARRAYS:
        np.save(folder / f"{name}.npy", getattr(found, name))
    n_tags, dim = found.vectors.shape
    manifest = TagsManifest(model_id, dim, n_tags)
    save_report(folder / MANIFEST, manifest)
    return manifest


def open_tags(folder: Path, *, model_id: str) -> TagIndex:
    """Reads the tags of a release; vectors stay on disk until they are asked for.

    Raises:
        BadArtifact: The folder is incomplete, or was made for another model.
        BadTable: A table is not whole.
    """
    try:
        manifest = TagsManifest(**json.loads((folder / MANIFEST).read_text()))
        arrays = [
            np.load(folder / f"{name}.npy", mmap_mode="r" if name == "vectors" else None)
            for name in ARRAYS
        ]
        tags = read_table(folder / "tags.parquet", Tag)
        if len(tags) != manifest.n_tags or arrays[0].shape != (manifest.n_tags, manifest.dim):
            raise ValueError(f"{len(tags)} tags, vectors {arrays[0].shape}, told {manifest}")
    except (OSError, TypeError, ValueError) as error:
        raise BadArtifact(
            f"{folder} holds no whole tags ({error}). Make the release again: `photosearch index`."
        ) from None
    if manifest.model_id != model_id:
        raise BadArtifact(
            f"The tags in {folder} have vectors of model {manifest.model_id}, not of {model_id}. "
            "Make the release again: `photosearch index`."
        )
    return TagIndex(tags, carried_tags(folder), TagVectors(*arrays))


def carried_tags(folder: Path) -> Carried:
    """Reads what cards carry, of a home or of a release; raises BadTable if it is not whole."""
    table = read_table(folder / "carried.parquet", CardTags)
    lists = pa.chunked_array(table["tags"]).combine_chunks()
    return Carried(
        {card_id: number for number, card_id in enumerate(table["card_id"].to_pylist())},
        lists.offsets.to_numpy().astype(np.int64),
        lists.values.to_numpy().astype(np.int32),
    )
