"""Words of cards in Qdrant Edge: BM25 with Russian and English stems, beside it BM25 of pieces.

Knows no photo and no model. A folder of a text index:

text_index.json   what it holds; written last
engine/           the engine's own files
"""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photosearch.errors import IndexUnavailable
from photosearch.index.edge_errors import engine
from photosearch.index.filters import CardFilter
from photosearch.index.index_folder import ENGINE, copy_folder
from photosearch.index.text_words import (
    CardText,
    Side,
    document_vectors,
    query_vector,
    usual_lengths,
)
from photosearch.report import save_report

if TYPE_CHECKING:
    from qdrant_edge import EdgeShard, Filter

FACTS = "text_index.json"
SAMPLE = 10_000
"""Cards whose texts tell how long a text usually is."""
CARDS_A_BATCH = 500
PLAIN_UP_TO_CARDS = 1000
"""Up to here a filter reads the payload of every card found, 6.5 ms of 4,000 cards; above, fields
have lookups (1.3 ms), which take time to make: docs/experiments/text_search.md."""
LEVELS = "\x1f"
"""Between the levels of a category path in the payload."""
CARDS = uuid.UUID("0b0f3f51-9f0a-5b3c-8a5e-3d4a0f6b7c11")
"""Namespace of point ids."""
REBUILD = "Make the release again with `photosearch index`."
_engine = partial(engine, kind="Text index", remedy=REBUILD)


@dataclass(frozen=True, slots=True)
class TextHit:
    card_id: str
    score: float
    """BM25; more is better, comparable within one answer only."""


@dataclass(frozen=True, slots=True)
class Facts:
    cards: int
    lengths: dict[str, float]
    """Words a card that the usual card has: Cyrillic, other, pieces; BM25 compares with them."""


class TextIndex:
    """Cards of a release, searched by words; made by `write_text_index`, opened by `open_copy`."""

    def __init__(self, folder: Path, facts: Facts, shard: EdgeShard, closing: ExitStack) -> None:
        self.folder = folder
        self._facts = facts
        self._shard = shard
        self._closing = closing

    @classmethod
    def open_copy(cls, folder: Path) -> TextIndex:
        """Copies the folder, which stays as it is, and opens the copy; `close` deletes that.

        Raises:
            IndexUnavailable: There is none, it is damaged, or the copy does not fit.
        """
        from qdrant_edge import CountRequest, EdgeShard

        facts = _read_facts(folder)
        with ExitStack() as closing:
            private = closing.enter_context(tempfile.TemporaryDirectory(prefix="photosearch-text-"))
            with _engine(folder, f"copying it to {private}"):
                copy_folder(folder, Path(private))
            with _engine(folder, "opening it"):
                shard = EdgeShard.load(str(Path(private) / ENGINE))
                closing.callback(shard.close)
                n_cards = shard.count(CountRequest(exact=True))
            if n_cards != facts.cards:
                raise IndexUnavailable(
                    f"Text index {folder} is damaged: it holds {n_cards} cards of {facts.cards}. "
                    f"{REBUILD}"
                )
            return cls(folder, facts, shard, closing.pop_all())

    def find(
        self, text: str, *, side: Side, limit: int, where: CardFilter | None = None
    ) -> list[TextHit]:
        """At most `limit` cards that share a word (or a piece) with the text, best first.

        Equal scores in order of card_id. A text of nothing but stop words finds nothing.
        """
        from qdrant_edge import PayloadSelector, Query, QueryRequest

        vector = query_vector(text, side)
        if vector is None or limit <= 0:
            return []
        request = QueryRequest(
            limit=limit,
            query=Query.Nearest(vector, using=side),
            filter=None if where is None else _filter(where),
            with_payload=PayloadSelector.Include(["card_id"]),
        )
        with _engine(self.folder, "searching it"):
            points = self._shard.query(request)
        hits = [TextHit((point.payload or {})["card_id"], point.score) for point in points]
        return sorted(hits, key=lambda hit: (-hit.score, hit.card_id))

    def count(self) -> int:
        """Cards."""
        return self._facts.cards

    def close(self) -> None:
        """Deletes the private copy; calling twice is no error."""
        self._closing.close()


def write_text_index(folder: Path, texts: Iterable[CardText], *, title_weight: int) -> int:
    """Writes the index of cards into a new folder, which is made.

    Args:
        texts: One a card; read once, a batch at a time.
        title_weight: A word of a title counts as so many of the rest.

    Returns:
        The number of cards.

    Raises:
        IndexUnavailable: There is an index already, or the folder cannot be written.

    Source: weights of fields as in Robertson et al. 2004, "Simple BM25 extension to multiple
    weighted fields": occurrences are weighed before they are counted.
    """
    from qdrant_edge import EdgeShard, UpdateOperation

    if (folder / FACTS).exists():
        raise IndexUnavailable(f"{folder} holds a text index already. Delete it first.")
    waiting = iter(texts)
    sample = list(islice(waiting, SAMPLE))
    lengths = usual_lengths(sample, title_weight=title_weight)
    every = chain(sample, waiting)
    with _engine(folder, "making it"), ExitStack() as closing:
        folder.mkdir(parents=True, exist_ok=True)
        shard = EdgeShard.create(str(folder / ENGINE), _config())
        closing.callback(shard.close)
        n_cards = _put(shard, every, lengths, title_weight=title_weight)
        for field, kind in _fields().items() if n_cards > PLAIN_UP_TO_CARDS else ():
            shard.update(UpdateOperation.create_field_index(field, kind))
        shard.optimize()
        shard.flush()
    save_report(folder / FACTS, Facts(n_cards, lengths))
    return n_cards


def change_text_index(
    before: Path,
    folder: Path,
    changed: Iterable[CardText],
    gone: Sequence[str],
    *,
    title_weight: int,
) -> int:
    """Writes an index that differs from another one in a few cards, in the time of a copy.

    A usual text stays as long as it was: the weights of all cards must be comparable.

    Args:
        before: The other one; it stays as it is.
        folder: The new one, which is made.
        changed: Cards that are new, or of which something else is said now.
        gone: Cards of `before` that are no longer there.
        title_weight: As `before` was made with.

    Returns:
        The number of cards.

    Raises:
        IndexUnavailable: `before` is damaged, or the folder cannot be written.
    """
    from qdrant_edge import CountRequest, EdgeShard, UpdateOperation

    lengths = _read_facts(before).lengths
    with _engine(folder, f"making it of {before}"), ExitStack() as closing:
        copy_folder(before / ENGINE, folder / ENGINE)
        shard = EdgeShard.load(str(folder / ENGINE))
        closing.callback(shard.close)
        if gone:
            shard.update(UpdateOperation.delete_points([_point_id(card) for card in gone]))
        _put(shard, iter(changed), lengths, title_weight=title_weight)
        shard.optimize()
        shard.flush()
        n_cards: int = shard.count(CountRequest(exact=True))
    save_report(folder / FACTS, Facts(n_cards, lengths))
    return n_cards


def _point_id(card_id: str) -> str:
    return str(uuid.uuid5(CARDS, card_id))


def _put(
    shard: EdgeShard, texts: Iterator[CardText], lengths: dict[str, float], *, title_weight: int
) -> int:
    from qdrant_edge import UpdateOperation

    n_cards = 0
    while batch := list(islice(texts, CARDS_A_BATCH)):
        made = [_point(card, lengths, title_weight) for card in batch]
        shard.update(UpdateOperation.upsert_points(made))
        n_cards += len(batch)
    return n_cards


def _point(card: CardText, lengths: dict[str, float], title_weight: int) -> Any:
    from qdrant_edge import Point

    listing = card.listing
    path = listing.category
    payload = {
        "card_id": listing.card_id,
        "category": [LEVELS.join(path[:level]) for level in range(1, len(path) + 1)],
        "brand": listing.brand,
        "price": listing.price,
        "rating": listing.rating,
    }
    vectors = document_vectors(card, lengths, title_weight=title_weight)
    return Point(_point_id(listing.card_id), vectors, payload)  # type: ignore[arg-type]


def _config() -> Any:
    import qdrant_edge as edge

    sparse = edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)
    return edge.EdgeConfig(
        sparse_vectors={"words": sparse, "pieces": sparse},
        optimizers=edge.EdgeOptimizersConfig(default_segment_number=1),
        wal_enabled=False,
    )


def _fields() -> dict[str, Any]:
    from qdrant_edge import PayloadSchemaType

    keyword, number = PayloadSchemaType.Keyword, PayloadSchemaType.Float
    return {"category": keyword, "brand": keyword, "price": number, "rating": number}


def _filter(where: CardFilter) -> Filter | None:
    """What `filters.passes` says, in the engine's words."""
    from qdrant_edge import FieldCondition, Filter, MatchAny, MatchValue, RangeFloat

    must: list[Any] = []
    if where.category:
        must.append(FieldCondition("category", match=MatchValue(LEVELS.join(where.category))))
    if where.brands:
        must.append(FieldCondition("brand", match=MatchAny(list(where.brands))))
    for field, least, most in (
        ("price", where.price_min, where.price_max),
        ("rating", where.rating_min, None),
    ):
        if least is not None or most is not None:
            must.append(FieldCondition(field, range=RangeFloat(gte=least, lte=most)))
    return Filter(must=must) if must else None


def _read_facts(folder: Path) -> Facts:
    try:
        return Facts(**json.loads((folder / FACTS).read_text()))
    except (OSError, TypeError, ValueError) as error:
        raise IndexUnavailable(f"{folder} holds no whole text index ({error}). {REBUILD}") from None
