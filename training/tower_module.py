"""The small tower as Lightning trains it: photos against products, titles against photos."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photosearch.embedding.augment import Strength, random_views
from photosearch.embedding.preprocess import Preprocessing
from photosearch.embedding.torch_device import autocast, choose_device
from photosearch.settings import PretrainingParams
from training.head_module import warm_up_then_cosine
from training.losses import soft_cross_entropy

LABEL_SMOOTHING = 0.1
PRODUCTS_A_STEP = 128
"""Products a photo is compared with: those of the batch, filled up with others."""
SCALE = 16.0
"""Of the cosines between photos and prototypes."""
STEPS_A_TITLE_STEP = 4
"""Titles are few and soon learned; each of their steps costs an eighth of a photo step."""
TEXT_LEARNING_RATE = 0.25
"""As a share of the photo side's: a transformer takes less than a ResNet."""


class TowerModule(lightning.LightningModule):
    """Teaches photos to find their product's prototype, and titles to find the photos.

    A prototype is a learned vector, one a product group, thrown away afterwards. Photos are not
    moved by titles: a text side that knows nothing yet would keep them from learning.

    Source: Movshovitz-Attias et al. 2017, "No Fuss Distance Metric Learning Using Proxies"; Zhai
    et al. 2022, "LiT: Zero-Shot Transfer with Locked-image Text Tuning".
    """

    def __init__(
        self,
        model: Any,
        titles: Sequence[Tensor],
        *,
        embed_dim: int,
        pretraining: PretrainingParams,
        preprocessing: Preprocessing,
    ) -> None:
        """Takes an open_clip model and, for each product group, its titles as token rows (n, L).

        `embed_dim` is the width of the space that the model's photos and texts share.
        """
        super().__init__()
        self.model, self.titles, self.settings = model, titles, pretraining
        self.prototypes = nn.Parameter(torch.randn(len(titles), embed_dim))
        self.mean = torch.tensor(preprocessing.mean).view(3, 1, 1)
        self.std = torch.tensor(preprocessing.std).view(3, 1, 1)

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
            vectors = self.model.encode_image(photos, normalize=True).float()
        prototypes = F.normalize(self.prototypes[candidates], dim=-1)
        loss = soft_cross_entropy(SCALE * vectors @ prototypes.T, shares, smoothing=LABEL_SMOOTHING)
        self.log("loss", loss)
        if self.global_step % STEPS_A_TITLE_STEP == 0:
            loss = loss + self._title_loss(vectors.detach(), candidates, shares, random)
        return loss

    def _title_loss(
        self, vectors: Tensor, candidates: Tensor, shares: Tensor, random: np.random.Generator
    ) -> Tensor:
        with autocast(choose_device()):
            words = torch.stack([self._title(int(group), random) for group in candidates])
            text_vectors = self.model.encode_text(words, normalize=True).float()
        logits = self.model.logit_scale.exp() * vectors @ text_vectors.T
        return soft_cross_entropy(logits, shares, smoothing=LABEL_SMOOTHING)

    def configure_optimizers(self) -> Any:
        sides: dict[tuple[bool, bool], list[nn.Parameter]] = defaultdict(list)
        for name, parameter in self.named_parameters():
            is_photo_side = name.startswith(("model.visual.", "prototypes"))
            sides[is_photo_side, parameter.ndim > 1].append(parameter)
        rate, decay = self.settings.learning_rate, self.settings.weight_decay
        optimizer = torch.optim.AdamW(
            [
                {
                    "params": parameters,
                    "lr": rate if is_photo_side else rate * TEXT_LEARNING_RATE,
                    # not of norms, biases, temperature
                    "weight_decay": decay if is_matrix else 0.0,
                }
                for (is_photo_side, is_matrix), parameters in sides.items()
            ],
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
        """Sorted numbers of the groups that take part: all of the batch, and some others."""
        present = torch.unique(groups)
        others = random.permutation(len(self.titles))[:PRODUCTS_A_STEP]
        missing = np.setdiff1d(others, present.numpy())[: max(0, PRODUCTS_A_STEP - len(present))]
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
