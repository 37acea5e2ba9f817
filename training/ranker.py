"""`photosearch ranker`: LambdaRank from labels and clicks, used only where it ranks better."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

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
from photosearch.search.features import FEATURES
from photosearch.search.popularity import CardClicks, count_clicks, popularity
from photosearch.search.shown_cards import is_indexed, joined_groups
from training.clicks_trial import part_by_time, try_clicks
from training.lightning_fit import fingerprint
from training.ranker_data import (
    Answered,
    Shelf,
    ask_shelf,
    exact_index,
    lesson_of,
    lessons_from_clicks,
)
from training.ranker_trees import fit_trees
from training.ranker_trial import Trial, try_ranker

QUERIES_MIN = 20
"""Fewer teach nothing that carries over."""
MADE_OF = "made_of"
"""A file beside the ranker: a fingerprint of all that its training read."""


@dataclass(frozen=True, slots=True)
class TrainedRanker:
    manifest: RankerManifest
    trees: str
    """In LightGBM's text format."""
    clicks: list[CardClicks]
    lessons_of_labels: int
    lessons_of_clicks: int

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
    """Of the kept ranker, on held-out photos; and where clicks taught it, on held-out clicks."""
    refused: str = ""
    """Why clicks were left out though there were some; empty: they were not."""


def train_home_ranker(
    home: Home, model_id: str, vectors_of: VectorsOf, ranking: RankingParams, index: IndexParams
) -> RankerReport:
    """Trains on photos of the split `train` and on clicks, judges by held-out photos, and saves.

    What clicks taught and fails its trial gives way to labels alone: clicks must not cost what
    labels have won.

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
    trained, report = choose_ranker(learned, judging, shown, ranking, model_id=model_id)
    (home.ranker / VERDICT).unlink(missing_ok=True)  # written last: it must be of these trees
    write_text(home.ranker / MADE_OF, _made_of(home, model_id, ranking, index))
    save_ranker(home.ranker, trained.manifest, trees=trained.trees, clicks=trained.clicks)
    save_report(home.ranker / VERDICT, report.trial)
    return report


def choose_ranker(
    learned: Sequence[Answered],
    judging: Sequence[Answered],
    shown: Sequence[Impression],
    ranking: RankingParams,
    *,
    model_id: str,
) -> tuple[TrainedRanker, RankerReport]:
    """Trains on labels, then on clicks too; keeps what clicks add only if it passes its own trial.

    Clicks start from what would be used without them: the ranker of labels, or, where that one
    is not better than none, the candidates.

    Args:
        learned: Answers to learn from.
        judging: Answers to held-out photos.
        shown: What shoppers saw and clicked, in the order of the log.
        ranking: See params.yaml.
        model_id: Of the model that made the vectors.
    """
    plain = train_ranker(learned, [], ranking, model_id=model_id)
    trial = try_ranker(plain.running(), judging)
    kept = RankerReport(model_id, plain.lessons_of_labels, 0, trial)
    log = part_by_time(shown, ranking.ranker.trial)
    if not lessons_from_clicks(log.taught, ranking.propensity):
        return plain, kept
    taught = train_ranker(
        learned, log.taught, ranking, model_id=model_id, with_labels=trial.is_better
    )
    champion = plain.running() if trial.is_better else None
    of_clicks = try_clicks(taught.running(), champion, judging, log.held_out, ranking)
    if not of_clicks.is_better:
        return plain, replace(kept, refused=of_clicks.reason)
    return taught, RankerReport(
        model_id, taught.lessons_of_labels, taught.lessons_of_clicks, of_clicks
    )


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
    with_labels: bool = True,
) -> TrainedRanker:
    """Fits the trees on answers of known products, and on clicks.

    Args:
        answers: Tell the units of a score; and are lessons, unless `with_labels` is false.
        impressions: What shoppers saw and clicked; none: labels alone teach.
        ranking: See params.yaml.
        model_id: Of the model that made the vectors.
        with_labels: False: clicks start from the candidates.
    """
    chosen = ranking.ranker
    cosines = [card.cosine for answered in answers for card in answered.found]
    right = np.concatenate([answered.is_right for answered in answers])
    curve = fit_logistic(np.array(cosines), right)
    looks = ranking.propensity
    clicks = count_clicks(impressions, steepness=looks.steepness, least=looks.least)
    popular = popularity(clicks)
    of_labels = [
        lesson_of(answered, popular, curve, n_cards=chosen.cards_a_query)
        for answered in (answers if with_labels else [])
    ]
    of_clicks = lessons_from_clicks(impressions, looks)
    manifest = RankerManifest(
        model_id, list(FEATURES), curve.slope, curve.intercept,
        cards_most=chosen.cards_a_query, short_length=chosen.short_length,
    )  # fmt: skip
    trees = fit_trees(of_labels, of_clicks, chosen, slope=curve.slope)
    return TrainedRanker(manifest, trees, clicks, len(of_labels), len(of_clicks))


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
