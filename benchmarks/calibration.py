"""Which curve makes scores probabilities: logistic or isotonic, of scores or cosines, from what.

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
    Probabilities,
    Scores,
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
from photosearch.search.steps import Search
from photosearch.search.trial_search import search_of

Fit = Callable[[Scores, NDArray[np.bool_]], Callable[[Scores], Probabilities]]
RESAMPLES = 1000
PRECISIONS = (0.5, 0.6, 0.7, 0.8, 0.9)


def main() -> None:
    """Prints the tables of docs/experiments/calibration.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    settings = load_settings(parser.parse_args().home)
    release = live_release(settings.home.releases)
    with closing(open_index(release, settings.services)) as index:
        search = search_of(release.folder, release.manifest, index)
        vectors_of = catalog_vectors(settings.home, release.model, load_embedder(release.model))
        most = settings.params.calibration.queries_max
        shown = ask_held_out(settings.home, vectors_of, search, queries_max=most)
        near = ask_held_out(settings.home, vectors_of, by_cosine(search), queries_max=most)
        labels = labelled(settings.home, index)
    asked, shown, near = shown, as_pairs(shown), as_pairs(near)
    say(f"{len(asked.products)} queries, {shown.is_same.sum()} of {shown.is_same.size} shown cards")
    say(f"are the product; {len(labels[0])} labelled pairs, {labels[1].sum()} the same\n")
    say("| curve | fitted on | calibration error | Brier score | log loss |\n|---|---|---|---|---|")
    for name, fit in (("logistic", fit_logistic), ("isotonic", fit_isotonic)):
        tell(name, "scores of held-out cards, other products", shown, cross_fitted(shown, fit))
        tell(name, "cosines of held-out cards, other products", near, cross_fitted(near, fit))
        tell(name, "labelled pairs of training photos", near, fit(*labels)(near.scores))
    base_rate = np.full(shown.scores.shape, shown.is_same.mean())
    tell("base rate", "held-out cards", shown, base_rate)
    say("\n| chosen | score | precision held out | answered | silent when absent |")
    say("|---|---|---|---|---|")
    curve = fit_logistic(shown.scores.ravel(), shown.is_same.ravel())
    for precision in PRECISIONS:
        found = abstention(asked, precision=precision, curve=curve)
        score = "none" if found.score is None else f"{found.score:.3f}"
        say(f"| {precision} | {score} | {found.precision_held_out} | {found.answered} | "
            f"{found.silent_when_absent} |")  # fmt: skip


def by_cosine(search: Search) -> Search:
    """The same cards in the same order, with the cosine of their nearest photo for a score."""
    return lambda vector: [card._replace(score=card.cosine) for card in search(vector)]


def as_pairs(shown: ShownCards) -> ShownCards:
    """Each shown card as a row of its own; places where fewer cards were found are left out."""
    there = ~np.isnan(shown.scores)
    rows = np.nonzero(there)[0]
    scores, is_same = shown.scores[there][:, None], shown.is_same[there][:, None]
    return ShownCards(scores, is_same, [shown.products[row] for row in rows.tolist()])


def labelled(home: Home, index: VectorIndex) -> tuple[Scores, NDArray[np.bool_]]:
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


def fit_isotonic(scores: Scores, is_same: NDArray[np.bool_]) -> Callable[[Scores], Probabilities]:
    """Zadrozny and Elkan 2002."""
    steps = IsotonicRegression(out_of_bounds="clip").fit(scores, is_same)
    return lambda asked: np.asarray(steps.predict(asked.ravel())).reshape(asked.shape)


def cross_fitted(shown: ShownCards, fit: Fit) -> Probabilities:
    """Probabilities by curves of other products."""
    fold, said = folds_of(shown.products), np.empty(shown.scores.shape)
    for number in np.unique(fold):
        curve = fit(shown.scores[fold != number].ravel(), shown.is_same[fold != number].ravel())
        said[fold == number] = curve(shown.scores[fold == number])
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
