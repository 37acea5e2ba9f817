"""The tags of a release in memory: nearest to a vector, and carried by cards; up to a million.

tags.parquet      the tags, as the stage `tags` wrote them
carried.parquet   which cards carry which
vectors.npy       fp16, (n_tags, dim)
middle.npy        float32, (dim,): mean of all cards, taken off tags and queries alike
graph/            above EXACT_UP_TO tags, a Qdrant Edge index of them; see index/qdrant_edge.py
tags.json         what it was made for; written last
"""

import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from photosearch.catalog.schemas import CardTags, Tag
from photosearch.catalog.tables import read_table
from photosearch.embedding.embedder import Vectors, shorten, unit
from photosearch.errors import BadArtifact
from photosearch.index.qdrant_edge import QdrantEdgeIndex
from photosearch.index.vector_index import VectorIndex
from photosearch.report import save_report

MANIFEST, GRAPH = "tags.json", "graph"
EXACT_UP_TO = 50_000
"""Above, a graph is faster than comparing with all: docs/experiments/tags.md."""
TAGS_A_BATCH = 5_000
Rows = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class TagsManifest:
    model_id: str
    """The model whose vectors may search it."""
    dim: int
    n_tags: int
    has_graph: bool


@dataclass(frozen=True, slots=True)
class NearTag:
    row: int
    """In the table of tags."""
    cosine: float


@dataclass(frozen=True, slots=True)
class TagVectors:
    vectors: NDArray[np.float16]
    """Unit vectors of tags, (n_tags, dim); a tag that no card carries has zeros."""
    middle: Vectors
    """(dim,)."""


@dataclass(frozen=True, slots=True)
class Carried:
    """Which cards carry which tags, side by side in one array."""

    number_of: dict[str, int]
    """By card_id."""
    starts: NDArray[np.int64]
    """(n_cards + 1,)."""
    rows: Rows
    """Of tags, card after card."""


class TagIndex:
    """Made by `open_tags`."""

    def __init__(
        self, tags: pa.Table, carried: Carried, vectors: TagVectors, graph: VectorIndex | None
    ) -> None:
        """Takes what `open_tags` read.

        Args:
            tags: Columns of Tag: as rows, a million would take ten times the memory.
            carried: By card.
            vectors: Of the tags.
            graph: The same vectors to be searched, by row number; None compares with all.
        """
        self._tags = tags.combine_chunks()
        self.languages = np.array(tags["language"].to_pylist(), np.str_)
        """Of each tag, (n_tags,)."""
        self._carried = carried
        self._vectors = vectors
        self._graph = graph
        self._exact = vectors.vectors.astype(np.float32) if graph is None else None

    def __len__(self) -> int:
        """Tags that can be found."""
        return len(self._tags)

    @property
    def dim(self) -> int:
        return len(self._vectors.middle)

    def text(self, row: int) -> str:
        text: str = self._tags["text"][row].as_py()
        return text

    def carried_by(self, card_id: str) -> Rows:
        """Rows of a card's tags; none for a card that the release did not know."""
        number = self._carried.number_of.get(card_id)
        if number is None:
            return np.empty(0, np.int32)
        return self._carried.rows[self._carried.starts[number] : self._carried.starts[number + 1]]

    def nearest(self, vector: Vectors, *, limit: int) -> list[NearTag]:
        """At most `limit` tags, nearest first; equal ones in the order of the table.

        Args:
            vector: Of the model, (dim,) or longer.
            limit: Tags wanted.
        """
        query = self.query_of(vector)
        if self._graph is not None:
            hits = self._graph.nearest(query, limit=limit)
            found = sorted((-hit.cosine, int(hit.photo_id)) for hit in hits)
            return [NearTag(row, -negated) for negated, row in found]
        cosines = self._exact @ query
        kept = np.arange(len(cosines))
        if limit < len(cosines):
            last = np.partition(cosines, len(cosines) - limit)[len(cosines) - limit]
            kept = np.flatnonzero(cosines >= last)
        best = sorted(zip((-cosines[kept]).tolist(), kept.tolist(), strict=True))[:limit]
        return [NearTag(row, -negated) for negated, row in best]

    def cosines_of(self, rows: Rows, vector: Vectors) -> Vectors:
        """Cosines of these tags to a vector of the model, (n_rows,)."""
        chosen = self._vectors.vectors[rows].astype(np.float32)
        found: Vectors = chosen @ self.query_of(vector)
        return found

    def close(self) -> None:
        """Removes the private copy of the graph; calling twice is no error."""
        if self._graph is not None:
            self._graph.close()

    def query_of(self, vector: Vectors) -> Vectors:
        """What is compared with tags: the vector's beginning, less the middle of all cards."""
        return unit(shorten(vector, self.dim) - self._vectors.middle)


def save_vectors(folder: Path, vectors: TagVectors, model_id: str) -> TagsManifest:
    """Writes the vectors beside the tables, and the graph of many; the manifest last."""
    np.save(folder / "vectors.npy", vectors.vectors)
    np.save(folder / "middle.npy", vectors.middle)
    n_tags, dim = vectors.vectors.shape
    has_graph = n_tags > EXACT_UP_TO
    if has_graph:
        _write_graph(folder / GRAPH, vectors.vectors, model_id)
    manifest = TagsManifest(model_id, dim, n_tags, has_graph)
    save_report(folder / MANIFEST, manifest)
    return manifest


def open_tags(folder: Path, *, model_id: str) -> TagIndex:
    """Reads the tags of a release; close it to remove the private copy of its graph.

    Raises:
        BadArtifact: The folder is incomplete, or was made for another model.
        BadTable: A table is not whole.
        IndexUnavailable: The graph is damaged.
    """
    try:
        manifest = TagsManifest(**json.loads((folder / MANIFEST).read_text()))
        found = np.load(folder / "vectors.npy", mmap_mode="r")
        vectors = TagVectors(found, np.load(folder / "middle.npy"))
        tags = read_table(folder / "tags.parquet", Tag)
        if len(tags) != manifest.n_tags or found.shape != (manifest.n_tags, manifest.dim):
            raise ValueError(f"{len(tags)} tags, vectors {found.shape}, told {manifest}")
    except (OSError, TypeError, ValueError) as error:
        raise BadArtifact(
            f"{folder} holds no whole tags ({error}). Make the release again: `photosearch index`."
        ) from None
    if manifest.model_id != model_id:
        raise BadArtifact(
            f"The tags in {folder} have vectors of model {manifest.model_id}, not of {model_id}. "
            "Make the release again: `photosearch index`."
        )
    carried, graph = _carried(folder / "carried.parquet"), None
    if manifest.has_graph:
        graph = QdrantEdgeIndex.open_copy(folder / GRAPH, model_id=model_id)
    return TagIndex(tags, carried, vectors, graph)


def _write_graph(folder: Path, vectors: NDArray[np.float16], model_id: str) -> None:
    """An index whose photos are tags, named by their row numbers."""
    graph = QdrantEdgeIndex.create(
        folder, dim=vectors.shape[1], model_id=model_id, plain_up_to_photos=1
    )
    with closing(graph):
        for start in range(0, len(vectors), TAGS_A_BATCH):
            part = vectors[start : start + TAGS_A_BATCH].astype(np.float32)
            rows = [str(row) for row in range(start, start + len(part))]
            graph.add(rows, rows, part)
        graph.optimize()


def _carried(path: Path) -> Carried:
    table = read_table(path, CardTags)
    lists = pa.chunked_array(table["tags"]).combine_chunks()
    return Carried(
        {card_id: number for number, card_id in enumerate(table["card_id"].to_pylist())},
        lists.offsets.to_numpy().astype(np.int64),
        lists.values.to_numpy().astype(np.int32),
    )
