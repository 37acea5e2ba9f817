"""The small tower as Lightning trains it: photos against the titles of their cards."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from photosearch.embedding.augment import Strength, random_views
from photosearch.embedding.torch_device import autocast, choose_device
from photosearch.settings import PretrainingParams
from training.head_module import warm_up_then_cosine
from training.losses import soft_cross_entropy

LABEL_SMOOTHING = 0.1
TITLES_A_STEP = 128
"""Titles a photo is compared with: those of the batch, filled up with others."""


class TowerModule(lightning.LightningModule):
    """Image-text contrast with every title written once, so equal products are no negatives."""

    def __init__(
        self,
        model: Any,
        titles: Sequence[Tensor],
        *,
        pretraining: PretrainingParams,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        """Takes an open_clip model and, for each product group, its titles as token rows (n, L)."""
        super().__init__()
        self.model, self.titles, self.settings = model, titles, pretraining
        self.mean, self.std = torch.tensor(mean).view(3, 1, 1), torch.tensor(std).view(3, 1, 1)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        pixels, groups = batch
        random = np.random.default_rng([self.settings.seed, self.global_step])
        views = random_views(
            pixels,
            self._side_px(),
            strength=Strength(area_min=self.settings.crop_area_min),
            seed=int(random.integers(2**62)),
        )
        candidates = self._candidates(groups, random)
        column = torch.searchsorted(candidates, groups)
        shares = F.one_hot(column, len(candidates)).float()
        if random.random() < self.settings.mix_probability:
            views, shares = mix(views, shares, random)
        photos = ((views - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        with autocast(choose_device()):
            photo_vectors = self.model.encode_image(photos, normalize=True).float()
            words = torch.stack([self._title(int(group), random) for group in candidates])
            text_vectors = self.model.encode_text(words, normalize=True).float()
        logits = self.model.logit_scale.exp() * photo_vectors @ text_vectors.T
        loss = soft_cross_entropy(logits, shares, smoothing=LABEL_SMOOTHING)
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        matrices = [p for p in self.model.parameters() if p.ndim > 1]
        others = [p for p in self.model.parameters() if p.ndim <= 1]  # norms, biases, temperature
        optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": self.settings.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=self.settings.learning_rate,
            fused=True,
        )
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, partial(warm_up_then_cosine, steps=steps)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _side_px(self) -> int:
        """Small photos first: a quarter of the arithmetic while the coarse things are learned."""
        schedule = self.settings.px_schedule
        done = self.global_step / int(self.trainer.estimated_stepping_batches)
        return int(schedule[min(int(done * len(schedule)), len(schedule) - 1)])

    def _candidates(self, groups: Tensor, random: np.random.Generator) -> Tensor:
        """Sorted group numbers whose titles take part: all of the batch, and some others."""
        present = torch.unique(groups)
        others = random.permutation(len(self.titles))[:TITLES_A_STEP]
        missing = np.setdiff1d(others, present.numpy())[: max(0, TITLES_A_STEP - len(present))]
        return torch.cat([present, torch.from_numpy(missing)]).sort().values

    def _title(self, group: int, random: np.random.Generator) -> Tensor:
        titles = self.titles[group]
        return titles[int(random.integers(len(titles)))]


def mix(views: Tensor, shares: Tensor, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Blends every photo with another of the batch, or pastes a square of it in.

    Args:
        views: (B, 3, H, W).
        shares: (B, C) class shares, mixed in the same proportion.
        random: Decides which of the two, with whom and how much.

    Source: Zhang et al. 2018, "mixup"; Yun et al. 2019, "CutMix".
    """
    partner = torch.from_numpy(random.permutation(len(views)))
    if random.random() < 0.5:
        kept = float(random.beta(0.4, 0.4))
        mixed = kept * views + (1 - kept) * views[partner]
    else:
        side_px = views.shape[-1]
        cut_px = int(side_px * np.sqrt(1 - random.random()))
        top, left = random.integers(0, side_px - cut_px + 1, 2)
        mixed = views.clone()
        square = (..., slice(top, top + cut_px), slice(left, left + cut_px))
        mixed[square] = views[partner][square]
        kept = 1 - (cut_px / side_px) ** 2
    return mixed, kept * shares + (1 - kept) * shares[partner]
