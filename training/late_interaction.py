"""`photosearch late`: learns how the head's tokens are shortened for late interaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photosearch.catalog.schemas import Card, Label
from photosearch.catalog.tables import read_rows
from photosearch.embedding.catalog_tokens import attention_head, reduced_rows
from photosearch.embedding.embedder import Vectors
from photosearch.embedding.layers import Layer
from photosearch.embedding.model import read_model
from photosearch.embedding.short_tokens import (
    Projection,
    ProjectionManifest,
    discriminant_layer,
    save_projection,
)
from photosearch.embedding.tokens import TokenCache, open_tokens
from photosearch.errors import BadArtifact, BadParams, EmptySource
from photosearch.home import Home
from photosearch.late_settings import LateInteractionParams
from photosearch.progress import track
from training.aligner import one_cycle
from training.fit import SHRINKAGE, training_rows
from training.products import products_from_labels

RowsByProduct = Mapping[int, Sequence[int]]


@dataclass(frozen=True, slots=True)
class LateReport:
    model_id: str
    kind: str
    products: int
    rows: int
    """Training photos and their views."""
    dim: int
    loss_first: float | None
    """Mean over the first tenth of the steps; absent where nothing is trained."""
    loss_last: float | None


@dataclass(frozen=True, slots=True)
class TokenSet:
    """Tokens of training photos, all in memory: 8 KB a row at 8 tokens of 256."""

    tokens: Vectors
    """(n_rows, n_tokens, width)."""
    photos: list[str]
    """The photo that each row is a view of."""
    rows_by_product: dict[int, list[int]]
    """Rows of each product with two photos at least."""

    @property
    def products(self) -> list[int]:
        """The product of each row."""
        product_of = {row: p for p, rows in self.rows_by_product.items() for row in rows}
        return [product_of[row] for row in range(len(self.tokens))]


def learn_short_tokens(home: Home, late: LateInteractionParams) -> LateReport:
    """Writes `home.late`, how the candidate's tokens are shortened.

    Args:
        home: Reads candidate, token cache, curated cards and labels.
        late: See params.yaml.

    Raises:
        BadParams: Late interaction is off.
        BadArtifact: The candidate has no attention head, or the token cache is of another tower.
        EmptySource: Fewer than two products have two training photos each.
    """
    if late.tokens == "none":
        raise BadParams(
            "`late_interaction.tokens` is none in params.yaml: there is nothing to learn. Set it "
            "to `discriminant` or `learned`."
        )
    training = training_tokens(home)
    width = training.tokens.shape[2]
    if late.dim > width:
        raise BadParams(
            f"`late_interaction.dim` is {late.dim}, the head's tokens have {width} numbers. Lower "
            "it in params.yaml."
        )
    layer = discriminant_layer(
        training.tokens, training.products, dim=late.dim, shrinkage=SHRINKAGE
    )
    losses: list[float] = []
    if late.tokens == "learned":
        layer, losses = train_layer(training, layer, late)
    model_id = read_model(home.candidate).model_id
    save_projection(home.late, Projection(ProjectionManifest(model_id, late.tokens), layer))
    tenth = -(-len(losses) // 10)
    return LateReport(
        model_id,
        late.tokens,
        products=len(training.rows_by_product),
        rows=len(training.tokens),
        dim=late.dim,
        loss_first=round(float(np.mean(losses[:tenth])), 4) if losses else None,
        loss_last=round(float(np.mean(losses[-tenth:])), 4) if losses else None,
    )


def training_tokens(home: Home) -> TokenSet:
    """The candidate's tokens of all training photos and their views that belong to a product."""
    cache = open_tokens(home.tokens)
    manifest, head = read_model(home.candidate), attention_head(home.candidate)
    if cache.tower_id != manifest.tower_id:
        raise BadArtifact(
            f"{home.tokens} holds tokens of tower {cache.tower_id}, the candidate stands on "
            f"{manifest.tower_id}. Run `photosearch tokens` and `photosearch train`."
        )
    by_product = _by_product(home, cache)
    if len(by_product) < 2:
        raise EmptySource(
            f"Only {len(by_product)} products have two training photos: too few to learn from. "
            "Pull more cards or reviews."
        )
    rows = sorted(row for of_it in by_product.values() for row in of_it)
    place = {row: number for number, row in enumerate(rows)}
    return TokenSet(
        reduced_rows(head, cache, rows),
        [cache.rows[row].photo_id for row in rows],
        {product: [place[row] for row in of_it] for product, of_it in by_product.items()},
    )


def _by_product(home: Home, cache: TokenCache) -> dict[int, list[int]]:
    cards = read_rows(home.curated / "cards.parquet", Card)
    labels = read_rows(home.labels, Label) if home.labels.exists() else []
    card_of_photo = {row.photo_id: row.card_id for row in cache.rows}
    return training_rows(cache, products_from_labels(cards, card_of_photo, labels))


def train_layer(
    training: TokenSet, start: Layer, late: LateInteractionParams
) -> tuple[Layer, list[float]]:
    """Trains a linear layer so that MaxSim finds the other photo of the same product.

    Args:
        training: What to learn from.
        start: Where it starts; the discriminant map is a good place.
        late: See params.yaml.

    Returns:
        The layer, and the loss at each step.

    Source: Khattab and Zaharia 2020, "ColBERT", with InfoNCE (van den Oord et al. 2018) both ways.
    """
    linear = nn.Linear(*reversed(start.weight.shape))
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(start.weight))
        linear.bias.copy_(torch.from_numpy(start.bias))
    optimizer = torch.optim.AdamW(linear.parameters(), late.learning_rate)
    pace = one_cycle(optimizer, late.learning_rate, late.steps)
    random = np.random.default_rng(late.seed)
    losses = []
    for _ in track(range(late.steps), "learning short tokens, steps", late.steps):
        rows = np.array(_two_photos_each(training, random, n_products=late.batch)).T
        one, other = (
            F.normalize(linear(torch.from_numpy(training.tokens[r])), dim=-1) for r in rows
        )
        loss = info_nce_of_max_sim(one, other, late.temperature)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        pace.step()
        losses.append(loss.item())
    return Layer(linear.weight.detach().numpy(), linear.bias.detach().numpy()), losses


def info_nce_of_max_sim(one: Tensor, other: Tensor, temperature: float) -> Tensor:
    """Row n of `one` must find row n of `other`, and the other way round.

    Args:
        one: Unit tokens, (B, T, D).
        other: Unit tokens, (B, T, D).
        temperature: Of the softmax over MaxSims.
    """
    cosines = torch.einsum("atd,bsd->abts", one, other)
    asked, answered = cosines.amax(dim=3).mean(dim=2), cosines.amax(dim=2).mean(dim=2)
    right = torch.arange(len(one))
    there = F.cross_entropy(asked / temperature, right)
    return (there + F.cross_entropy(answered.T / temperature, right)) / 2


def _two_photos_each(
    training: TokenSet, random: np.random.Generator, *, n_products: int
) -> list[tuple[int, int]]:
    """Rows of two different photos of each of some products, (n, 2)."""
    products = list(training.rows_by_product)
    pairs = []
    for number in random.permutation(len(products))[:n_products].tolist():
        rows = random.permutation(training.rows_by_product[products[number]]).tolist()
        other = next(r for r in rows if training.photos[r] != training.photos[rows[0]])
        pairs.append((rows[0], other))
    return pairs
