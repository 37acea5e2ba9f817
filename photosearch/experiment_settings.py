"""Params of A/B experiments; a part of the Params in settings.py."""

from typing import Literal

from pydantic import Field

from photosearch.frozen import Frozen

Metric = Literal[
    "answers_clicked", "ctr", "first_click_s", "last_click_s", "view_s", "carts", "purchases"
]


class ExperimentParams(Frozen):
    """How experiments are read; each keeps those it was started with. See docs/decisions.md, 43."""

    primary: Metric
    """The one metric that decides, chosen before anybody looks; the others are for information."""
    alpha: float = Field(gt=0, lt=0.5)
    """Probability that the interval of a difference ever leaves out the true one."""
    planned_shoppers: int = Field(gt=0)
    """The intervals are tightest at so many shoppers, in all arms together."""
    shoppers_min: int = Field(ge=2)
    """No interval before a metric is known of so many of each arm: the theory is one of many."""
    window_hours: float = Field(gt=0)
    """A shopper counts by what they did in so long from their first answer, once it is over."""
    view_s_most: float = Field(gt=0)
    """A longer look at a card counts as one of so many seconds: somebody left the page open."""
    mismatch_alpha: float = Field(gt=0, lt=0.5)
    """Probability of a false alarm that arms have not the shares they should have, ever."""
    mismatch_concentration: float = Field(gt=0)
    """The alarm expects shares wrong by some 1 / (2 * sqrt(this)): 10,000 means half a percent."""
