"""From the score of a found card to the probability that it is the product that was asked for."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photosearch.errors import BadArtifact
from photosearch.report import save_report

PAIRS_MIN = 50
"""Pairs of each answer that it takes to fit a curve."""
ANSWERS_MIN = 10
"""Fewer answers prove no precision."""
FOLDS = 5
BINS = 10
FREE = 1e6
"""Inverse strength of scikit-learn's penalty: none to speak of."""

Scores = NDArray[np.float64]
"""Of found cards, or cosines of photos."""
Probabilities = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ShownCards:
    """What a search showed to queries whose product is known, best card first."""

    scores: Scores
    """By which they were ordered, (n_queries, n_shown); NaN where fewer cards were found."""
    is_same: NDArray[np.bool_]
    """(n_queries, n_shown): is it the product?"""
    products: list[str]
    """What each query asked for, (n_queries,); folds never cut a product."""


@dataclass(frozen=True, slots=True)
class SameProbability:
    """A logistic curve over scores or cosines."""

    slope: float
    intercept: float

    def __call__(self, scores: NDArray[np.floating]) -> Probabilities:
        """Probabilities in (0, 1), of the same shape."""
        steepness = self.slope * np.asarray(scores, np.float64) + self.intercept
        return 1 / (1 + np.exp(-np.clip(steepness, -30, 30)))

    @property
    def threshold(self) -> float:
        """The score at which both answers are equally likely."""
        return -self.intercept / self.slope if self.slope else 0.0


@dataclass(frozen=True, slots=True)
class Bin:
    """Pairs of like probability: a calibrated curve says what happens."""

    said: float
    """Mean probability."""
    happened: float
    """Share of pairs that show one product."""
    pairs: int


@dataclass(frozen=True, slots=True)
class Abstention:
    """From which score up the first card is worth showing."""

    precision: float
    """What was chosen: at least this share of the answers given is right."""
    score: float | None
    """Below it a search may say "nothing like it here"; None: no score reaches the precision."""
    probability: float | None
    """At that score."""
    precision_held_out: float | None
    """Of answers to products that the threshold was not chosen on."""
    answered: float
    """Share of these queries that get an answer."""
    silent_when_absent: float
    """Share without an answer once the product itself is taken out of what is shown."""


@dataclass(frozen=True, slots=True)
class Calibration:
    model_id: str
    index_id: str
    slope: float
    intercept: float
    """Probability = 1 / (1 + exp(-(slope * score + intercept)))."""
    queries: int
    pairs: int
    """Queries and cards shown to them."""
    same: int
    """Pairs that show one product."""
    calibration_error: float
    """Mean difference of said and happened over bins of equal size; on products held out."""
    brier: float
    """Mean squared error of the probability; on products held out."""
    brier_of_base_rate: float
    """The same for one who always says the share of `same`."""
    bins: list[Bin]
    abstention: Abstention

    @property
    def curve(self) -> SameProbability:
        return SameProbability(self.slope, self.intercept)


def calibrate(
    shown: ShownCards, *, precision: float, model_id: str, index_id: str
) -> Calibration | None:
    """Fits the curve on all pairs, and measures it on products that a fold left out.

    Answers weigh as often as they occur, so the probability is that of a card as it is shown.

    Args:
        shown: What searches showed.
        precision: Chosen for the abstain threshold, in (0, 1).
        model_id: Of the model that made the vectors.
        index_id: Of the index that was searched.

    Returns:
        None where fewer than PAIRS_MIN pairs show one product, or two.

    Source: Platt 1999, "Probabilistic Outputs for Support Vector Machines"; isotonic regression
    was compared: docs/experiments/calibration.md.
    """
    is_there = ~np.isnan(shown.scores)
    scores, is_same = shown.scores[is_there], shown.is_same[is_there]
    if min(is_same.sum(), (~is_same).sum()) < PAIRS_MIN:
        return None
    curve = fit_logistic(scores, is_same)
    held_out = held_out_probabilities(shown)[is_there]
    bins = reliability(held_out, is_same)
    base_rate = float(is_same.mean())
    return Calibration(
        model_id,
        index_id,
        curve.slope,
        curve.intercept,
        queries=len(shown.products),
        pairs=len(scores),
        same=int(is_same.sum()),
        calibration_error=round(calibration_error(bins), 4),
        brier=round(float(((held_out - is_same) ** 2).mean()), 4),
        brier_of_base_rate=round(base_rate * (1 - base_rate), 4),
        bins=bins,
        abstention=abstention(shown, precision=precision, curve=curve),
    )


def fit_logistic(scores: Scores, is_same: NDArray[np.bool_]) -> SameProbability:
    """Fits the curve by maximum likelihood; never falling: a better card is never less likely."""
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

    model = LogisticRegression(C=FREE, max_iter=1000).fit(scores.reshape(-1, 1), is_same)
    slope, share = float(model.coef_[0, 0]), float(is_same.mean())
    if slope <= 0:
        return SameProbability(0.0, float(np.log(share / (1 - share))))
    return SameProbability(slope, float(model.intercept_[0]))


def folds_of(products: list[str]) -> NDArray[np.int64]:
    """The fold of each query, (n_queries,): all queries of a product are in one."""
    names, rows = np.unique(np.array(products), return_inverse=True)
    fold: NDArray[np.int64] = (np.random.default_rng(0).permutation(len(names)) % FOLDS)[rows]
    return fold


def held_out_probabilities(shown: ShownCards) -> Probabilities:
    """Probabilities by curves of the other folds, (n_queries, n_shown)."""
    fold, said = folds_of(shown.products), np.full(shown.scores.shape, np.nan)
    for number in np.unique(fold):
        rest = ~np.isnan(shown.scores) & (fold != number)[:, None]
        curve = fit_logistic(shown.scores[rest], shown.is_same[rest])
        said[fold == number] = curve(shown.scores[fold == number])
    return said


def reliability(said: Probabilities, happened: NDArray[np.bool_]) -> list[Bin]:
    """BINS bins of equal size, lowest probability first."""
    parts = np.array_split(np.argsort(said, kind="stable"), BINS)
    return [
        Bin(round(float(said[p].mean()), 4), round(float(happened[p].mean()), 4), len(p))
        for p in parts
        if len(p)
    ]


def calibration_error(bins: list[Bin]) -> float:
    """Mean |said - happened|, weighed by pairs.

    Source: Naeini et al. 2015, "Obtaining Well Calibrated Probabilities Using Bayesian Binning",
    with bins of equal size as in Nixon et al. 2019.
    """
    pairs = sum(part.pairs for part in bins)
    return sum(part.pairs * abs(part.said - part.happened) for part in bins) / pairs


def lowest_precise_score(
    scores: NDArray[np.floating],
    is_same: NDArray[np.bool_],
    *,
    precision_min: float,
    n_min: int = ANSWERS_MIN,
) -> float | None:
    """The lowest score from which up answers are precise enough; None if there is none.

    Args:
        scores: (n,)
        is_same: (n,)
        precision_min: In (0, 1].
        n_min: Fewer above it prove nothing.
    """
    order = np.argsort(-scores, kind="stable")
    hits, n_above = np.cumsum(is_same[order]), np.arange(1, len(order) + 1)
    is_end = np.append(np.diff(scores[order]) != 0, True)  # equal scores are on one side
    good = (hits / n_above >= precision_min) & (n_above >= n_min) & is_end
    return float(scores[order][np.nonzero(good)[0][-1]]) if good.any() else None


def abstention(shown: ShownCards, *, precision: float, curve: SameProbability) -> Abstention:
    """Chooses the threshold on all queries, and measures it on products that a fold left out.

    Absent products are pretended: the first card that is not the product stands for what a search
    of a catalogue without it would show first.
    """
    scores, is_right = shown.scores[:, 0], shown.is_same[:, 0]
    others = np.where(shown.is_same, np.nan, shown.scores)
    first_other = np.array([row[~np.isnan(row)][:1].sum() for row in others])
    fold, bar = folds_of(shown.products), np.full(len(scores), np.inf)
    for number in np.unique(fold):
        rest = fold != number
        found = lowest_precise_score(scores[rest], is_right[rest], precision_min=precision)
        bar[fold == number] = np.inf if found is None else found
    is_answered = scores >= bar
    score = lowest_precise_score(scores, is_right, precision_min=precision)
    return Abstention(
        precision,
        score,
        probability=None if score is None else round(float(curve(np.array(score))), 4),
        precision_held_out=(
            round(float(is_right[is_answered].mean()), 4) if is_answered.any() else None
        ),
        answered=round(float(is_answered.mean()), 4),
        silent_when_absent=round(float((first_other < bar).mean()), 4),
    )


def save_calibration(folder: Path, calibration: Calibration) -> None:
    """Writes calibration.json and reliability.png."""
    save_report(folder / "calibration.json", calibration)
    _plot(folder / "reliability.png", calibration)


def read_calibration(path: Path) -> Calibration:
    """Reads calibration.json; raises BadArtifact if it is damaged."""
    try:
        values = json.loads(path.read_text())
        bins = [Bin(**row) for row in values.pop("bins")]
        return Calibration(
            **values | {"bins": bins, "abstention": Abstention(**values["abstention"])}
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise BadArtifact(
            f"{path} is not a calibration ({error}). Run `photosearch release` to make it again."
        ) from None


def _plot(path: Path, calibration: Calibration) -> None:
    """Said against happened, and where the scores of pairs lie."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panel = pyplot.subplots(figsize=(4.2, 4))
    panel.plot([0, 1], [0, 1], "--", color="grey", label="calibrated")
    panel.plot(
        [part.said for part in calibration.bins],
        [part.happened for part in calibration.bins],
        "o-",
        label=f"error {calibration.calibration_error:.3f}",
    )
    panel.set(
        xlabel="probability said", ylabel="share that is the product", xlim=(0, 1), ylim=(0, 1),
        title=f"{calibration.pairs} shown cards, {calibration.queries} queries",
    )  # fmt: skip
    panel.legend()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
