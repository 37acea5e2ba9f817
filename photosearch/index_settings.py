"""The part of Params that the index reads."""

from typing import Literal

from pydantic import Field

from photosearch.frozen import Frozen

Quantisation = Literal["int8", "binary", "product", "turbo", "none"]


class IndexParams(Frozen):
    dim: int = Field(gt=0)
    """Vector length stored; one of the head's lengths. 256 finds as much as 512: decisions, 35."""
    quantisation: Quantisation
    """Codes that choose candidates; what is chosen is compared again by fp16 vectors.

    Of 256 numbers, 512 bytes: `int8` 256 bytes, `turbo` 128, `product` 64, `binary` 32, `none` 0.
    """
    hits_per_query: int = Field(gt=0)
    """Photos fetched before they are collapsed into cards."""
    min_recall_vs_exact: float = Field(ge=0, le=1)
    """A new index must find this share of the true 10 nearest photos before it goes live."""
