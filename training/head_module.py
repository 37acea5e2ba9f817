"""The attention head as Lightning trains it: what one step computes, and the optimiser."""

import math
from functools import partial
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from photosearch.embedding.head import AttentionHead
from photosearch.embedding.model import HeadShape
from photosearch.embedding.torch_device import autocast, choose_device
from photosearch.head_settings import HeadParams
from training.losses import info_nce, matryoshka

WARM_UP_SHARE = 0.1
TEMPERATURE_MIN = 0.01
"""A learned temperature goes no lower. Source: Radford et al. 2021, "CLIP", section 2.5."""


class HeadModule(lightning.LightningModule):
    """Matryoshka InfoNCE over batches of cached tokens."""

    def __init__(self, shape: HeadShape, head: HeadParams) -> None:
        super().__init__()
        self.head = AttentionHead(shape, head.dropout)
        self.lengths = shape.lengths
        self.log_temperature = nn.Parameter(
            torch.tensor(math.log(head.temperature)), requires_grad=head.learn_temperature
        )
        self.learning_rate, self.weight_decay = head.learning_rate, head.weight_decay
        self.entropies: list[float] = []
        """Of the pooling attention after each epoch, in nats, on its last batch."""
        self._tokens = torch.empty(0)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        self._tokens, products = batch[0].float(), batch[1]
        with autocast(choose_device()):
            embeddings = self.head(self._tokens)
        embeddings = embeddings.float()
        temperature = self.log_temperature.exp().clamp_min(TEMPERATURE_MIN)
        loss = matryoshka(
            partial(info_nce, temperature=temperature), embeddings, products, self.lengths
        )
        self.log("loss", loss, prog_bar=True)
        return loss

    def on_train_epoch_end(self) -> None:
        self.head.eval()
        self.entropies.append(round(self.head.pooling_entropy(self._tokens), 3))
        self.head.train()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["entropies"] = self.entropies

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.entropies = checkpoint["entropies"]

    def configure_optimizers(self) -> Any:
        """Weight decay is for the head: the temperature has no reason to become 1."""
        groups = [
            {"params": self.head.parameters(), "weight_decay": self.weight_decay},
            {"params": [self.log_temperature], "weight_decay": 0.0},
        ]
        return scheduled(torch.optim.AdamW(groups, self.learning_rate), self.trainer)


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
