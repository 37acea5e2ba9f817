"""Trains the attention head on cached tokens and labels, and puts the candidate model together."""

import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from photosearch.catalog.pull import load_snapshot
from photosearch.catalog.schemas import Card, Label, WeakPair
from photosearch.catalog.tables import read_rows
from photosearch.embedding.head import AttentionHead
from photosearch.embedding.model import HeadShape, Lineage, write_model
from photosearch.embedding.tokens import TokenCache, open_tokens
from photosearch.embedding.torch_runtime import pool_tokens
from photosearch.embedding.whitening import whitening
from photosearch.errors import EmptySource
from photosearch.head_settings import HeadParams
from photosearch.home import Home
from training.data import TokenBatches
from training.hard_negatives import hard_negatives, joined
from training.head_module import HeadModule
from training.lightning_fit import ONE_DEVICE, fingerprint, fit
from training.products import Products, products_from_labels, with_weak_pairs
from training.sampler import LookAlikes, ProductSampler

ROWS_A_BATCH = 1024
SHRINKAGE = 0.1
"""Of the covariance within products; see `whitening`. Measured: docs/decisions.md, 4."""


@dataclass(frozen=True, slots=True)
class TrainReport:
    model_id: str
    photos: int
    views: int
    products: int
    labels: int
    weak_pairs: int
    """Read of what clicks say; 0 where params leave them out."""
    look_alike_products: int
    """Products that have at least one look-alike in training, by labels or by clicks."""
    strangers_left_out: int
    """Photos that people said do not show their card's product."""
    pooling_entropy: list[float]
    """Of the pooling attention after each epoch, in nats; 0 would be collapse to one token."""
    temperature: float


def train_head(
    home: Home, head: HeadParams, *, machine: Mapping[str, Any] = ONE_DEVICE
) -> TrainReport:
    """Trains a head on the training photos of the token cache and writes the candidate model.

    Args:
        home: Reads tokens, curated cards and labels (answers outrank what cards say), and weak
            pairs where they count; writes `home.candidate` at the end, so a killed run leaves the
            old one and goes on.
        head: See params.yaml.
        machine: See `fit`; on several devices each has batches of its own, `head.batch` rows.

    Raises:
        BadTable: A table is missing; weak pairs only where `head.weak_pairs` lets them count.
        EmptySource: Fewer than two products have two training photos each.
    """
    cache = open_tokens(home.tokens)
    cards = read_rows(home.curated / "cards.parquet", Card)
    labels = read_rows(home.labels, Label)
    data_version = load_snapshot(home.catalog).data_version
    card_of_photo = {row.photo_id: row.card_id for row in cache.rows}
    products = products_from_labels(cards, card_of_photo, labels)
    weak = read_rows(home.weak_pairs, WeakPair) if head.weak_pairs else []
    products = with_weak_pairs(products, weak, card_of_photo, weight=head.weak_pairs)
    start = set_up(cache, products, head)
    loader = DataLoader(start.batches, batch_sampler=start.sampler, collate_fn=lambda batch: batch)
    resume = home.resume / f"head-{fingerprint(cache.tower_id, cache.rows, products, head)}"
    fit(
        start.module, loader,
        doing="training head", epochs=head.epochs, resume=resume, machine=machine,
    )  # fmt: skip
    manifest = write_model(
        home.candidate,
        tower=home.tower,
        head=start.shape,
        lineage=Lineage(data_version, len(labels)),
        head_weights=save_head(start.module, resume),
    )
    shutil.rmtree(resume, ignore_errors=True)
    used = [row for rows in start.rows_by_product.values() for row in rows]
    return TrainReport(
        manifest.model_id,
        photos=len({cache.rows[row].photo_id for row in used}),
        views=len(used),
        products=len(start.rows_by_product),
        labels=len(labels),
        weak_pairs=len(weak),
        look_alike_products=sum(p in products.look_alikes for p in start.rows_by_product),
        strangers_left_out=len(products.strangers),
        pooling_entropy=start.module.entropies,
        temperature=round(float(start.module.log_temperature.detach().exp()), 4),
    )


@dataclass(frozen=True, slots=True)
class HeadTraining:
    """All that a training starts from."""

    module: HeadModule
    shape: HeadShape
    batches: TokenBatches
    sampler: ProductSampler
    rows_by_product: dict[int, list[int]]


def set_up(cache: TokenCache, products: Products, head: HeadParams) -> HeadTraining:
    """Draws the first weights and finds the rows to learn from.

    Raises:
        EmptySource: Fewer than two products have two training photos each.
    """
    rows_by_product = training_rows(cache, products)
    if len(rows_by_product) < 2:
        raise EmptySource(
            f"Only {len(rows_by_product)} products have two training photos: too few to train a "
            "head. Pull more cards or reviews."
        )
    # -1 for cards that are gone: `training_rows` has none of theirs, so that none is drawn
    batches = TokenBatches(
        cache, [products.product_of_card.get(row.card_id, -1) for row in cache.rows]
    )
    shape = HeadShape(
        "attention", cache.shape.width, head.out, list(head.lengths),
        head.width, head.tokens, head.heads, cache.shape.pool,
    )  # fmt: skip
    torch.manual_seed(head.seed)
    module = HeadModule(shape, head)
    module.head.start_at(*_best_linear_map(cache, rows_by_product))
    if head.query == "anchored":
        module.head.anchor(_tokens_of(cache, rows_by_product))

    def look_alikes() -> LookAlikes:
        if not head.hard_negatives:
            return products.look_alikes
        near = _near_products(module.head, cache, rows_by_product, k=head.hard_negatives)
        return joined(products.look_alikes, near)

    sampler = ProductSampler(rows_by_product, look_alikes, batch=head.batch, seed=head.seed)
    return HeadTraining(module, shape, batches, sampler, rows_by_product)


def _best_linear_map(
    cache: TokenCache, rows_by_product: Mapping[int, Sequence[int]]
) -> tuple[Tensor, Tensor]:
    """Centre and directions for a head's start: linear discriminant analysis of mean tokens.

    Holds all mean tokens of training in memory: 2 KB a row at a width of 512.

    Source of the weights: Ioffe 2006, "Probabilistic Linear Discriminant Analysis".
    """
    product_of = {row: product for product, rows in rows_by_product.items() for row in rows}
    rows = sorted(product_of)
    means = torch.cat([part.mean(dim=1) for part in _tokens_of(cache, rows_by_product)]).numpy()
    white = whitening(means, [product_of[row] for row in rows], shrinkage=SHRINKAGE)
    # a direction counts as far as its variance comes from the product
    directions = white.directions * np.sqrt(white.ratios / (1 + white.ratios))
    mapped = (means - white.centre) @ directions
    # the optimiser's steps are made for numbers as large as the tokens'
    scale = np.linalg.norm(means, axis=1).mean() / np.linalg.norm(mapped, axis=1).mean()
    return torch.from_numpy(white.centre).float(), torch.from_numpy(directions * scale).float()


def _near_products(
    head: AttentionHead, cache: TokenCache, rows_by_product: Mapping[int, Sequence[int]], *, k: int
) -> dict[int, dict[int, float]]:
    """Look-alikes by an index of the photos as they are, seen by the head as it is now."""
    product_of = {row: product for product, rows in rows_by_product.items() for row in rows}
    plain = sorted(row for row in product_of if cache.rows[row].view == 0)
    was_training = head.training
    head.eval()
    parts = [
        pool_tokens(head, cache.read(plain[start : start + ROWS_A_BATCH]).float().numpy())
        for start in range(0, len(plain), ROWS_A_BATCH)
    ]
    head.train(was_training)
    k = min(k, len(plain) - 1)
    return hard_negatives(np.concatenate(parts), [product_of[row] for row in plain], k=k)


def _tokens_of(cache: TokenCache, rows_by_product: Mapping[int, Sequence[int]]) -> Iterator[Tensor]:
    """Tokens of all training rows by row number, (B, T, D) float32 at a time."""
    rows = sorted(row for of_it in rows_by_product.values() for row in of_it)
    for start in range(0, len(rows), ROWS_A_BATCH):
        yield cache.read(rows[start : start + ROWS_A_BATCH]).float()


def save_head(module: HeadModule, folder: Path) -> Path:
    """Writes the head's weights; returns the file."""
    from safetensors.torch import save_file

    path = folder / "head.safetensors"
    save_file(module.head.state_dict(), path)
    return path


def training_rows(cache: TokenCache, products: Products) -> dict[int, list[int]]:
    """Training rows of each product that shows at least two different photos.

    Cards may have left the catalogue since the tokens were cached: their rows are left aside.
    """
    rows: dict[int, list[int]] = defaultdict(list)
    photos: dict[int, set[str]] = defaultdict(set)
    for number, row in enumerate(cache.rows):
        product = products.product_of_card.get(row.card_id)
        if product is not None and row.split == "train" and row.photo_id not in products.strangers:
            rows[product].append(number)
            photos[product].add(row.photo_id)
    return {product: of_it for product, of_it in rows.items() if len(photos[product]) > 1}
