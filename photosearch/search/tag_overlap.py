"""How well the tags of found cards agree with what is near the photo."""

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from photosearch.index.vector_index import Hit
from photosearch.search.candidates import SHARPNESS
from photosearch.search.found import FoundCard
from photosearch.tagging.tag_index import Carried


def overlaps_of(found: Sequence[FoundCard], hits: Sequence[Hit], tags: Carried) -> dict[str, float]:
    """How many of the near photos are of cards with the same tags, 0 to 1, by card.

    Each near photo votes for the tags of its card, nearer ones more. A card gets the mean over its
    tags of their shares of the votes; its own photos do not vote for it. Cards without tags, and
    one that all votes are of, are left out.

    Args:
        found: Cards wanted.
        hits: Near photos, of these cards and of others.
        tags: What cards carry.

    Source: tag propagation from weighted near neighbours, Guillaumin et al. 2009, "TagProp".
    """
    votes: dict[str, float] = defaultdict(float)
    for hit in hits:
        votes[hit.card_id] += math.exp(SHARPNESS * (hit.cosine - 1))
    names = list(dict.fromkeys([*votes, *(card.traits.card_id for card in found)]))
    if not votes:
        return {}
    carried = [tags.of(name) for name in names]
    n_tags = np.array([len(rows) for rows in carried])
    card_of_tag = np.repeat(np.arange(len(names)), n_tags)
    own = np.array([votes.get(name, 0.0) for name in names]) / sum(votes.values())
    _, tag = np.unique(np.concatenate(carried), return_inverse=True)
    share = np.bincount(tag, weights=own[card_of_tag])
    sums = np.bincount(card_of_tag, weights=share[tag], minlength=len(names))
    is_known = (n_tags > 0) & (own < 1)
    overlap = (sums[is_known] / n_tags[is_known] - own[is_known]) / (1 - own[is_known])
    known = (name for name, is_so in zip(names, is_known, strict=True) if is_so)
    return dict(zip(known, overlap.tolist(), strict=True))
