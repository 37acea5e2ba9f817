"""Batches of token rows with several photos of each product, and look-alikes side by side."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch.distributed as dist
from torch.utils.data import Sampler

LookAlikes = Mapping[int, Mapping[int, float]]
"""By product the products that look like it, with weights."""


class ProductSampler(Sampler[list[int]]):
    """Yields batches of `products_a_batch` products with `rows_a_product` rows each.

    A product enters a batch together with one of its look-alikes whenever it has any, the surer the
    likelier: the negatives worth learning from. `find_look_alikes` is asked as each epoch begins.
    """

    def __init__(
        self,
        rows_by_product: Mapping[int, Sequence[int]],
        find_look_alikes: Callable[[], LookAlikes],
        *,
        batch: int,
        seed: int,
    ) -> None:
        self._rows = {product: np.asarray(rows) for product, rows in rows_by_product.items()}
        self._find_look_alikes = find_look_alikes
        self._rows_a_product = 4
        self._products_a_batch = max(2, batch // self._rows_a_product)
        self._seed, self._epoch = seed, 0
        self.sampler = self  # Lightning calls set_epoch of a batch sampler's `sampler` only

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this; an epoch's batches depend on seed and epoch alone."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Batches an epoch of this process: all processes together draw every row about once."""
        rows = sum(map(len, self._rows.values())) / _process()[1]
        return max(1, round(rows / (self._products_a_batch * self._rows_a_product)))

    def __iter__(self) -> Iterator[list[int]]:
        random = np.random.default_rng([self._seed, self._epoch, *filter(None, _process()[:1])])
        look_alikes = self._find_look_alikes()
        for _ in range(len(self)):
            products = self._draw_products(random, look_alikes)
            yield [row for product in products for row in self._draw_rows(product, random)]

    def _draw_products(self, random: np.random.Generator, look_alikes: LookAlikes) -> list[int]:
        wanted = min(self._products_a_batch, len(self._rows))
        drawn: dict[int, None] = {}
        for product in random.permutation(list(self._rows)).tolist():
            drawn[product] = None
            sure = {p: w for p, w in look_alikes.get(product, {}).items() if p in self._rows}
            if sure:
                shares = np.array(list(sure.values())) / sum(sure.values())
                drawn[int(random.choice(list(sure), p=shares))] = None
            if len(drawn) >= wanted:
                break
        return list(drawn)[:wanted]

    def _draw_rows(self, product: int, random: np.random.Generator) -> list[int]:
        rows = self._rows[product]
        is_short = len(rows) < self._rows_a_product
        return random.choice(rows, self._rows_a_product, replace=is_short).tolist()  # type: ignore[no-any-return]


def _process() -> tuple[int, int]:
    """Number of this process, and how many train together: each draws batches of its own."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1
