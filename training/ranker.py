"""`photosearch ranker`: LambdaRank from labels and clicks, used only where it ranks better."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from photosearch.catalog.schemas import Card, CuratedPhoto, Impression, Label
from photosearch.catalog.tables import read_rows
from photosearch.embedding.catalog_vectors import VectorsOf
from photosearch.embedding.embedder import shorten
from photosearch.errors import HomeNotReady
from photosearch.evaluation.calibration import fit_logistic
from photosearch.home import Home
from photosearch.index_settings import IndexParams
from photosearch.ranking_settings import RankerParams, RankingParams
from photosearch.report import save_report, write_text
from photosearch.search.boosted_ranker import (
    VERDICT,
    BoostedRanker,
    RankerManifest,
    ShortVectors,
    save_ranker,
)
from photosearch.search.features import FEATURES, RISING
from photosearch.search.popularity import CardClicks, count_clicks, popularity
from photosearch.search.shown_cards import is_indexed, joined_groups
from training.lightning_fit import fingerprint
from training.ranker_data import (
    Answered,
    Lesson,
    Shelf,
    ask_shelf,
    exact_index,
    lesson_of,
    lessons_from_clicks,
)
from training.ranker_trial import Trial, try_ranker

QUERIES_MIN = 20
"""Fewer teach nothing that carries over."""
BEST = 10
"""Ranks whose order counts in training."""
MADE_OF = "made_of"
"""A file beside the ranker: a fingerprint of all that its training read."""


@dataclass(frozen=True, slots=True)
class TrainedRanker:
    manifest: RankerManifest
    trees: str
    """In LightGBM's text format."""
    clicks: list[CardClicks]
    n_lessons: int

    def running(self) -> BoostedRanker:
        """The ranker as a release runs it; short cosines come with the evidence."""
        from lightgbm import Booster

        trees = Booster(model_str=self.trees)
        none = ShortVectors({}, np.empty((0, self.manifest.short_length), np.float16))
        return BoostedRanker(self.manifest, trees, popularity(self.clicks), none)


@dataclass(frozen=True, slots=True)
class RankerReport:
    model_id: str
    lessons_of_labels: int
    lessons_of_clicks: int
    """Those that the kept ranker has learned from; 0 where clicks were refused."""
    trial: Trial
    """Of the kept ranker, on held-out photos."""
    refused: str = ""
    """Why clicks were left out though there were some; empty: they were not."""


def train_home_ranker(
    home: Home, model_id: str, vectors_of: VectorsOf, ranking: RankingParams, index: IndexParams
) -> RankerReport:
    """Trains on photos of the split `train` and on clicks, judges by held-out photos, and saves.

    A ranker taught by clicks too that fails its trial gives way to one taught by labels alone:
    clicks must not cost what labels have won.

    Args:
        home: After `curate`; labels and impressions are read where there are any.
        model_id: Of the model that makes the vectors.
        vectors_of: Gives vectors of curated photos.
        ranking: See params.yaml.
        index: As releases have it.

    Raises:
        HomeNotReady: Too few buyers' photos to learn from or to judge by.
    """
    learned, judging = ask_home(home, vectors_of, ranking.ranker, index)
    shown = read_rows(home.impressions, Impression) if home.impressions.exists() else []
    trained = train_ranker(learned, shown, ranking, model_id=model_id)
    trial, refused = try_ranker(trained.running(), judging), ""
    if trained.n_lessons > len(learned) and not trial.is_better:
        refused = trial.reason
        trained = train_ranker(learned, [], ranking, model_id=model_id)
        trial = try_ranker(trained.running(), judging)
    n_clicks = trained.n_lessons - len(learned)
    report = RankerReport(model_id, len(learned), n_clicks, trial, refused)
    (home.ranker / VERDICT).unlink(missing_ok=True)  # written last: it must be of these trees
    write_text(home.ranker / MADE_OF, _made_of(home, model_id, ranking, index))
    save_ranker(home.ranker, trained.manifest, trees=trained.trees, clicks=trained.clicks)
    save_report(home.ranker / VERDICT, report.trial)
    return report


def is_up_to_date(home: Home, model_id: str, ranking: RankingParams, index: IndexParams) -> bool:
    """Whether the ranker trained last is what training now would give."""
    made_of = home.ranker / MADE_OF
    if not made_of.exists() or not (home.ranker / VERDICT).exists():
        return False
    said: str = made_of.read_text()
    return said == _made_of(home, model_id, ranking, index)


def _made_of(home: Home, model_id: str, ranking: RankingParams, index: IndexParams) -> str:
    curated = [home.curated / name for name in ("photos.parquet", "cards.parquet")]
    read = [path for path in (*curated, home.labels, home.impressions) if path.exists()]
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in read]
    return fingerprint(model_id, ranking, index, digests)


def ask_home(
    home: Home, vectors_of: VectorsOf, chosen: RankerParams, index: IndexParams
) -> tuple[list[Answered], list[Answered]]:
    """Answers to learn from, and answers to held-out photos to judge by.

    Each photo asks twice: among the photos of all others, and as if its product were new, with no
    buyers' photos yet. Photos of training are all of cards that buyers have photographed: by the
    first way alone the ranker would never see what it is to be new.

    Raises:
        HomeNotReady: Too few buyers' photos to learn from or to judge by.
    """
    photos = read_rows(home.curated / "photos.parquet", CuratedPhoto)
    shelf = _shelf(home, photos, vectors_of, index, short_length=chosen.short_length)
    asked = _some([p for p in photos if p.kind == "review" and p.split == "train"], chosen)
    held_out = _some([p for p in photos if not is_indexed(p)], chosen)
    if min(len(asked), len(held_out)) < QUERIES_MIN:
        raise HomeNotReady(
            f"{len(asked)} buyers' photos of training and {len(held_out)} held-out ones are too "
            f"few to train a ranker, {QUERIES_MIN} of each are needed. Pull more reviews with "
            "photos; the search works without a ranker."
        )
    vectors = shorten(vectors_of(asked), index.dim)
    learned = [
        answered for is_new in (False, True)
        for answered in ask_shelf(shelf, asked, vectors, as_new=is_new)
    ]  # fmt: skip
    judging = ask_shelf(shelf, held_out, shorten(vectors_of(held_out), index.dim))
    return learned, judging


def train_ranker(
    answers: Sequence[Answered],
    impressions: Sequence[Impression],
    ranking: RankingParams,
    *,
    model_id: str,
) -> TrainedRanker:
    """Fits the trees on answers of known products, and on clicks."""
    chosen = ranking.ranker
    cosines = [card.cosine for answered in answers for card in answered.found]
    right = np.concatenate([answered.is_right for answered in answers])
    curve = fit_logistic(np.array(cosines), right)
    looks = ranking.propensity
    clicks = count_clicks(impressions, steepness=looks.steepness, least=looks.least)
    popular = popularity(clicks)
    lessons = [
        lesson_of(answered, popular, curve, n_cards=chosen.cards_a_query) for answered in answers
    ] + lessons_from_clicks(impressions, looks)
    manifest = RankerManifest(
        model_id, list(FEATURES), curve.slope, curve.intercept,
        cards_most=chosen.cards_a_query, short_length=chosen.short_length,
    )  # fmt: skip
    trees = fit_trees(lessons, chosen, slope=curve.slope)
    return TrainedRanker(manifest, trees, clicks, len(lessons))


def fit_trees(lessons: Sequence[Lesson], chosen: RankerParams, *, slope: float) -> str:
    """LambdaMART that starts from the scores of the evidence, as LightGBM's text.

    Args:
        lessons: Answers to learn from; those with nothing to put in order are left out.
        chosen: See params.yaml.
        slope: Units of the trees in one unit of a score.

    Source: Burges 2010, "From RankNet to LambdaRank to LambdaMART"; a start from another ranker as
    in Wu et al. 2010, "Adapting boosting for information retrieval measures", section 6.
    """
    import lightgbm

    useful = [lesson for lesson in lessons if 0 < lesson.is_wanted.sum() < len(lesson.is_wanted)]
    rows = np.concatenate([lesson.features for lesson in useful])
    data = lightgbm.Dataset(
        rows,
        np.concatenate([lesson.is_wanted for lesson in useful]).astype(np.int64),
        group=[len(lesson.features) for lesson in useful],
        weight=np.concatenate([np.full(len(one.features), one.weight) for one in useful]),
        init_score=slope * np.concatenate([lesson.scores for lesson in useful]),
        feature_name=list(FEATURES),
    )
    settings = {
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
    return lightgbm.train(settings, data, chosen.trees).model_to_string()


def _shelf(
    home: Home,
    photos: Sequence[CuratedPhoto],
    vectors_of: VectorsOf,
    index: IndexParams,
    *,
    short_length: int,
) -> Shelf:
    """What a release of these photos would hold."""
    cards = {card.card_id: card for card in read_rows(home.curated / "cards.parquet", Card)}
    labels = read_rows(home.labels, Label) if home.labels.exists() else []
    group_of_photo = {photo.photo_id: cards[photo.card_id].group_id for photo in photos}
    indexed = [photo for photo in photos if is_indexed(photo)]
    vectors = shorten(vectors_of(indexed), index.dim)
    return Shelf(
        exact_index(indexed, vectors),
        indexed,
        vectors,
        cards,
        joined_groups(labels, group_of_photo),
        short_length,
        index.hits_per_query,
    )


def _some(photos: Sequence[CuratedPhoto], chosen: RankerParams) -> list[CuratedPhoto]:
    """At most `queries_max`, by chance, in their order."""
    rows = np.random.default_rng(chosen.seed).permutation(len(photos))[: chosen.queries_max]
    return [photos[row] for row in np.sort(rows).tolist()]
