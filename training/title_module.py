"""The text side of the small tower as Lightning trains it: titles find photos that are done."""

from collections.abc import Sequence
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from training.head_module import scheduled
from training.tower_module import LABEL_SMOOTHING, some_products

TITLES_A_STEP = 128
LEARNING_RATE, WEIGHT_DECAY = 0.001, 0.1


class TitleModule(lightning.LightningModule):
    """Brings titles and photo features into one space; the trunk that made the features stays.

    Source: Zhai et al. 2022, "LiT: Zero-Shot Transfer with Locked-image Text Tuning".
    """

    def __init__(self, model: Any, titles: Sequence[Tensor], *, seed: int) -> None:
        """Takes an open_clip model and, for each product group, its titles as token rows (n, L)."""
        super().__init__()
        self.model, self.titles, self.seed = model, titles, seed

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        features, groups = batch
        random = np.random.default_rng([self.seed, self.global_step])
        candidates = some_products(groups, len(self.titles), TITLES_A_STEP, random)
        words = torch.stack([self._title(group, random) for group in candidates.tolist()])
        text_vectors = self.model.encode_text(words.to(features.device), normalize=True)
        photo_vectors = F.normalize(self.model.visual.head(features), dim=-1)
        loss = F.cross_entropy(
            self.model.logit_scale.exp() * photo_vectors @ text_vectors.T,
            torch.searchsorted(candidates, groups),
            label_smoothing=LABEL_SMOOTHING,
        )
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        trained = [
            parameter
            for name, parameter in self.model.named_parameters()
            if not name.startswith("visual.trunk.")
        ]
        decayed: dict[str, Any] = {"params": [one for one in trained if one.ndim > 1]}
        others = {"params": [one for one in trained if one.ndim <= 1], "weight_decay": 0.0}
        optimizer = torch.optim.AdamW(
            [decayed, others],
            lr=LEARNING_RATE,
            weight_decay=WEIGHT_DECAY,
        )
        return scheduled(optimizer, self.trainer)

    def _title(self, group: int, random: np.random.Generator) -> Tensor:
        titles = self.titles[group]
        return titles[int(random.integers(len(titles)))]
