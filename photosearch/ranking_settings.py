"""Params of the boosted ranker and the online re-ranker; a part of the Params in settings.py."""

from pydantic import Field

from photosearch.frozen import Frozen


class PropensityParams(Frozen):
    """How likely a shopper looks at a rank: rank ** -steepness, at least `least`."""

    steepness: float = Field(ge=0)
    """0: everybody looks at everything, so clicks are not debiased. See docs/decisions.md, 39."""
    least: float = Field(gt=0, le=1)
    """No click weighs more than 1 / least: bounds the variance."""


class RankerTrialParams(Frozen):
    """When a ranker that clicks have taught may take the place of the one without them."""

    held_out_share: float = Field(gt=0, lt=1)
    """Of answers with clicks, the last ones: they teach nothing, they judge."""
    answers_min: int = Field(ge=2)
    """Fewer such answers judge nothing: clicks are left out."""
    truth_margin: float = Field(ge=0)
    """nDCG@10 on the photo's own product that clicks may cost: the 95% interval of its change must
    lie above minus this, and the change of recall@1 itself. See docs/decisions.md, 50."""


class RankerParams(Frozen):
    """LambdaRank over explainable features; trained by `photosearch ranker`."""

    use: bool
    """False: cards stay in the order of their evidence, whatever the gate said."""
    trees: int = Field(ge=1)
    leaves: int = Field(ge=2)
    """Of each tree."""
    rows_a_leaf: int = Field(ge=1)
    """Shown cards that a leaf needs at least."""
    learning_rate: float = Field(gt=0)
    clicks_share: float = Field(gt=0, le=1)
    """How much of what clicks teach moves cards: the photo's own product is another aim than what
    shoppers like. Measured: docs/experiments/ranking.md."""
    short_length: int = Field(gt=0)
    """Length of the second cosine; one of the head's lengths."""
    cards_a_query: int = Field(ge=2)
    """Found cards learned from and judged, best first."""
    queries_max: int = Field(gt=0)
    """Queries to learn from and, apart, to judge by, at most; chosen by the seed."""
    trial: RankerTrialParams
    seed: int


class OnlineParams(Frozen):
    """The logistic re-ranker that learns from each click."""

    use: bool
    """A release that is made while this is true has its searches re-ranked."""
    margin: float = Field(ge=0)
    """A card's score moves at most so much, up or down; in the units of cosines."""
    places_max: int = Field(ge=0)
    """A card moves at most so many places."""
    learning_rate: float = Field(gt=0)
    """Of AdaGrad: the first step of a weight."""
    weight_max: float = Field(gt=0)
    """A weight never leaves [-weight_max, weight_max]."""
    decay: float = Field(gt=0, le=1)
    """What is left of the weights, and of the squared gradients, after one more answer; 1: all."""


class RankingParams(Frozen):
    propensity: PropensityParams
    ranker: RankerParams
    online: OnlineParams
