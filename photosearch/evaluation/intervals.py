"""How sure a mean over queries is: bootstrap intervals that draw products, not photos, anew.

Photos of one product rise and fall together: resampling photos would make intervals too narrow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photosearch.evaluation.metrics import PerQuery

RESAMPLES = 1000
EDGES = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class Estimate:
    value: float
    low: float | None
    """2.5% of the bootstrap samples lie below; None: one product tells nothing of others."""
    high: float | None
    """2.5% lie above."""

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, slots=True)
class Drawn:
    """Products drawn anew with replacement, many times over."""

    product: NDArray[np.int64]
    """Number of each query's product, (n_queries,)."""
    times: NDArray[np.int64]
    """How often each product was drawn, (RESAMPLES, n_products)."""


def draw(products: Sequence[str]) -> Drawn:
    """Draws for queries of these products; equal products, equal draws."""
    names, product = np.unique(np.array(products), return_inverse=True)
    share = np.full(len(names), 1 / len(names))
    times = np.random.default_rng(0).multinomial(len(names), share, size=RESAMPLES)
    return Drawn(product.astype(np.int64), times)


def mean_interval(values: PerQuery, drawn: Drawn) -> Estimate:
    """The mean over queries, and where 95% of its bootstrap samples lie.

    Source: Field and Welsh 2007, "Bootstrapping clustered data", the cluster bootstrap.
    """
    return ratio_interval(values, np.ones(len(values)), drawn)


def ratio_interval(above: PerQuery, below: PerQuery, drawn: Drawn) -> Estimate:
    """The same for sum(above) / sum(below) over queries; 0 where nothing is below."""
    n_products = drawn.times.shape[1]
    tops, bottoms = (
        np.bincount(drawn.product, part, minlength=n_products) for part in (above, below)
    )
    value = _share(tops.sum(), bottoms.sum())
    if n_products < 2:
        return Estimate(round(float(value), 4), None, None)
    return estimate(float(value), _share(drawn.times @ tops, drawn.times @ bottoms))


def estimate(value: float, samples: NDArray[np.float64]) -> Estimate:
    """A value and the edges of its bootstrap samples."""
    low, high = np.quantile(samples, EDGES)
    return Estimate(round(value, 4), round(float(low), 4), round(float(high), 4))


def _share(above: NDArray[Any], below: NDArray[Any]) -> NDArray[np.float64]:
    share: NDArray[np.float64] = np.divide(
        above, below, out=np.zeros_like(above, np.float64), where=below > 0
    )
    return share
