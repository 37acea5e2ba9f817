"""A model or a live index measured on any folder of cards and photos."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_source import card, picture, review, write_folder

from photosearch.catalog.images import load, store
from photosearch.catalog.pull import pull
from photosearch.catalog.schemas import CuratedPhoto
from photosearch.catalog.sources import FolderSource
from photosearch.embedding.embedder import Vectors, unit
from photosearch.errors import EmptySource
from photosearch.evaluation.benchmark import (
    Gallery,
)
from photosearch.evaluation.folder import LiveIndex, Models, evaluate_folder
from photosearch.home import Home
from photosearch.release import Manifest


class MeanColour:
    """Photos of like colours get near vectors."""

    model_id, lengths = "mean-colour", (3, 2)

    def embed(self, photos: Sequence[Image.Image]) -> Vectors:
        means = [np.asarray(photo).reshape(-1, 3).mean(axis=0) - 100 for photo in photos]
        return unit(np.array(means))


class Colourless:
    """Sees lightness only, so it cannot tell these photos apart."""

    model_id, lengths = "grey", (3,)

    def embed(self, photos: Sequence[Image.Image]) -> Vectors:
        return unit(np.ones((len(photos), 3)))


MODELS = Models(
    MeanColour(),
    Colourless(),
    Manifest(
        "r7", "mean-colour", "i1", "d7", "exact", 3, [3, 2], 3, 3, "2026-11-21T12:00:00+00:00", 1.0
    ),
    seen_groups={"low"},
)


@pytest.fixture
def pulled(tmp_path: Path) -> Home:
    """Three cards of three colours; one buyer's photo of each is `test`, one of low is `train`."""
    cards = [card("high", "h.jpg"), card("low", "l.jpg"), card("mid", "m.jpg")]
    reviews = [
        review("1", "low", "l1.jpg", split="train"),
        review("2", "low", "l2.jpg", split="test"),
        review("3", "mid", "m1.jpg", split="test"),
        review("4", "high", "h1.jpg", split="test"),
    ]
    colours = {"l": 5, "l1": 8, "l2": 11, "m": 125, "m1": 131, "h": 250, "h1": 244}
    photos = {name: picture(colour) for name, colour in colours.items()}
    home = Home(tmp_path / "home")
    pull(FolderSource(write_folder(tmp_path / "shop", cards, reviews, **photos)), home)
    return home


def test_a_model_is_measured_on_the_card_pictures_of_a_folder(pulled: Home):
    report = evaluate_folder(pulled, MODELS, split="test", index=None)
    assert (report.queries, report.cards, report.gallery, report.skipped) == (3, 3, "source", 0)
    assert (report.release, report.model_id, report.data_version) == ("r7", "mean-colour", "d7")
    assert list(report.lengths) == ["3", "2"]
    assert report.lengths["3"]["recall_at_1"] == 1
    # all tie: cards come by id, high, low, mid, and each is once right
    assert report.baseline["3"]["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3, abs=1e-4)
    assert {name: part.queries for name, part in report.slices.items()} == {"seen": 1, "unseen": 2}


def test_without_a_split_every_buyers_photo_asks(pulled: Home):
    assert evaluate_folder(pulled, MODELS, split=None, index=None).queries == 4


def test_a_split_that_nobody_has_is_told_with_the_counts(pulled: Home):
    with pytest.raises(EmptySource) as caught:
        evaluate_folder(pulled, MODELS, split="holdout", index=None)
    message = str(caught.value)
    assert "of 7 photos 0 are buyers' photos of split 'holdout'" in message
    assert "Name another --split or --source" in message


def live_index(pulled: Home, *names: str) -> LiveIndex:
    """An index of one picture a card, as the release would search it."""
    colours = {"low": 5, "mid": 125, "high": 250}
    photos = [
        CuratedPhoto(
            f"{name}/gallery/0", name, "gallery", store(pulled.images, picture(colours[name])),
            "train", True,
        )
        for name in names
    ]  # fmt: skip
    stored = MeanColour().embed([load(pulled.images, photo.sha256) for photo in photos])

    def search_exactly(vectors: Vectors) -> Callable[[Vectors], list[str]]:
        return lambda query: [names[row] for row in np.argsort(-(vectors @ query), kind="stable")]

    gallery = Gallery(list(names), list(names), stored)
    return LiveIndex(gallery, photos, pulled.images, search_exactly(stored), search_exactly)


def test_queries_that_a_live_index_cannot_answer_are_skipped_and_counted(pulled: Home):
    index = live_index(pulled, "low", "mid")
    report = evaluate_folder(pulled, MODELS, split="test", index=index)
    assert (report.queries, report.skipped, report.cards, report.gallery) == (2, 1, 2, "index")
    assert list(report.lengths) == ["3", "2"]  # by the live search, and by its stored vectors
    assert report.lengths["3"]["recall_at_1"] == 1
    assert report.baseline["3"]["mrr"] == pytest.approx((1 + 1 / 2) / 2)


def test_an_index_of_another_shop_leaves_nothing_to_ask(pulled: Home):
    index = live_index(pulled, "low")
    index.stored.groups[0] = "another"
    with pytest.raises(EmptySource, match="3 are buyers' photos of split 'test', and 0 of these"):
        evaluate_folder(pulled, MODELS, split="test", index=index)
