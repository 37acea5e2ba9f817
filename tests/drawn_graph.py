"""A small model drawn by chance, and its graph."""

from pathlib import Path

import pytest
from small_model import drawn_model, drawn_photos

from photosearch.embedding.export import export_graph
from photosearch.embedding.runtime_choice import (
    MIN_COSINE,
)

PHOTOS = drawn_photos()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_model(tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="module")
def graph(model: Path) -> Path:
    folder = model.parent / "graph"
    report = export_graph(model, folder, PHOTOS)
    assert report.min_cosine >= MIN_COSINE["fp32"]
    assert report.golden_photos == len(PHOTOS)
    return folder
