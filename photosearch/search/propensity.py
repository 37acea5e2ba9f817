"""How likely a shopper looks at a rank: what turns clicks into evidence that ranks do not bend."""

import numpy as np
from numpy.typing import NDArray


def propensities(
    ranks: NDArray[np.int64], *, steepness: float, least: float
) -> NDArray[np.float64]:
    """Probability that each rank, from 1, is looked at, in [least, 1] and of the same shape.

    A click there counts 1 / propensity times: on average as often as if everybody had looked.

    Source: Joachims et al. 2017, "Unbiased Learning-to-Rank with Biased Feedback", section 5.1,
    with the clipping of its section 4.2.
    """
    looked: NDArray[np.float64] = np.maximum(np.asarray(ranks, np.float64) ** -steepness, least)
    return looked
