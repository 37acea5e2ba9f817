"""A home with a live release, changed since; and what is true once it is up to date."""

from pathlib import Path

import numpy as np
import pytest
from refresh_runs import (
    POLICIES,
    Colours,
    build_and_switch,
    change_catalogue,
    paint_home,
    run,
    start_fork_server,
)

from photosearch.assembly_serving import open_index
from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import read_rows
from photosearch.home import Home
from photosearch.index.filters import Listing
from photosearch.index.index_folder import copy_folder
from photosearch.release import Release, live_release
from photosearch.search.moderation import open_moderation
from photosearch.search.policies import read_policies
from photosearch.settings import Services

STEPS = (
    "compare", "take over the model", "draw thumbnails", "embed new photos", "copy the index",
    "change the index", "optimise the index", "prove the index", "write the other parts",
    "calibrate", "seal",
)  # fmt: skip


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with a live release, whose catalogue has changed since; never written to."""
    start_fork_server()
    home = paint_home(tmp_path_factory.mktemp("shop") / "home")
    assert run(build_and_switch, home.root) == 0
    change_catalogue(home)
    return home


@pytest.fixture
def home(first: Home, tmp_path: Path) -> Home:
    copy_folder(first.root, tmp_path / "home")  # an engine's files are mostly holes
    return Home(tmp_path / "home")


def contents(release: Release) -> dict[str, tuple[Listing, np.ndarray]]:
    index = open_index(release, Services())
    try:
        return {
            photo_id: (listing, vector)
            for photo_ids, listings, vectors in index.scroll()
            for photo_id, listing, vector in zip(photo_ids, listings, vectors, strict=True)
        }
    finally:
        index.close()


def stamps(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Size, blocks and time of change of each file: whoever writes to one changes them."""
    told = {str(path.relative_to(folder)): path.stat() for path in folder.rglob("*")}
    return {
        name: (stat.st_size, stat.st_blocks, stat.st_mtime_ns)
        for name, stat in told.items()
        if not name.endswith("/lock")
    }


def assert_is_up_to_date(home: Home) -> None:
    """The live release is what a whole build over the same catalogue would be."""
    live = live_release(home.releases)
    photos = read_rows(home.curated / "photos.parquet", CuratedPhoto)
    stored = contents(live)
    assert sorted(stored) == sorted(photo.photo_id for photo in photos)
    vectors = Colours(home)(photos)
    for photo, vector in zip(photos, vectors, strict=True):
        assert stored[photo.photo_id][1] @ vector == pytest.approx(1, abs=0.001)
    assert (read_policies(live.folder), open_moderation(live.folder)) == (POLICIES, {})
    prices = {card.card_id: card.price for card in read_rows(live.cards, Card)}
    assert {listing.card_id: listing.price for listing, _ in stored.values()} == prices
    assert prices["blue"] == 7.0
    assert live.manifest.data_version == "d2"
    assert not list(home.releases.glob(".*-*"))
