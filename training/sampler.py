"""Batches of token rows with several photos of each product, and look-alikes side by side."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from torch.utils.data import Sampler


class ProductSampler(Sampler[list[int]]):
    """Yields batches of `products_a_batch` products with `rows_a_product` rows each.

    A product enters a batch together with one of its look-alikes (pairs that people called
    different) whenever it has any, the surer the likelier: the negatives worth learning from.
    """

    def __init__(
        self,
        rows_by_product: Mapping[int, Sequence[int]],
        look_alikes: Mapping[int, Mapping[int, float]],
        *,
        batch: int,
        seed: int,
    ) -> None:
        self._rows = {product: np.asarray(rows) for product, rows in rows_by_product.items()}
        self._look_alikes = look_alikes
        self._rows_a_product = 4
        self._products_a_batch = max(2, batch // self._rows_a_product)
        self._seed, self._epoch = seed, 0
        self.sampler = self  # Lightning calls set_epoch of a batch sampler's `sampler` only

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this; an epoch's batches depend on seed and epoch alone."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Batches an epoch: every row is drawn about once."""
        rows = sum(map(len, self._rows.values()))
        return max(1, round(rows / (self._products_a_batch * self._rows_a_product)))

    def __iter__(self) -> Iterator[list[int]]:
        random = np.random.default_rng([self._seed, self._epoch])
        for _ in range(len(self)):
            products = self._draw_products(random)
            yield [row for product in products for row in self._draw_rows(product, random)]

    def _draw_products(self, random: np.random.Generator) -> list[int]:
        wanted = min(self._products_a_batch, len(self._rows))
        drawn: dict[int, None] = {}
        for product in random.permutation(list(self._rows)).tolist():
            drawn[product] = None
            sure = {p: w for p, w in self._look_alikes.get(product, {}).items() if p in self._rows}
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
