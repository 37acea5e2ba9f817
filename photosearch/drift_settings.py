"""The part of Params that the comparison of snapshots reads."""

from pydantic import Field

from photosearch.frozen import Frozen


class DriftParams(Frozen):
    """How far a snapshot may be from the last one that was built; see `curation/drift.py`."""

    blocks: bool
    """Whether a drift that is too far stops the build; else it is only told."""
    categories_max: float = Field(ge=0, le=1)
    """Share of cards that would have to change category."""
    languages_max: float = Field(ge=0, le=1)
    """Share of titles and reviews that would have to change script."""
    prices_max: float = Field(ge=0)
    """Change of the median price, as a share of the smaller one."""
    photo_sizes_max: float = Field(ge=0)
    """Change of the median shorter side, as a share of the smaller one."""
    duplicate_rate_max: float = Field(ge=0, le=1)
    """Difference of the shares of photos whose bytes came before."""
