"""The photo side of the small tower as Lightning trains it: a plain recogniser of products."""

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
from training.head_module import scheduled

LABEL_SMOOTHING = 0.1
MOMENTUM = 0.9
PRODUCTS_A_STEP = 4096
"""Products a photo is compared with: those of the batch, filled up with others."""


class TowerModule(lightning.LightningModule):
    """Teaches the trunk to name each photo's product; the layer that names is thrown away after.

    Source: He et al. 2016, "Deep Residual Learning"; Zhai and Wu 2019, "Classification is a Strong
    Baseline for Deep Metric Learning".
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        trunk: Any,
        n_products: int,
        *,
        pretraining: PretrainingParams,
        preprocessing: Preprocessing,
    ) -> None:
        """Takes a timm model that gives pooled features, (B, trunk.num_features)."""
        super().__init__()
        self.trunk, self.settings = trunk, pretraining
        self.names = nn.Parameter(torch.randn(n_products, trunk.num_features) * 0.01)
        for name, values in (("mean", preprocessing.mean), ("std", preprocessing.std)):
            # so that they move with the module; a checkpoint has no need of them
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        pixels, products = batch
        random = np.random.default_rng([self.settings.seed, self.global_step])
        views = random_views(
            pixels,
            self._side_px(),
            strength=Strength(
                area_min=self.settings.crop_area_min,
                turn_degrees=self.settings.turn_degrees,
                erase_probability=self.settings.erase_probability,
            ),
            seed=int(random.integers(2**62)),
        )
        photos = ((views - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        with autocast(choose_device()):
            features = self.trunk(photos)
        candidates = some_products(products, len(self.names), PRODUCTS_A_STEP, random)
        logits = features.float() @ self.names[candidates].T
        own = torch.searchsorted(candidates, products)
        loss = F.cross_entropy(logits, own, label_smoothing=LABEL_SMOOTHING)
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        parameters = list(self.parameters())
        decayed: dict[str, Any] = {"params": [one for one in parameters if one.ndim > 1]}
        others = {"params": [one for one in parameters if one.ndim <= 1], "weight_decay": 0.0}
        optimizer = torch.optim.SGD(
            [decayed, others],
            lr=self.settings.learning_rate,
            momentum=MOMENTUM,
            weight_decay=self.settings.weight_decay,
            nesterov=True,
        )
        return scheduled(optimizer, self.trainer)

    def _side_px(self) -> int:
        """Small photos first: a quarter of the arithmetic while the coarse things are learned."""
        schedule = self.settings.px_schedule
        done = self.global_step / int(self.trainer.estimated_stepping_batches)
        return int(schedule[min(int(done * len(schedule)), len(schedule) - 1)])


def some_products(
    present: Tensor, n_products: int, n_wanted: int, random: np.random.Generator
) -> Tensor:
    """Sorted product numbers: all of `present`, filled up with others to `n_wanted` at most.

    They are on the device of `present`.
    """
    needed = torch.unique(present)
    others = np.setdiff1d(random.permutation(n_products)[:n_wanted], needed.cpu().numpy())
    fill = torch.from_numpy(others[: max(0, n_wanted - len(needed))])
    return torch.cat([needed, fill.to(present.device)]).sort().values
