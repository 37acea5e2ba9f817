"""Fits the ranker's trees: first what labels teach, then what clicks add to it, counted in part."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from photosearch.ranking_settings import RankerParams
from photosearch.search.features import FEATURES, RISING
from training.ranker_data import Lesson

if TYPE_CHECKING:
    from lightgbm import Booster, Dataset

BEST = 10
"""Ranks whose order counts in training."""


def fit_trees(
    of_labels: Sequence[Lesson],
    of_clicks: Sequence[Lesson],
    chosen: RankerParams,
    *,
    slope: float,
) -> str:
    """LambdaMART that starts from the scores of the evidence, as LightGBM's text.

    What is on the photo and what shoppers like are two aims. Trees of labels serve the first; trees
    of clicks start from these and serve the second, and their leaves are multiplied by
    `clicks_share`: the score is a weighted sum of both.

    Args:
        of_labels: Answers to learn from; those with nothing to put in order are left out.
        of_clicks: The same, of clicks; none leaves the trees of labels as they are, to the bit.
        chosen: See params.yaml.
        slope: Units of the trees in one unit of a score.

    Source: Burges 2010, "From RankNet to LambdaRank to LambdaMART"; a start from another ranker as
    in Wu et al. 2010, "Adapting boosting for information retrieval measures", section 6; the sum of
    two aims as in Svore et al. 2011, "Learning to Rank with Multiple Objective Functions".
    """
    import lightgbm

    settings = _settings(chosen)
    aims = [(useful(of_labels), 1.0), (useful(of_clicks), chosen.clicks_share)]
    # cut out of one table: only rows in equal bins can go on from each other's trees
    table = _table([lesson for lessons, _ in aims for lesson in lessons], settings, slope=slope)
    parts = _parts(table, [lessons for lessons, _ in aims])
    trees = lightgbm.Booster(settings, table)
    for part, (_, share) in zip(parts, aims, strict=True):
        if part is not None:
            n_before = trees.num_trees()
            for _ in range(chosen.trees):
                trees.update(part)
            _count_in_part(trees, n_before, share)
    return trees.model_to_string()


def useful(lessons: Sequence[Lesson]) -> list[Lesson]:
    """Those with something to put in order."""
    return [lesson for lesson in lessons if 0 < lesson.is_wanted.sum() < len(lesson.is_wanted)]


def _table(lessons: Sequence[Lesson], settings: dict[str, Any], *, slope: float) -> "Dataset":
    import lightgbm

    return lightgbm.Dataset(
        np.concatenate([lesson.features for lesson in lessons]),
        np.concatenate([lesson.is_wanted for lesson in lessons]).astype(np.int64),
        group=[len(lesson.features) for lesson in lessons],
        weight=np.concatenate([np.full(len(one.features), one.weight) for one in lessons]),
        init_score=slope * np.concatenate([lesson.scores for lesson in lessons]),
        feature_name=list(FEATURES),
        params=settings,
        free_raw_data=False,
    )


def _parts(table: "Dataset", lessons: Sequence[Sequence[Lesson]]) -> list["Dataset | None"]:
    """The rows of each, in order; None for no lessons.

    Who trains on one after the other keeps them all: LightGBM reads the part before once more.
    """
    ends = np.cumsum([sum(len(one.features) for one in some) for some in lessons]).tolist()
    return [
        table.subset(list(range(first, end))) if first < end else None
        for first, end in pairwise([0, *ends])
    ]


def _count_in_part(trees: "Booster", first: int, share: float) -> None:
    """Multiplies the leaves of the trees from `first` on."""
    if share == 1:
        return
    leaves = [tree["num_leaves"] for tree in trees.dump_model()["tree_info"]]
    for tree in range(first, trees.num_trees()):
        for leaf in range(leaves[tree]):
            trees.set_leaf_output(tree, leaf, share * trees.get_leaf_output(tree, leaf))


def _settings(chosen: RankerParams) -> dict[str, Any]:
    return {
        "objective": "lambdarank",
        "lambdarank_truncation_level": BEST,
        "lambdarank_norm": False,
        "num_leaves": chosen.leaves,
        "min_data_in_leaf": chosen.rows_a_leaf,
        "learning_rate": chosen.learning_rate,
        "monotone_constraints": [int(name in RISING) for name in FEATURES],
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "seed": chosen.seed,
        "verbose": -1,
    }
