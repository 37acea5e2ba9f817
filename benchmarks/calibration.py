"""Which curve makes cosines probabilities: logistic or isotonic, from labels or held-out cards.

python benchmarks/calibration.py --home home/simulator
"""

import argparse
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression  # type: ignore[import-untyped]

from photosearch.assembly import load_embedder, load_settings
from photosearch.assembly_serving import open_index
from photosearch.catalog.schemas import Label
from photosearch.catalog.tables import read_rows
from photosearch.embedding.catalog_vectors import catalog_vectors
from photosearch.evaluation.calibration import (
    Cosines,
    Probabilities,
    ShownCards,
    abstention,
    calibration_error,
    fit_logistic,
    folds_of,
    reliability,
)
from photosearch.home import Home
from photosearch.index.vector_index import VectorIndex
from photosearch.release import live_release
from photosearch.search.shown_cards import ask_held_out

Fit = Callable[[Cosines, NDArray[np.bool_]], Callable[[Cosines], Probabilities]]
RESAMPLES = 1000
PRECISIONS = (0.5, 0.6, 0.7, 0.8, 0.9)


def main() -> None:
    """Prints the tables of docs/experiments/calibration.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    settings = load_settings(parser.parse_args().home)
    release = live_release(settings.home.releases)
    with closing(open_index(release, settings.services)) as index:
        shown = ask_held_out(
            settings.home,
            catalog_vectors(settings.home, release.model, load_embedder(release.model)),
            index,
            hits_per_query=release.manifest.hits_per_query,
            queries_max=settings.params.calibration.queries_max,
        )
        labels = labelled(settings.home, index)
    say(f"{len(shown.products)} queries, {shown.is_same.sum()} of {shown.is_same.size} shown cards")
    say(f"are the product; {len(labels[0])} labelled pairs, {labels[1].sum()} the same\n")
    say("| curve | fitted on | calibration error | Brier score | log loss |\n|---|---|---|---|---|")
    for name, fit in (("logistic", fit_logistic), ("isotonic", fit_isotonic)):
        tell(name, "held-out cards, other products", shown, cross_fitted(shown, fit))
        tell(name, "labelled pairs of training photos", shown, fit(*labels)(shown.cosines))
    base_rate = np.full(shown.cosines.shape, shown.is_same.mean())
    tell("base rate", "held-out cards", shown, base_rate)
    say("\n| chosen | cosine | precision held out | answered | silent when absent |")
    say("|---|---|---|---|---|")
    curve = fit_logistic(shown.cosines.ravel(), shown.is_same.ravel())
    for precision in PRECISIONS:
        found = abstention(shown, precision=precision, curve=curve)
        cosine = "none" if found.cosine is None else f"{found.cosine:.3f}"
        say(f"| {precision} | {cosine} | {found.precision_held_out} | {found.answered} | "
            f"{found.silent_when_absent} |")  # fmt: skip


def labelled(home: Home, index: VectorIndex) -> tuple[Cosines, NDArray[np.bool_]]:
    """Cosines of the pairs people answered, by the index's vectors, and their answers."""
    vectors = {
        photo_id: vector
        for photo_ids, _, stored in index.scroll()
        for photo_id, vector in zip(photo_ids, stored, strict=True)
    }
    pairs = [
        (float(vectors[label.photo_a] @ vectors[label.photo_b]), label.answer == "same")
        for label in read_rows(home.labels, Label)
        if label.answer != "unclear" and {label.photo_a, label.photo_b} <= vectors.keys()
    ]
    return np.array([cosine for cosine, _ in pairs]), np.array([same for _, same in pairs])


def fit_isotonic(
    cosines: Cosines, is_same: NDArray[np.bool_]
) -> Callable[[Cosines], Probabilities]:
    """Zadrozny and Elkan 2002."""
    steps = IsotonicRegression(out_of_bounds="clip").fit(cosines, is_same)
    return lambda asked: np.asarray(steps.predict(asked.ravel())).reshape(asked.shape)


def cross_fitted(shown: ShownCards, fit: Fit) -> Probabilities:
    """Probabilities by curves of other products."""
    fold, said = folds_of(shown.products), np.empty(shown.cosines.shape)
    for number in np.unique(fold):
        curve = fit(shown.cosines[fold != number].ravel(), shown.is_same[fold != number].ravel())
        said[fold == number] = curve(shown.cosines[fold == number])
    return said


def tell(name: str, fitted_on: str, shown: ShownCards, said: Probabilities) -> None:
    """One line: value and 95% interval over resampled products."""
    happened = shown.is_same
    clipped = np.clip(said, 1e-3, 1 - 1e-3)
    losses = {
        "brier": (said - happened) ** 2,
        "log": -np.where(happened, np.log(clipped), np.log(1 - clipped)),
    }
    names, rows = np.unique(np.array(shown.products), return_inverse=True)
    of_product = [np.nonzero(rows == number)[0] for number in range(len(names))]
    random, drawn = np.random.default_rng(0), []
    for _ in range(RESAMPLES):
        chosen = np.concatenate([of_product[n] for n in random.integers(0, len(names), len(names))])
        error = calibration_error(reliability(said[chosen].ravel(), happened[chosen].ravel()))
        drawn.append([error, losses["brier"][chosen].mean(), losses["log"][chosen].mean()])
    low, high = np.percentile(np.array(drawn), [2.5, 97.5], axis=0)
    error = calibration_error(reliability(said.ravel(), happened.ravel()))
    values = (error, losses["brier"].mean(), losses["log"].mean())
    cells = [f"{v:.3f} ({lo:.3f} to {hi:.3f})" for v, lo, hi in zip(values, low, high, strict=True)]
    say(f"| {name} | {fitted_on} | {' | '.join(cells)} |")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
