"""`photosearch ranker`: LambdaRank from labels and clicks, used only where it ranks better.

A photo and words have trees of their own, from labels: training/ranker_words.py.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from photosearch import release_lock
from photosearch.catalog import folder_switch
from photosearch.catalog.schemas import Impression
from photosearch.catalog.tables import read_rows
from photosearch.embedding.catalog_vectors import ModelVectors
from photosearch.errors import HomeNotReady
from photosearch.evaluation.calibration import fit_logistic
from photosearch.home import Home
from photosearch.index.id_rows import IdRows
from photosearch.index_settings import IndexParams
from photosearch.ranking_settings import RankerParams, RankingParams
from photosearch.release import models_of
from photosearch.report import save_report, write_text
from photosearch.search.boosted_ranker import (
    BoostedRanker,
    RankerManifest,
    ShortVectors,
    trees_of,
)
from photosearch.search.features import FEATURES
from photosearch.search.popularity import CardClicks, count_clicks, popularity
from photosearch.search.ranker_folder import TREES, VERDICT, WORDS, WORDS_VERDICT, save_ranker
from photosearch.text_search_settings import TextSearchParams
from training.clicks_trial import part_by_time, try_clicks
from training.lightning_fit import fingerprint
from training.ranker_data import (
    Answered,
    lesson_of,
    lessons_from_clicks,
)
from training.ranker_home import AskedWithWords, ask_home, ask_home_with_words
from training.ranker_trees import fit_trees, useful
from training.ranker_trial import Trial, try_ranker, try_with_words

MADE_OF = "made_of"
"""A file beside the ranker: a fingerprint of all that its training read."""
RELEASES_WAIT_S = 600.0
"""A refresh of a million photos takes a minute, a whole build longer."""


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
        none = ShortVectors(IdRows([]), np.empty((0, self.manifest.short_length), np.float16))
        return BoostedRanker(self.manifest, trees_of(self.trees), popularity(self.clicks), none)


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
    words: Trial | None = None
    """Of the trees for a photo with words; None where too few of a kind could be asked with."""


def train_home_ranker(
    home: Home,
    model: ModelVectors,
    ranking: RankingParams,
    index: IndexParams,
    text: TextSearchParams,
) -> RankerReport:
    """Trains on photos of the split `train` and on clicks, judges by held-out photos, and saves.

    What clicks taught and fails its trial gives way to labels alone: clicks must not cost what
    labels have won. Releases may be made and switched meanwhile: they are held for the moment in
    which the new ranker takes the place of the one before.

    Args:
        home: After `curate`; tags, labels and impressions are read where there are any. The caller
            does not hold its releases.
        model: Whose cosines are ranked.
        ranking: See params.yaml.
        index: As releases have it.
        text: How a photo and words are searched.

    Raises:
        HomeNotReady: Too few buyers' photos to learn from or to judge by, or their cosines tell no
            product from another; or tables changed while they were read.
        HomeHeld: Another process trains a ranker, or held the releases for RELEASES_WAIT_S.
    """
    work = home.ranker_work
    with folder_switch.alone(work, doing="training a ranker"):
        folder_switch.repair(work, home.ranker)
        made_of = _made_of(home, model.model_id, ranking, index, text)
        asked = ask_home(home, model.of, ranking.ranker, index)
        shown = shown_by(home, model.model_id)
        worded = ask_home_with_words(asked, home, model, ranking.ranker, text)
        if _made_of(home, model.model_id, ranking, index, text) != made_of:
            raise HomeNotReady(
                f"Tables, tags or words of {home.root} changed while a training read them. Run "
                "`photosearch ranker`, or wait for the next training."
            )
        trained, report = choose_ranker(
            asked.learned, asked.judging, shown, ranking, model_id=model.model_id
        )
        of_words = train_with_words(trained, worded, ranking.ranker)
        if of_words is not None:
            report = replace(report, words=try_with_words(of_words.running(), worded.judging))
        write_text(work / "new" / MADE_OF, made_of)
        _write(work / "new", trained, of_words, report)
        with release_lock.alone(
            home.releases, doing="taking a trained ranker over", wait_s=RELEASES_WAIT_S
        ):
            folder_switch.switch(work, home.ranker)
    return report


def _write(
    folder: Path, trained: TrainedRanker, of_words: TrainedRanker | None, report: RankerReport
) -> None:
    trees = {TREES: trained.trees}
    if of_words is not None:
        trees[WORDS] = of_words.trees
    save_ranker(folder, trained.manifest, trees=trees, clicks=trained.clicks)
    if report.words is not None:
        save_report(folder / WORDS_VERDICT, report.words)
    save_report(folder / VERDICT, report.trial)


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


def shown_by(home: Home, model_id: str) -> list[Impression]:
    """What shoppers saw of this model's releases, in the order of the log.

    Another model has other cosines: its answers would teach, and judge, an order that nobody gets.
    """
    if not home.impressions.exists():
        return []
    model_of = models_of(home.releases)
    rows = read_rows(home.impressions, Impression)
    return [row for row in rows if model_of.get(row.release) == model_id]


def is_up_to_date(
    home: Home, model_id: str, ranking: RankingParams, index: IndexParams, text: TextSearchParams
) -> bool:
    """Whether the ranker trained last is what training now would give."""
    made_of = home.ranker / MADE_OF
    if not made_of.exists() or not (home.ranker / VERDICT).exists():
        return False
    said: str = made_of.read_text()
    return said == _made_of(home, model_id, ranking, index, text)


def _made_of(
    home: Home, model_id: str, ranking: RankingParams, index: IndexParams, text: TextSearchParams
) -> str:
    folders = [path for folder in (home.tags, home.text) for path in sorted(folder.rglob("*"))]
    tables = [home.curated / "photos.parquet", home.curated / "cards.parquet",
              home.catalog / "reviews.parquet", home.labels, home.impressions]  # fmt: skip
    read = [path for path in (*tables, *folders) if path.is_file()]
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in read]
    return fingerprint(model_id, ranking, index, text, digests)


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

    Raises:
        HomeNotReady: Cosines tell no product from another.
    """
    chosen = ranking.ranker
    cosines = [card.cosine for answered in answers for card in answered.found]
    right = np.concatenate([answered.is_right for answered in answers])
    curve = fit_logistic(np.array(cosines), right)
    if curve.slope == 0:
        raise HomeNotReady(
            f"Of {len(right)} found cards those of the photo's product are no nearer than others: "
            "scores in units of cosines cannot be learned. The search works without a ranker; "
            "train the model anew."
        )
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


def train_with_words(
    trained: TrainedRanker, worded: AskedWithWords, chosen: RankerParams
) -> TrainedRanker | None:
    """Fits the trees for a photo with words; clicks on such answers teach nothing yet.

    Args:
        trained: The trees for a photo alone: units and popularity are theirs.
        worded: Answers to photos with words.
        chosen: See params.yaml.

    Returns:
        None where there is nothing to learn from.
    """
    manifest = trained.manifest
    lessons = useful([
        lesson_of(answered, popularity(trained.clicks), manifest.curve, n_cards=manifest.cards_most)
        for answered in worded.learned
    ])  # fmt: skip
    if not lessons:
        return None
    trees = fit_trees(lessons, [], chosen, slope=manifest.slope)
    return TrainedRanker(manifest, trees, trained.clicks, len(lessons), 0)
