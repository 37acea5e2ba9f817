"""The attention head as Lightning trains it: what one step computes, and the optimiser."""

import math
from functools import partial
from typing import Any

import lightning
import torch
from torch import Tensor

from photosearch.embedding.head import AttentionHead
from photosearch.embedding.model import HeadShape
from photosearch.settings import HeadParams
from training.losses import info_nce, matryoshka

WARM_UP_SHARE = 0.1


class HeadModule(lightning.LightningModule):
    """Matryoshka InfoNCE over batches of cached tokens."""

    def __init__(self, shape: HeadShape, head: HeadParams) -> None:
        super().__init__()
        self.head = AttentionHead(shape, head.dropout)
        self.lengths = shape.lengths
        self.loss = partial(info_nce, temperature=head.temperature)
        self.learning_rate, self.weight_decay = head.learning_rate, head.weight_decay

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        tokens, products = batch
        embeddings = self.head(tokens.float()).float()
        loss = matryoshka(self.loss, embeddings, products, self.lengths)
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(
            self.head.parameters(), self.learning_rate, weight_decay=self.weight_decay
        )
        return scheduled(optimizer, self.trainer)


def scheduled(optimizer: torch.optim.Optimizer, trainer: lightning.Trainer) -> Any:
    """The optimiser with the learning rate that all our trainings follow, as Lightning takes it."""
    follow = partial(warm_up_then_cosine, steps=int(trainer.estimated_stepping_batches))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, follow)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def warm_up_then_cosine(step: int, *, steps: int) -> float:
    """Factor on the learning rate: linear up for a tenth of training, then half a cosine to 0."""
    warm_up = max(1, round(WARM_UP_SHARE * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))
