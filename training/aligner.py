"""Learns to bring texts into the image space: a network that may start at the closed form.

Photos never move; see photosearch/embedding/aligner.py.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from photosearch.embedding.embedder import Vectors
from photosearch.embedding.layers import Layer
from photosearch.progress import track
from photosearch.text_settings import AlignerParams

Start = Literal["closed_form", "orthogonal", "default"]
Watch = Callable[[int, list[Layer]], None]
"""Is told the number of steps done and the layers so far, which the next step changes."""


def starting_layers(
    start: Start, text_dim: int, image_dim: int, *, closed_form: Layer, seed: int
) -> list[Layer]:
    """Two layers, 2 x the wider of the two spaces between them, before any step.

    `orthogonal`: the first is a random Q with orthonormal columns, the second its transpose, so a
    text nearly keeps its vector (where the spaces differ in width, cut short or filled up with 0).
    `closed_form`: the first is Q above -Q, which lets ReLU pass everything; with the second equal
    to the closed form after the transpose, the network IS the closed form.
    """
    wide = max(text_dim, image_dim)
    random = torch.Generator().manual_seed(seed)
    match start:
        case "default":
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                linear = [nn.Linear(text_dim, 2 * wide), nn.Linear(2 * wide, image_dim)]
            return layers_of(linear)
        case "orthogonal":
            q = _orthogonal(2 * wide, wide, random)
            return [_without_bias(q[:, :text_dim]), _without_bias(q[:, :image_dim].T)]
        case "closed_form":
            q = _orthogonal(wide, text_dim, random)
            back = closed_form.weight @ q.T
            both_signs = _without_bias(np.vstack([q, -q]))
            return [both_signs, Layer(np.hstack([back, -back]), closed_form.bias)]


def train_aligner(
    start: list[Layer],
    pairs: tuple[Vectors, Vectors, NDArray[np.int64]],
    *,
    aligner: AlignerParams,
    watch: Watch | None = None,
) -> list[Layer]:
    """Trains two layers so that a text is nearest to photos of its own product.

    Args:
        start: See `starting_layers`; not changed.
        pairs: Text vectors, photo vectors, and the number of the product each pair shows.
        aligner: See params.yaml.
        watch: Told the layers before the first step and after each one.

    Source: the text-to-photo half of InfoNCE in Radford et al. 2021, "Learning Transferable Visual
    Models"; photos of the same product are no negatives.
    """
    texts, photos, products = (torch.from_numpy(part) for part in pairs)
    linear = [_as_linear(layer) for layer in start]
    network = nn.Sequential(linear[0], nn.ReLU(), linear[1])
    optimizer = torch.optim.AdamW(network.parameters(), aligner.learning_rate)
    pace = one_cycle(optimizer, aligner.learning_rate, aligner.steps)
    drawn = torch.Generator().manual_seed(aligner.seed)
    if watch:
        watch(0, layers_of(linear))
    for step in track(range(aligner.steps), "training aligner, steps", aligner.steps):
        rows = torch.randint(len(texts), (aligner.batch,), generator=drawn)
        aligned = F.normalize(network(texts[rows]), dim=-1)
        logits = aligned @ photos[rows].T / aligner.temperature
        loss = own_product_loss(logits, products[rows, None] == products[rows])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        pace.step()
        if watch:
            watch(step + 1, layers_of(linear))
    return layers_of(linear)


def one_cycle(optimizer: Optimizer, learning_rate: float, steps: int) -> OneCycleLR:
    """Up for a tenth of the steps, then half a cosine down to nothing; 0 steps are never taken."""
    return OneCycleLR(optimizer, learning_rate, total_steps=max(1, steps) + 1, pct_start=0.1)


def own_product_loss(logits: Tensor, is_own: Tensor) -> Tensor:
    """Minus log of the share that the right columns have in each row, (n, m) and (n, m) -> ().

    Each row needs one right column at least.
    """
    right = logits.masked_fill(~is_own, float("-inf")).logsumexp(dim=1)
    return (logits.logsumexp(dim=1) - right).mean()


def layers_of(linear: list[nn.Linear]) -> list[Layer]:
    """Weights as arrays, which share memory with the network."""
    return [Layer(one.weight.detach().numpy(), one.bias.detach().numpy()) for one in linear]


def _as_linear(layer: Layer) -> nn.Linear:
    linear = nn.Linear(layer.weight.shape[1], layer.weight.shape[0])
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(layer.weight))
        linear.bias.copy_(torch.from_numpy(layer.bias))
    return linear


def _orthogonal(n_rows: int, n_columns: int, random: torch.Generator) -> NDArray[np.float32]:
    """Orthonormal columns, (n_rows, n_columns), n_rows >= n_columns."""
    q: NDArray[np.float32] = nn.init.orthogonal_(
        torch.empty(n_rows, n_columns), generator=random
    ).numpy()
    return q


def _without_bias(weight: NDArray[np.float32]) -> Layer:
    return Layer(np.ascontiguousarray(weight), np.zeros(len(weight), np.float32))
