"""Photos whose points need not tell them: what is found is the same, whoever knows them."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pyarrow as pa
import pytest
from photo_vectors import clustered, names

from photosearch.index.filters import CardFilter
from photosearch.index.point_photos import KnownIndex, PointPhotos
from photosearch.index.qdrant_edge import QdrantEdgeIndex
from photosearch.index.qdrant_points import point_id

PHOTO_IDS, LISTINGS = names(50)
VECTORS = clustered(50, 16)
ODD = ["", "кружка/gallery/0", "a/review/☕/12"]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[QdrantEdgeIndex]:
    made = QdrantEdgeIndex.create(tmp_path / "index", dim=16, model_id="m")
    made.add(PHOTO_IDS, LISTINGS, VECTORS)
    made.optimize()
    yield made
    made.close()


def known(photo_ids: list[str], card_ids: list[str], *, parts: int = 1) -> PointPhotos:
    table = pa.table({"photo_id": photo_ids, "card_id": card_ids}, pa.schema(
        [("photo_id", pa.string()), ("card_id", pa.string())]
    ))  # fmt: skip
    step = max(1, -(-len(table) // parts))
    return PointPhotos(
        pa.concat_tables(table.slice(at, step) for at in range(0, len(table) or 1, step))
    )


CARD_IDS = [listing.card_id for listing in LISTINGS]


@pytest.mark.parametrize("parts", [1, 3])
def test_what_is_found_is_what_the_engine_would_tell(index: QdrantEdgeIndex, parts: int):
    found_here = KnownIndex(index, known(PHOTO_IDS, CARD_IDS, parts=parts))
    assert found_here.dim == 16
    asked = [point.id for point in index.found(VECTORS[3], limit=5, where=None, has_payload=False)]
    assert known(PHOTO_IDS, CARD_IDS).of(asked) is not None  # the engine is not asked again
    ours = CardFilter(category=LISTINGS[3].category[:1])
    for row, where, limit in ((3, None, 10), (3, ours, 10), (8, None, 1), (8, None, 0)):
        expected = index.nearest(VECTORS[row], limit=limit, where=where)
        assert found_here.nearest(VECTORS[row], limit=limit, where=where) == expected
    assert found_here.nearest(VECTORS[3], limit=1)[0].photo_id == PHOTO_IDS[3]


def test_a_photo_that_is_not_known_is_asked_of_the_engine(
    index: QdrantEdgeIndex, caplog: pytest.LogCaptureFixture
):
    others = [(p, c) for p, c in zip(PHOTO_IDS, CARD_IDS, strict=True) if p != PHOTO_IDS[3]]
    found_here = KnownIndex(index, known([p for p, _ in others], [c for _, c in others]))
    for _ in range(2):
        assert found_here.nearest(VECTORS[3], limit=10) == index.nearest(VECTORS[3], limit=10)
    assert caplog.text.count("has photos that its release does not tell") == 1


def test_points_lead_to_their_photos_whatever_these_are_called():
    photos = known([*PHOTO_IDS, *ODD], [*CARD_IDS, "", "кружка", "a"])
    points = [UUID(point_id(photo_id)) for photo_id in (ODD[1], PHOTO_IDS[0], ODD[2], ODD[0])]
    told = [(ODD[1], "кружка"), (PHOTO_IDS[0], CARD_IDS[0]), (ODD[2], "a"), ("", "")]
    assert photos.of(points) == told
    assert photos.of([]) == []
    assert photos.of([*points, uuid4()]) is None
    assert photos.of([7]) is None


def test_nothing_is_known_of_no_photos():
    assert known([], []).of([]) == []
    assert known([], []).of([uuid4()]) is None
