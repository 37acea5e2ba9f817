"""What only Qdrant Edge must do: folders, locks, copies."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from photo_vectors import clustered, names, photo_ids

from photosearch.errors import ForeignIndex, IndexUnavailable
from photosearch.index.filters import CardFilter, Listing
from photosearch.index.index_folder import FACTS
from photosearch.index.lifecycle import fill, verify
from photosearch.index.qdrant_edge import QdrantEdgeIndex
from photosearch.index.vector_index import ExactIndex
from photosearch.index_settings import Quantisation


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A closed index of 50 photos."""
    index = QdrantEdgeIndex.create(tmp_path / "index", dim=16, model_id="m")
    index.add(*names(50), clustered(50, 16))
    index.close()
    return tmp_path / "index"


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_edge_index_survives_reopening(folder: Path) -> None:
    vectors = clustered(50, 16)
    index = QdrantEdgeIndex.open(folder, model_id="m")
    assert (index.count(), index.dim, index.model_id) == (50, 16, "m")
    assert index.nearest(vectors[7], limit=1)[0].photo_id == "p00007"
    index.remove(["p00007"])
    index.close()
    again = QdrantEdgeIndex.open(folder, model_id="m")
    assert again.count() == 49
    assert again.nearest(vectors[7], limit=1)[0].photo_id != "p00007"
    again.close()


def test_a_graph_survives_reopening_and_changes(tmp_path: Path) -> None:
    vectors = clustered(3000, 64)
    ids, cards = names(3000)
    index = QdrantEdgeIndex.create(tmp_path, dim=64, model_id="m", plain_up_to_photos=500)
    fill(index, [(ids[:2500], cards[:2500], vectors[:2500])], 2500)
    index.close()
    again = QdrantEdgeIndex.open(tmp_path, model_id="m")
    again.add(ids[2500:], cards[2500:], vectors[2500:])
    assert verify(again, n_queries=100) >= 0.98
    again.close()


def test_a_foreign_index_is_refused(folder: Path) -> None:
    for opened in (QdrantEdgeIndex.open, QdrantEdgeIndex.open_copy):
        with pytest.raises(ForeignIndex, match="made by model m, the query by another"):
            opened(folder, model_id="another")
    QdrantEdgeIndex.open(folder, model_id="m").close()  # the refusal let go of the folder


def test_an_index_is_not_made_over_another(folder: Path) -> None:
    with pytest.raises(IndexUnavailable, match=r"holds an index already\. Delete it first"):
        QdrantEdgeIndex.create(folder, dim=16, model_id="m")


def test_two_cannot_open_one_folder(folder: Path) -> None:
    index = QdrantEdgeIndex.open(folder, model_id="m")
    with pytest.raises(IndexUnavailable, match=rf"held by process {os.getpid()}: only one .*copy"):
        QdrantEdgeIndex.open(folder, model_id="m")
    with pytest.raises(IndexUnavailable, match=f"held by process {os.getpid()}"):
        QdrantEdgeIndex.open_copy(folder, model_id="m")
    index.close()


HOLD = """
import sys, pathlib
from photosearch.index.qdrant_edge import QdrantEdgeIndex
from photosearch.index.vector_index import ExactIndex
from photosearch.index_settings import Quantisation
index = QdrantEdgeIndex.open(pathlib.Path(sys.argv[1]), model_id="m")
if sys.argv[2] == "change":
    index.remove(["p00001"])
sys.stdout.write("open\\n")
sys.stdout.flush()
sys.stdin.read()
"""


@pytest.mark.parametrize("doing", ["search", "change"])
def test_a_folder_in_another_process_is_refused_until_it_ends(folder: Path, doing: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), doing],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(IndexUnavailable, match=rf"{folder} is held by process {other.pid}"):
            QdrantEdgeIndex.open(folder, model_id="m")
        other.kill()
    if doing == "search":
        QdrantEdgeIndex.open(folder, model_id="m").close()
    else:
        with pytest.raises(IndexUnavailable, match=r"being written when its process ended\. Del"):
            QdrantEdgeIndex.open(folder, model_id="m")


def test_copies_are_searched_side_by_side_and_leave_the_folder_alone(folder: Path) -> None:
    before = snapshot(folder)
    first = QdrantEdgeIndex.open_copy(folder, model_id="m")
    second = QdrantEdgeIndex.open_copy(folder, model_id="m")
    first.remove(["p00001"])
    assert (first.count(), second.count()) == (49, 50)
    copy = first.folder
    assert copy != folder
    first.close()
    second.close()
    assert not copy.parent.exists()
    assert snapshot(folder) == before


def test_a_copy_takes_no_more_room_than_its_folder(folder: Path) -> None:
    def n_bytes(of: Path) -> int:
        return sum(path.stat().st_blocks * 512 for path in of.rglob("*"))

    copy = QdrantEdgeIndex.open_copy(folder, model_id="m")
    assert n_bytes(copy.folder) <= 2 * n_bytes(folder) + 500_000
    copy.close()


def test_a_folder_without_index_is_refused(tmp_path: Path) -> None:
    for opened in (QdrantEdgeIndex.open, QdrantEdgeIndex.open_copy):
        with pytest.raises(IndexUnavailable, match=r"holds no index: index\.json is missing\. Bui"):
            opened(tmp_path / "nowhere", model_id="m")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("damaged", "says"),
    [
        ("index.json", r"index\.json is damaged"),
        ("engine/edge_config.json", "opening it failed: .*edge_config"),
        ("engine/segments/*/segment.json", "opening it failed: .*failed to load segment"),
        ("engine/segments/*/mutable_id_tracker.versions", "it holds .* photos of 50"),
    ],
)
def test_a_broken_folder_is_refused(folder: Path, damaged: str, says: str) -> None:
    (path,) = folder.glob(damaged)
    path.write_bytes(b"\x07 not what it was")
    with pytest.raises(IndexUnavailable, match=f"{says}.*rebuild it with `photosearch index`"):
        QdrantEdgeIndex.open(folder, model_id="m")


def test_a_closed_index_says_so_and_stays_whole(folder: Path) -> None:
    index = QdrantEdgeIndex.open(folder, model_id="m")
    index.close()
    with pytest.raises(IndexUnavailable, match=r"was closed\. Open it again"):
        index.remove(["p00001"])
    with pytest.raises(IndexUnavailable, match="was closed"):
        index.nearest(clustered(1, 16)[0], limit=1)
    QdrantEdgeIndex.open(folder, model_id="m").close()


@pytest.mark.parametrize("quantisation", get_args(Quantisation))
def test_every_quantisation_finds_what_exact_search_finds(
    tmp_path: Path, quantisation: Quantisation
) -> None:
    index = QdrantEdgeIndex.create(
        tmp_path, dim=64, model_id="m", quantisation=quantisation, plain_up_to_photos=100
    )
    fill(index, [(*names(2000), clustered(2000, 64))], 2000)
    assert verify(index, n_queries=100) >= 0.98
    index.close()
    again = QdrantEdgeIndex.open(tmp_path, model_id="m")
    assert verify(again, n_queries=20) >= 0.98  # the folder says which codes it has
    again.close()


def test_an_index_made_before_listings_is_searched_without_filters_only(folder: Path) -> None:
    facts = json.loads((folder / FACTS).read_text())
    del facts["quantisation"], facts["has_listings"]
    (folder / FACTS).write_text(json.dumps(facts))
    index = QdrantEdgeIndex.open(folder, model_id="m")
    query = clustered(50, 16)[7]
    assert index.nearest(query, limit=1, where=CardFilter())[0].photo_id == "p00007"
    with pytest.raises(IndexUnavailable, match=r"made before photos carried .* rebuild it with"):
        index.nearest(query, limit=1, where=CardFilter(price_max=9))
    with pytest.raises(IndexUnavailable, match="made before photos carried"):
        index.update_listings([Listing("c1")])
    index.close()


def test_several_brands_too_small_for_links_are_found_together(tmp_path: Path) -> None:
    """A brand of 20 photos gets no links; four of them are more than are all compared."""
    ids, vectors = names(2000)[0], clustered(2000, 32)
    brands = np.random.default_rng(7).permutation(2000) % 100
    listings = [Listing(f"c{row}", brand=f"b{brand}") for row, brand in enumerate(brands)]
    exact = ExactIndex(32)
    index = QdrantEdgeIndex.create(tmp_path, dim=32, model_id="m", plain_up_to_photos=100)
    for one in (exact, index):
        fill(one, [(ids, listings, vectors)], 2000)
    right = 0
    for at, query in enumerate(clustered(2030, 32)[-30:]):
        wanted = CardFilter(brands=tuple(f"b{(at + step) % 100}" for step in range(4)))
        found, true = (one.nearest(query, limit=10, where=wanted) for one in (index, exact))
        right += len(set(photo_ids(found)) & set(photo_ids(true)))
    index.close()
    assert right >= 0.95 * 300


def test_a_category_with_prices_is_searched_by_shelf_and_without_shelves_just_as_well(
    tmp_path: Path,
) -> None:
    ids, vectors = names(400)[0], clustered(400, 16)
    listings = [
        Listing(f"c{n}", ("Home", f"k{n % 3}"), price=float(n), rating=n % 50 / 10)
        for n in range(400)
    ]
    index = QdrantEdgeIndex.create(tmp_path, dim=16, model_id="m")
    fill(index, [(ids, listings, vectors)], 400)
    where = CardFilter(("Home", "k1"), price_min=50, price_max=300, rating_min=2)
    true = {f"c{n}" for n in range(50, 301) if n % 3 == 1 and n % 50 >= 20}
    assert {hit.card_id for hit in index.nearest(vectors[0], limit=400, where=where)} == true
    index.close()
    facts = json.loads((tmp_path / FACTS).read_text()) | {"has_shelves": False}
    (tmp_path / FACTS).write_text(json.dumps(facts))
    older = QdrantEdgeIndex.open(tmp_path, model_id="m")
    assert {hit.card_id for hit in older.nearest(vectors[0], limit=400, where=where)} == true
    older.close()
