"""What a Qdrant server is asked, in its client's types: a collection, its fields, searches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from photosearch.index import qdrant_points as points
from photosearch.index.filters import CardFilter
from photosearch.index_settings import Quantisation

if TYPE_CHECKING:
    from qdrant_client.models import Filter, SearchParams


@dataclass(frozen=True, slots=True)
class Keeping:
    """How a server keeps a collection."""

    quantisation: Quantisation = "int8"
    shards: int = 1
    """Parts of the collection, spread over the nodes and searched side by side."""
    replicas: int = 1
    """Nodes that keep each part; one may fail where there are two."""


def collection(dim: int, model_id: str, keeping: Keeping) -> dict[str, Any]:
    """Arguments of `create_collection`."""
    from qdrant_client import models

    checked_up_to_photos = points.PLAIN_UP_TO * points.PLAIN_UNDER_FILTER
    return {
        "vectors_config": models.VectorParams(
            size=dim, distance=models.Distance.COSINE, datatype=models.Datatype.FLOAT16
        ),
        "hnsw_config": models.HnswConfigDiff(
            m=points.HNSW_M,
            ef_construct=points.HNSW_EF_CONSTRUCT,
            full_scan_threshold=max(10, points.stored_kb(checked_up_to_photos, dim)),
        ),
        "quantization_config": _codes(keeping.quantisation),
        "shard_number": keeping.shards,
        "replication_factor": keeping.replicas,
        "metadata": {
            "model_id": model_id,
            "quantisation": keeping.quantisation,
            "has_shelves": True,
        },
    }


def payload_indexes() -> dict[str, Any]:
    """Lookups by the fields that filters ask for: schemas by name."""
    from qdrant_client import models

    keywords = {
        name: models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, enable_hnsw=is_linked)
        for name, is_linked in points.KEYWORDS.items()
    }
    number = models.FloatIndexParams(type=models.FloatIndexType.FLOAT)
    return keywords | dict.fromkeys(points.NUMBERS, number)


def search_params(quantisation: Quantisation, *, limit: int) -> SearchParams:
    """How widely to search."""
    from qdrant_client import models

    return models.SearchParams(
        hnsw_ef=points.search_by(quantisation).hnsw_ef,
        quantization=models.QuantizationSearchParams(
            rescore=True, oversampling=points.oversampling(quantisation, limit)
        ),
    )


def exact_params() -> SearchParams:
    """Compares with every photo by stored vectors, without graph or codes."""
    from qdrant_client import models

    ignored = models.QuantizationSearchParams(ignore=True)
    return models.SearchParams(exact=True, quantization=ignored)


def filter_of(where: CardFilter | None, *, has_shelves: bool) -> Filter | None:
    """The server's filter; None where all photos pass."""
    from qdrant_client.models import FieldCondition, Filter, MatchAny, Range

    must: list[Any] = [
        FieldCondition(key=asked.field, match=MatchAny(any=list(asked.words)))
        if asked.words
        else FieldCondition(key=asked.field, range=Range(gte=asked.least, lte=asked.most))
        for asked in points.conditions(where, has_shelves=has_shelves)
    ]
    return Filter(must=must) if must else None


def photos_of(card_id: str) -> Filter:
    """All photos of a card."""
    from qdrant_client.models import FieldCondition, Filter, MatchValue

    return Filter(must=[FieldCondition(key="card_id", match=MatchValue(value=card_id))])


def _codes(quantisation: Quantisation) -> Any:
    from qdrant_client import models

    # `always_ram`, for servers before `memory` took its place.
    match quantisation:
        case "int8":
            scalar = models.ScalarQuantizationConfig(
                type=models.ScalarType.INT8, quantile=0.99, always_ram=True
            )
            return models.ScalarQuantization(scalar=scalar)
        case "turbo":
            turbo = models.TurboQuantQuantizationConfig(
                bits=models.TurboQuantBitSize.BITS4, always_ram=True
            )
            return models.TurboQuantization(turbo=turbo)
        case "product":
            product = models.ProductQuantizationConfig(
                compression=models.CompressionRatio.X16, always_ram=True
            )
            return models.ProductQuantization(product=product)
        case "binary":
            binary = models.BinaryQuantizationConfig(
                encoding=models.BinaryQuantizationEncoding.ONE_BIT,
                query_encoding=models.BinaryQuantizationQueryEncoding.SCALAR8BITS,
                always_ram=True,
            )
            return models.BinaryQuantization(binary=binary)
        case "none":
            return None
