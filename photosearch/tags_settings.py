"""Numbers of tags: where they come from, which are kept, how long their vectors are."""

from typing import Literal

from pydantic import Field

from photosearch.frozen import Frozen


class TagsParams(Frozen):
    """How tags are made and searched; measured in docs/experiments/tags.md."""

    source: Literal["titles", "llm", "vlm"]
    """`titles`: n-grams of titles and attributes. `llm`, `vlm`: the endpoint of
    PHOTOSEARCH_DESCRIBER_URL reads each card, or looks at its picture too."""
    words_max: int = Field(gt=0, le=5)
    """Words in a tag."""
    cards_min: int = Field(gt=0)
    """A tag that fewer cards carry is dropped."""
    share_max: float = Field(gt=0, le=1)
    """A tag that a larger share of all cards carries says nothing and is dropped."""
    typo_cards_max: int = Field(ge=0)
    """A word of at most so many cards may be a typing mistake, ..."""
    typo_times: int = Field(gt=1)
    """... if a word that differs in one letter is so many times as frequent."""
    dim: int = Field(gt=0)
    """Numbers in a tag's vector: one of the head's lengths, at most that of the index."""
