"""Numbers of the policies: what is left out of an answer, or moved down in it."""

from pydantic import Field

from photosearch.frozen import Frozen


class ModerationParams(Frozen):
    """Zero-shot rules; each is off at 2, which no difference of two cosines exceeds."""

    adult: float
    """A card is flagged if one of its photos fits texts of the rule better than those of plain
    products by more than this."""
    weapon: float
    drugs: float
    tobacco: float
    offensive: float


class PoliciesParams(Frozen):
    """What `search/policies.py` does to the cards that were found."""

    sold_out: list[str]
    """Status words of cards that cannot be bought now; empty: off."""
    hidden: list[str]
    """Status words of cards that must not be shown; empty: off."""
    one_a_group: bool
    """Of cards of one product group only the best-ranked is shown."""
    duplicate_cosine: float = Field(gt=0, le=2)
    """Cards whose matched photos are at least so near are one product; 2: off."""
    one_seller_most: int = Field(ge=0)
    """Cards of one seller among the first `seller_window`; 0: off."""
    seller_window: int = Field(ge=0)
    moderation: ModerationParams
