"""The part of Params that tokens and the attention head read."""

from typing import Literal

from pydantic import Field

from photosearch.frozen import Frozen


class TokensParams(Frozen):
    views: int = Field(gt=0)
    """Token sets a training photo: the plain one and `views - 1` augmented ones."""
    form: Literal["bf16", "int8"]
    """How tokens are kept: int8 takes half the disk. Measured: docs/experiments/tokens.md."""
    pool: int = Field(gt=0)
    """Side of the squares of patches whose mean is a token: 2 keeps a quarter of them."""
    seed: int


class HeadParams(Frozen):
    """The attention head and its training."""

    width: int = Field(gt=0)
    """Token width after the self-attention token reducer."""
    tokens: int = Field(gt=0)
    """Tokens after the reducer."""
    heads: int = Field(gt=0)
    out: int = Field(gt=0)
    lengths: list[int] = Field(min_length=1)
    """Matryoshka prefixes, longest first."""
    epochs: int = Field(gt=0)
    batch: int = Field(gt=1)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    temperature: float = Field(gt=0)
    learn_temperature: bool
    """Whether training moves the temperature, from the one above."""
    query: Literal["learned", "anchored"]
    """What pooling asks with: trained, or the UnLearnable token, see `AttentionHead.anchor`."""
    hard_negatives: int = Field(ge=0)
    """Nearest other products by the head's start that a photo brings into its batch; 0 brings none.
    Measured: docs/experiments/head.md."""
    dropout: float = Field(ge=0, lt=1)
    seed: int
