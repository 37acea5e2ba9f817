"""Losses over embeddings: plain functions of tensors, no model inside."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

Loss = Callable[[Tensor, Tensor], Tensor]


def info_nce(embeddings: Tensor, products: Tensor, *, temperature: float | Tensor) -> Tensor:
    """Pulls photos of one product together and pushes all others of the batch away.

    Args:
        embeddings: (B, D), unit length.
        products: (B,) product numbers; equal number means same product. Rows whose product stands
            alone in the batch only serve as negatives.
        temperature: Divides cosines; in (0, 1].

    Source: Khosla et al. 2020, "Supervised Contrastive Learning", eq. 2: InfoNCE averaged over all
    positives of an anchor.
    """
    is_self = torch.eye(len(products), dtype=torch.bool, device=products.device)
    is_positive = (products[:, None] == products[None, :]) & ~is_self
    logits = (embeddings @ embeddings.T / temperature).masked_fill(is_self, float("-inf"))
    log_share = logits.log_softmax(dim=1).masked_fill(~is_positive, 0.0)  # -inf * 0 would be NaN
    positives = is_positive.sum(dim=1)
    anchors = positives > 0
    return -(log_share.sum(dim=1)[anchors] / positives[anchors]).mean()


def matryoshka(loss: Loss, embeddings: Tensor, products: Tensor, lengths: Sequence[int]) -> Tensor:
    """Averages `loss` over prefixes of the embedding, so that short vectors work too.

    Args:
        loss: Takes unit vectors (B, length) and product numbers (B,).
        embeddings: (B, D), not normalised.
        products: (B,) product numbers.
        lengths: Prefix lengths, the largest at most D.

    Source: Kusupati et al. 2022, "Matryoshka Representation Learning", eq. 1 with equal weights.
    """
    prefixes = (F.normalize(embeddings[:, :length], dim=-1) for length in lengths)
    return torch.stack([loss(prefix, products) for prefix in prefixes]).mean()
