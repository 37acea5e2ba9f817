"""The part of Params that tokens and the attention head read."""

from typing import Literal, Self

from pydantic import Field, model_validator

from photosearch.frozen import Frozen


class BoxedViewsParams(Frozen):
    """Views cut out by the detector's box, moved as wrongly as boxes of real queries are."""

    views: int = Field(gt=0)
    """Of the augmented views of a photo, those that are cut so; fewer than `tokens.views`."""
    shift: float = Field(ge=0)
    """Standard deviation of the centre's move, as a share of the box's own sides."""
    scale: float = Field(ge=0)
    """Standard deviation of the logarithm of each side's factor."""
    wrong: float = Field(ge=0, le=1)
    """Share of boxes round another thing on the photo, or round a part of the product."""


class TokensParams(Frozen):
    views: int = Field(gt=0)
    """Token sets a training photo: the plain one and `views - 1` augmented ones."""
    form: Literal["bf16", "int8"]
    """How tokens are kept: int8 takes half the disk. Measured: docs/experiments/tokens.md."""
    pool: int = Field(gt=0)
    """Side of the squares of patches whose mean is a token: 2 keeps a quarter of them."""
    boxed: BoxedViewsParams | None = None
    """None where no detector knows the products. Measured: docs/experiments/head.md."""
    seed: int

    @model_validator(mode="after")
    def _has_a_plain_view(self) -> Self:
        if self.boxed is not None and self.boxed.views >= self.views:
            raise ValueError(
                f"boxed.views is {self.boxed.views}: only {self.views - 1} of {self.views} views "
                "are augmented"
            )
        return self


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
    """Nearest photos of other products, found anew each epoch, whose products a photo may bring
    into its batch; 0 brings none. Measured: docs/experiments/head.md."""
    weak_pairs: float = Field(ge=0, le=1)
    """What a look-alike by clicks counts beside one that people told apart; 0: clicks are not
    read. Measured: docs/experiments/feedback.md."""
    dropout: float = Field(ge=0, lt=1)
    seed: int
