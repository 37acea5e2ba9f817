"""Params of learning from shoppers' events; a part of the Params in settings.py."""

from pydantic import Field

from photosearch.frozen import Frozen


class WeakPairsParams(Frozen):
    """When clicks say enough of two photos; rates are clicks of those who looked."""

    looks_min: float = Field(gt=0)
    """A pair needs at least so many looks, as unequal weights leave them worth."""
    same_rate_min: float = Field(ge=0, le=1)
    """Weakly the same: the lower 95% bound of the rate is at least this."""
    different_rate_max: float = Field(ge=0, le=1)
    """Weakly different: the upper 95% bound of the rate is at most this."""


class FeedbackParams(Frozen):
    """Which events teach, and when what they taught may go live. See docs/decisions.md, 44."""

    days: float = Field(gt=0)
    """Older answers are not in the tables."""
    settle_minutes: float = Field(gt=0)
    """An answer teaches only when it is so old: its clicks have come by then."""
    late_hours: float = Field(gt=0)
    """Events that came longer after their answer are left out."""
    first_page: int = Field(gt=0)
    """Ranks that teach: how likely each is looked at is known of a first page alone."""
    clicked_most: int = Field(gt=0)
    """An answer of which more cards were clicked is left out: a machine follows every link."""
    answers_a_shopper: int = Field(gt=0)
    """Of one shopper and day (UTC), in one run; the others are left out."""
    judged_min: int = Field(ge=2)
    """A state of the online re-ranker is judged once so many answers were ranked by it in
    hindsight, each before it was learned from."""
    judged_most: int = Field(ge=2)
    """Only the last so many count."""
    weak_pairs: WeakPairsParams
