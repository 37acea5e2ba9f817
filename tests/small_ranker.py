"""A ranker that has seen that many near photos mean more than a slightly nearer one."""

import numpy as np
from found_cards import found, hit

from photosearch.catalog.schemas import CuratedPhoto
from photosearch.embedding.embedder import unit
from photosearch.ranking_settings import RankerParams, RankerTrialParams
from photosearch.search.boosted_ranker import RankerManifest
from photosearch.search.features import FEATURES, Evidence
from photosearch.search.popularity import CardClicks, Popularity
from training.ranker import TrainedRanker
from training.ranker_data import Answered, lesson_of
from training.ranker_trees import fit_trees

CHOSEN = RankerParams(
    use=True, trees=40, leaves=4, rows_a_leaf=5, learning_rate=0.2, clicks_share=1.0,
    short_length=2, cards_a_query=10, queries_max=100, seed=7,
    trial=RankerTrialParams(held_out_share=0.3, answers_min=20, truth_margin=0.01),
)  # fmt: skip
MANIFEST = RankerManifest("m1", list(FEATURES), 10.0, -8.0, cards_most=10, short_length=2)
NO_CLICKS = Popularity({}, 0.0)

PHOTOS = [
    CuratedPhoto("mug/gallery/0", "mug", "gallery", "1", "train", True),
    CuratedPhoto("mug/review/r1/0", "mug", "review", "2", "train", True),
    CuratedPhoto("mug/review/r1/1", "mug", "review", "3", "train", True),
    CuratedPhoto("cup/gallery/0", "cup", "gallery", "4", "train", True),
    CuratedPhoto("twin/gallery/0", "twin", "gallery", "5", "train", True),
]
VECTORS = unit(np.array([[1, 0.5, 0], [1, 0, 0], [1, 0.01, 0], [0.9, 0.6, 0], [0, 0, 1.0]]))


def answered(number: int, *, right_votes: int = 3) -> Answered:
    """Three cards: the nearest is wrong, the second has more near photos and is right."""
    cards = [found("wrong", 0.80), found("right", 0.78), found("far", 0.5)]
    hits = [hit("wrong", 0, 0.80), *(hit("right", n, 0.78 - n / 100) for n in range(right_votes)),
            hit("far", 0, 0.5)]  # fmt: skip
    is_right = np.array([False, True, False])
    return Answered(f"product-{number}", cards, Evidence(hits), is_right, 1)


def small_ranker() -> TrainedRanker:
    """Has seen that many near photos mean more than a slightly nearer one."""
    lessons = [
        lesson_of(answered(n, right_votes=2 + n % 3), NO_CLICKS, MANIFEST.curve, n_cards=10)
        for n in range(40)
    ]
    trees = fit_trees(lessons, [], CHOSEN, slope=MANIFEST.slope)
    return TrainedRanker(MANIFEST, trees, [CardClicks("right", 10.0, 5)], len(lessons), 0)
