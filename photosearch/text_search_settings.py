"""Numbers of the search by words: what counts how much, and how far likes may lead."""

from typing import Literal

from pydantic import Field

from photosearch.frozen import Frozen


class FusionWeights(Frozen):
    """What each list of cards counts; 0 leaves it out and it is not asked for."""

    words: float = Field(ge=0)
    """BM25 of stems over titles, descriptions and reviews."""
    pieces: float = Field(ge=0)
    """BM25 of pieces of words over titles: it forgives typing mistakes."""
    vectors: float = Field(ge=0)
    """Photos near the text's vector or, where there is a photo, near the refined vector."""


class LikesParams(Frozen):
    """Rocchio's weights, the query's own being 1; measured in docs/experiments/text_search.md."""

    liked: float = Field(ge=0)
    disliked: float = Field(ge=0)
    cosine_min: float = Field(ge=0, le=1)
    """The moved query stays at least so near to where it was."""


class TextSearchParams(Frozen):
    """How words find cards; measured in docs/experiments/text_search.md."""

    title_weight: int = Field(ge=1)
    """A word of a title counts as so many of descriptions and reviews."""
    review_chars: int = Field(ge=0)
    """Of a card's reviews so many characters are indexed, oldest first."""
    depth: int = Field(gt=0)
    """Cards a list, before lists are fused."""
    fusion: Literal["rrf", "scores"]
    """`rrf`: by ranks. `scores`: by scores, each list's brought to 0 to 1."""
    rrf_k: int = Field(gt=0)
    """Higher: a first place counts less. 60 in Cormack et al. 2009."""
    text: FusionWeights
    """Where a shopper gives words alone."""
    photo: FusionWeights
    """Where a shopper gives a photo and words."""
    likes: LikesParams
