"""Numbers of late interaction: tokens compared with tokens, for the best cards only."""

from typing import Literal

from pydantic import Field

from photosearch.frozen import Frozen


class LateInteractionParams(Frozen):
    """See photosearch/search/late_interaction.py; measured in docs/experiments/late_interaction.md.

    A release says by what it holds whether it is searched with late interaction.
    """

    tokens: Literal["none", "discriminant", "learned"]
    """How the head's tokens are shortened; `none` turns late interaction off. (A bare `off` would
    be `false` in YAML.)"""
    dim: int = Field(gt=0)
    """Numbers in a short token; a byte each on disk."""
    cards: int = Field(gt=0)
    """Cards that are compared anew, best first; the others stay behind them."""
    weight: float = Field(gt=0)
    """What a MaxSim of 1 adds to a card's score."""
    steps: int = Field(gt=0)
    """Of training, where tokens are learned."""
    batch: int = Field(gt=1)
    """Products in a step, two photos each."""
    learning_rate: float = Field(gt=0)
    temperature: float = Field(gt=0)
    seed: int
