"""A head learns from photos and labels: it learns, stops, goes on, and ends where it would have."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from asked_labels import a_card, a_label
from small_source import card, write_folder
from small_tower import ColourTower, png, quarters, write_curated
from torch.utils.data import DataLoader

from photosearch.catalog.pull import pull
from photosearch.catalog.schemas import Card, Label, WeakPair
from photosearch.catalog.sources import FolderSource
from photosearch.catalog.tables import write_table
from photosearch.embedding.embedder import Vectors, unit
from photosearch.embedding.model import HeadShape, mean_pooling_of, read_model
from photosearch.embedding.tokens import cache_tokens, open_tokens, pool_view
from photosearch.embedding.torch_runtime import load_head, pool_tokens
from photosearch.embedding.tower import CONFIG, WEIGHTS
from photosearch.errors import EmptySource
from photosearch.head_settings import HeadParams, TokensParams
from photosearch.home import Home
from training.fit import train_head
from training.head_module import HeadModule
from training.lightning_fit import fingerprint, fit
from training.sampler import ProductSampler

# Lightning asks a torch class about itself in a way that torch now calls old.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*is deprecated:FutureWarning")
HEAD = HeadParams(
    width=16, tokens=2, heads=2, out=8, lengths=[8, 4], epochs=30, batch=16,
    learning_rate=0.02, weight_decay=0.0, temperature=0.1, learn_temperature=False,
    query="anchored", hard_negatives=0, weak_pairs=0.0, dropout=0.0, seed=7,
)  # fmt: skip
SHAPE = HeadShape("attention", 8, 8, [8, 4], 16, 2, 2)
LOGOS = {"a": (255, 0, 0), "b": (0, 255, 0), "c": (0, 0, 255), "d": (255, 255, 0)}
"""Four products differ in one quarter of the photo; the rest is light or dark."""


@pytest.fixture
def eight_photos(tmp_path: Path) -> Home:
    """A home with cached tokens of four products, one light and one dark photo each."""
    home = Home(tmp_path / "home")
    (tmp_path / "shop").mkdir()
    pull(FolderSource(write_folder(tmp_path / "shop", [card("a", "p.jpg")], p=shot("a", 0))), home)
    photos = [
        (f"{name}/{kind}/1/0", quarters(logo, *[(light,) * 3] * 3))
        for name, logo in LOGOS.items()
        for kind, light in (("gallery", 0), ("review", 255))
    ]
    write_curated(home, photos)
    write_table(home.curated / "cards.parquet", Card, [a_card(name) for name in LOGOS])
    write_table(home.labels, Label, [])
    cache_tokens(home, ColourTower(), tokens=TokensParams(views=1, form="bf16", pool=1, seed=7))
    home.tower.mkdir(parents=True)
    for name in (CONFIG, WEIGHTS):
        (home.tower / name).write_bytes(b"copied and hashed, never opened by head training")
    return home


def shot(name: str, light: int) -> bytes:
    return png(quarters(LOGOS[name], *[(light,) * 3] * 3))


def is_each_photo_nearest_its_own_product(vectors: Vectors) -> list[bool]:
    """Photos 2n and 2n + 1 show one product."""
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    return (cosines.argmax(axis=1) // 2 == np.arange(len(vectors)) // 2).tolist()


def test_a_head_trains_with_hard_negatives(eight_photos: Home):
    plain = train_head(eight_photos, HEAD)
    harder = train_head(eight_photos, HEAD.model_copy(update={"hard_negatives": 2, "batch": 8}))
    assert harder.model_id != plain.model_id


def test_a_training_with_hard_negatives_that_was_cut_off_ends_where_it_would_have(
    eight_photos: Home, monkeypatch: pytest.MonkeyPatch
):
    harder = HEAD.model_copy(update={"hard_negatives": 2, "batch": 8, "epochs": 6})
    whole = train_head(eight_photos, harder)
    drawn: list[int] = []

    def cut_at_the_fourth_epoch(sampler: ProductSampler, epoch: int) -> None:
        drawn.append(epoch)
        if epoch == 3:
            raise OSError("power cut")
        sampler._epoch = epoch

    with monkeypatch.context() as power:
        power.setattr(ProductSampler, "set_epoch", cut_at_the_fourth_epoch)
        with pytest.raises(OSError, match="power cut"):
            train_head(eight_photos, harder)
    assert 3 in drawn
    assert train_head(eight_photos, harder).model_id == whole.model_id


@pytest.mark.slow  # two processes import torch and Lightning
def test_two_devices_train_one_head_together(eight_photos: Home):
    script = Path(__file__).with_name("two_devices.py")
    command = [sys.executable, "-W", "ignore", str(script), str(eight_photos.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "MEMBER: 2/2" in done.stderr
    assert done.stdout.split() == [read_model(eight_photos.candidate).model_id]  # told once
    train_head(eight_photos, HEAD.model_copy(update={"epochs": 3, "batch": 4}))
    assert done.stdout.split() != [read_model(eight_photos.candidate).model_id]


def test_a_head_learns_eight_photos_that_mean_pooling_mixes_up(eight_photos: Home):
    home = eight_photos
    report = train_head(home, HEAD)
    assert (report.photos, report.views, report.products, report.labels) == (8, 8, 4, 0)
    manifest = read_model(home.candidate)
    assert manifest.model_id == report.model_id
    assert manifest.head == SHAPE
    head = load_head(home.candidate, manifest)
    cache = open_tokens(home.tokens)
    _, trained = pool_view(cache, 0, partial(pool_tokens, head))
    _, mean = pool_view(cache, 0, lambda tokens: unit(tokens.mean(axis=1)))
    assert not any(is_each_photo_nearest_its_own_product(mean))
    assert all(is_each_photo_nearest_its_own_product(trained))
    assert all(is_each_photo_nearest_its_own_product(unit(trained[:, :4])))
    assert mean_pooling_of(manifest.head).lengths == [8, 4]
    assert not list(home.resume.glob("*/"))  # a finished training leaves nothing to go on with


def test_training_twice_makes_the_same_model(eight_photos: Home):
    few = HEAD.model_copy(update={"epochs": 2, "dropout": 0.2})
    assert train_head(eight_photos, few) == train_head(eight_photos, few)


def test_an_anchored_query_stays_and_a_learned_one_moves(eight_photos: Home):
    entropies = {}
    for query in ("anchored", "learned"):
        queries = []
        for epochs in (1, 2):
            params = HEAD.model_copy(update={"epochs": epochs, "query": query})
            entropies[query] = train_head(eight_photos, params).pooling_entropy
            head = load_head(eight_photos.candidate, read_model(eight_photos.candidate))
            queries.append(head.query.detach().clone())
        assert torch.equal(*queries) == (query == "anchored")
    assert len(entropies["learned"]) == 2
    assert all(0 <= entropy <= np.log(HEAD.tokens) + 1e-3 for entropy in entropies["learned"])


def test_a_learned_temperature_moves_and_a_fixed_one_does_not(eight_photos: Home):
    learned = HEAD.model_copy(update={"epochs": 2, "learn_temperature": True})
    assert train_head(eight_photos, learned).temperature != HEAD.temperature
    fixed = HEAD.model_copy(update={"epochs": 2})
    assert train_head(eight_photos, fixed).temperature == HEAD.temperature


def test_training_reads_the_labels(eight_photos: Home):
    labels = [
        a_label("a/gallery/1/0", "b/gallery/1/0", "different"),
        a_label("c/gallery/1/0", "d/gallery/1/0", "same"),
        a_label("c/gallery/1/0", "c/review/1/0", "different"),
    ]
    write_table(eight_photos.labels, Label, labels)
    report = train_head(eight_photos, HEAD.model_copy(update={"epochs": 1}))
    assert (report.products, report.labels, report.look_alike_products) == (3, 3, 2)
    assert report.strangers_left_out == 1
    assert report.photos == 7
    assert read_model(eight_photos.candidate).lineage.n_labels == 3


def test_too_few_products_to_learn_from_is_told(eight_photos: Home):
    labels = [
        a_label(f"{name}/gallery/1/0", f"{name}/review/1/0", "different")
        for name in ("a", "b", "c")
    ]
    write_table(eight_photos.labels, Label, labels)
    with pytest.raises(EmptySource, match=r"Only 1 products have two training photos.*Pull more"):
        train_head(eight_photos, HEAD)


def test_a_card_that_left_the_catalogue_is_not_learned_from(eight_photos: Home):
    write_table(eight_photos.curated / "cards.parquet", Card, [a_card(name) for name in "abc"])
    pairs = [
        WeakPair("a/gallery/1/0", f"{name}/gallery/1/0", "different", 0.1, 20.0) for name in "bd"
    ]
    write_table(eight_photos.weak_pairs, WeakPair, pairs)
    report = train_head(eight_photos, HEAD.model_copy(update={"epochs": 2, "weak_pairs": 0.5}))
    assert (report.photos, report.products, report.look_alike_products) == (6, 3, 2)


class Batches:
    """Eight fixed batches by epoch, with the power going off at a given one."""

    def __init__(self, *, breaks_at_epoch: int | None = None) -> None:
        self.sampler = self  # where Lightning looks for set_epoch
        self.epochs: list[int] = []
        self.breaks_at_epoch = breaks_at_epoch

    def set_epoch(self, epoch: int) -> None:
        self.epochs.append(epoch)
        if epoch == self.breaks_at_epoch:
            raise OSError("power cut")

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        random = torch.Generator().manual_seed(self.epochs[-1])
        for _ in range(2):
            yield torch.randn(8, 4, 8, generator=random), torch.arange(8) // 2


def a_module() -> HeadModule:
    torch.manual_seed(3)
    return HeadModule(SHAPE, HEAD)


def test_an_interrupted_training_goes_on_and_ends_where_it_would_have(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    whole, cut, resumed = a_module(), a_module(), a_module()
    fit(whole, Batches(), doing="training", epochs=4, resume=tmp_path / "whole")
    with pytest.raises(OSError, match="power cut"):
        fit(cut, Batches(breaks_at_epoch=2), doing="training", epochs=4, resume=tmp_path / "cut")
    assert (tmp_path / "cut" / "last.ckpt").is_file()
    later = Batches()
    with caplog.at_level(logging.INFO):
        fit(resumed, later, doing="training", epochs=4, resume=tmp_path / "cut")
    assert f"training: going on from {tmp_path / 'cut' / 'last.ckpt'}" in caplog.text
    assert later.epochs[-2:] == [2, 3]
    assert 0 not in later.epochs
    assert resumed.global_step == whole.global_step == 8
    weights = resumed.head.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in whole.head.state_dict().items())


def test_a_training_that_is_done_is_not_trained_again(tmp_path: Path):
    first, again = a_module(), a_module()
    fit(first, Batches(), doing="training", epochs=2, resume=tmp_path)
    fit(again, Batches(breaks_at_epoch=0), doing="training", epochs=2, resume=tmp_path)
    assert torch.equal(first.head.skip.weight, again.head.skip.weight)


def test_another_training_has_another_fingerprint():
    assert fingerprint("d1", HEAD) == fingerprint("d1", HEAD.model_copy())
    assert fingerprint("d1", HEAD) != fingerprint("d2", HEAD)
    assert fingerprint("d1", HEAD) != fingerprint("d1", HEAD.model_copy(update={"seed": 8}))


class Rows(torch.utils.data.Dataset):
    """Random tokens, four rows a product; remembers the rows it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, ...]] = []

    def __len__(self) -> int:
        return 32

    def __getitems__(self, rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        self.asked.append(tuple(rows))
        return torch.randn(len(rows), 4, 8), torch.tensor(rows) // 4


def test_every_epoch_of_a_training_draws_other_batches(tmp_path: Path):
    rows_by_product = {p: range(4 * p, 4 * p + 4) for p in range(8)}
    drawn = ProductSampler(rows_by_product, dict, batch=16, seed=7)
    rows = Rows()
    loader = DataLoader(rows, batch_sampler=drawn, collate_fn=lambda batch: batch)
    fit(a_module(), loader, doing="training", epochs=3, resume=tmp_path)
    assert len(rows.asked) == 6
    assert len(set(rows.asked)) == 6
