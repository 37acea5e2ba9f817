"""What Qdrant Edge is asked, in its own types: a shard, its payload fields, searches, filters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from photosearch.index import qdrant_points as points
from photosearch.index.filters import CardFilter
from photosearch.index.index_folder import Facts
from photosearch.index.vector_index import Vectors
from photosearch.index_settings import Quantisation

if TYPE_CHECKING:
    from qdrant_edge import EdgeConfig, Filter, SearchRequest, UpdateOperation


def shard_config(dim: int, quantisation: Quantisation, plain_up_to_photos: int) -> EdgeConfig:
    """A shard of unit vectors in fp16, in one segment, without a write-ahead log."""
    import qdrant_edge as edge

    checked_up_to_photos = plain_up_to_photos * points.PLAIN_UNDER_FILTER
    return edge.EdgeConfig(
        vectors=edge.EdgeVectorParams(
            dim, edge.Distance.Cosine, datatype=edge.VectorStorageDatatype.Float16
        ),
        hnsw_config=edge.HnswIndexConfig(
            points.HNSW_M,
            points.HNSW_EF_CONSTRUCT,
            full_scan_threshold=points.stored_kb(checked_up_to_photos, dim),
        ),
        quantization_config=_codes(quantisation),
        optimizers=edge.EdgeOptimizersConfig(
            indexing_threshold=points.stored_kb(plain_up_to_photos, dim), default_segment_number=1
        ),
        wal_enabled=False,
    )


def payload_indexes() -> Iterator[UpdateOperation]:
    """Lookups by the fields that filters ask for; made while the shard is empty."""
    import qdrant_edge as edge

    for name, is_linked in points.KEYWORDS.items():
        keyword = edge.KeywordIndexParams(enable_hnsw=is_linked)
        yield edge.UpdateOperation.create_field_index(name, keyword)
    for name in points.NUMBERS:
        yield edge.UpdateOperation.create_field_index(name, edge.FloatIndexParams())


def nearest_request(
    vector: Vectors, facts: Facts, where: CardFilter | None, *, limit: int, has_payload: bool
) -> SearchRequest:
    """The nearest photos of an index that pass a filter.

    Args:
        vector: (dim,).
        facts: Of the index.
        where: None: all pass.
        limit: Photos wanted.
        has_payload: Whether found points are to tell which photo and card they are.
    """
    import qdrant_edge as edge

    wanted = filter_of(where, has_shelves=facts.has_shelves)
    return edge.SearchRequest(
        limit=limit,
        query=edge.Query.Nearest(vector),  # type: ignore[arg-type]
        filter=wanted,
        with_payload=edge.PayloadSelector.Include(points.FOUND_FIELDS) if has_payload else False,
        params=edge.SearchParams(
            hnsw_ef=points.search_by(facts.quantisation).hnsw_ef,
            quantization=edge.QuantizationSearchParams(
                rescore=True, oversampling=points.oversampling(facts.quantisation, limit)
            ),
        ),
    )


def exact_request(vector: Vectors, *, limit: int) -> SearchRequest:
    """The nearest of all photos by stored vectors, without graph or codes."""
    import qdrant_edge as edge

    return edge.SearchRequest(
        limit=limit,
        query=edge.Query.Nearest(vector),  # type: ignore[arg-type]
        with_payload=edge.PayloadSelector.Include(points.FOUND_FIELDS),
        params=edge.SearchParams(
            exact=True, quantization=edge.QuantizationSearchParams(ignore=True)
        ),
    )


def filter_of(where: CardFilter | None, *, has_shelves: bool) -> Filter | None:
    """The engine's filter; None where all photos pass."""
    from qdrant_edge import FieldCondition, Filter, MatchAny, RangeFloat

    must: list[Any] = [
        FieldCondition(asked.field, match=MatchAny(list(asked.words)))
        if asked.words
        else FieldCondition(asked.field, range=RangeFloat(gte=asked.least, lte=asked.most))
        for asked in points.conditions(where, has_shelves=has_shelves)
    ]
    return Filter(must=must) if must else None


def photos_of(card_id: str) -> Filter:
    """All photos of a card."""
    from qdrant_edge import FieldCondition, Filter, MatchValue

    return Filter(must=[FieldCondition("card_id", match=MatchValue(card_id))])


def _codes(quantisation: Quantisation) -> Any:
    import qdrant_edge as edge

    memory = edge.Memory.Pinned
    match quantisation:
        case "int8":
            return edge.ScalarQuantizationConfig(edge.ScalarType.Int8, quantile=0.99, memory=memory)
        case "turbo":
            return edge.TurboQuantQuantizationConfig(
                bits=edge.TurboQuantBitSize.Bits4, memory=memory
            )
        case "product":
            return edge.ProductQuantizationConfig(edge.CompressionRatio.X16, memory=memory)
        case "binary":
            # One bit a number in store, the query finer: both in bits find less.
            return edge.BinaryQuantizationConfig(
                encoding=edge.BinaryQuantizationEncoding.OneBit,
                query_encoding=edge.BinaryQuantizationQueryEncoding.Scalar8Bits,
                memory=memory,
            )
        case "none":
            return None
