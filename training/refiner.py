"""Trains the refiner on triplets: photo and words in, a vector near the wanted cards' photos out.

See photosearch/search/refine.py for what runs when shoppers search.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from photosearch.embedding.embedder import Vectors
from photosearch.embedding.layers import Layer
from photosearch.progress import track
from photosearch.text_settings import RefinerParams
from training.aligner import layers_of, one_cycle, own_product_loss
from training.triplets import Triplet

CARDS_A_STEP = 4096
"""Cards that a query is compared with: those that are right, filled up with others."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Photos of the cards that triplets speak of."""

    rows_of_card: dict[str, list[int]]
    """Rows of `vectors`; a card without photos has none."""
    vectors: Vectors
    """(n_photos, dim), unit length."""


def train_refiner(
    triplets: Sequence[Triplet], shelf: Shelf, texts: dict[str, Vectors], *, refiner: RefinerParams
) -> list[Layer]:
    """Trains two layers; what they give is added to the photo's vector.

    The last layer starts at zero, so an untrained refiner gives the photo's own vector. Inputs are
    unit vectors, so weights of unit variance start the hidden layer at unit variance too.

    Args:
        triplets: At least one; all their cards have photos on the shelf.
        shelf: Photos to start from and to be found.
        texts: Unit vector of every text of the triplets in the encoder's own space, (text_dim,).
        refiner: See params.yaml.
    """
    torch.manual_seed(refiner.seed)
    dim, text_dim = shelf.vectors.shape[1], len(next(iter(texts.values())))
    linear = [nn.Linear(dim + text_dim, refiner.width), nn.Linear(refiner.width, dim)]
    nn.init.normal_(linear[0].weight)
    nn.init.zeros_(linear[1].weight)
    nn.init.zeros_(linear[1].bias)
    network = nn.Sequential(linear[0], nn.ReLU(), nn.Dropout(refiner.dropout), linear[1])
    optimizer = torch.optim.AdamW(
        network.parameters(), refiner.learning_rate, weight_decay=refiner.weight_decay
    )
    pace = one_cycle(optimizer, refiner.learning_rate, refiner.steps)
    random = np.random.default_rng(refiner.seed)
    for _ in track(range(refiner.steps), "training refiner, steps", refiner.steps):
        drawn = [triplets[n] for n in random.integers(len(triplets), size=refiner.batch)]
        photos, words, others, is_right = _batch(drawn, shelf, texts, random)
        refined = F.normalize(photos + network(torch.cat([photos, words], dim=1)), dim=1)
        loss = own_product_loss(refined @ others.T / refiner.temperature, is_right)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        pace.step()
    return layers_of(linear)


def _batch(
    drawn: Sequence[Triplet],
    shelf: Shelf,
    texts: dict[str, Vectors],
    random: np.random.Generator,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Photos and words (B, dim); a photo of each compared card (M, dim); which is right (B, M)."""
    cards = _compared(drawn, list(shelf.rows_of_card), random)
    number_of = {card: number for number, card in enumerate(cards)}
    is_right = np.zeros((len(drawn), len(cards)), np.bool_)
    for row, triplet in enumerate(drawn):
        is_right[row, [number_of[card] for card in triplet.right if card in number_of]] = True

    def photo_of(card: str) -> int:
        rows = shelf.rows_of_card[card]
        return rows[random.integers(len(rows))]

    words = np.stack([texts[t.texts[random.integers(len(t.texts))]] for t in drawn])
    photos: NDArray[np.float32] = shelf.vectors[[photo_of(triplet.source) for triplet in drawn]]
    others = shelf.vectors[[photo_of(card) for card in cards]]
    return tuple(torch.from_numpy(part) for part in (photos, words, others, is_right))  # type: ignore[return-value]


def _compared(
    drawn: Sequence[Triplet], cards: Sequence[str], random: np.random.Generator
) -> list[str]:
    """Targets and sources of the batch (the nearest wrong answers), and others, each once."""
    wanted = dict.fromkeys(card for t in drawn for card in (t.target, t.source))
    fill = random.permutation(len(cards))[: max(0, CARDS_A_STEP - len(wanted))]
    return list(wanted | dict.fromkeys(cards[n] for n in fill))
