"""`photosearch benchmark`: one benchmark for every model, by task, way, length and slice."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from photosearch.catalog.pull import load_snapshot
from photosearch.evaluation.contender import (
    PAIRS,
    PHOTO,
    Answers,
    Contender,
    Outcome,
    ask_everything,
)
from photosearch.evaluation.grades import graded_ndcg
from photosearch.evaluation.held_out import HeldOut
from photosearch.evaluation.intervals import Drawn, Estimate, draw, mean_interval
from photosearch.evaluation.verification import pair_metrics
from photosearch.evaluation.views import WHOLE

GRADED = "graded relevance"
HEADLINE = "recall_at_1"
"""What two models are compared by."""
TOLD = ("recall_at_1", "recall_at_5", "recall_at_10", "mrr", "map_at_10", "ndcg_at_10")
Estimates = dict[str, Estimate]


@dataclass(frozen=True, slots=True)
class Row:
    """One task asked in one way at one length, over one slice of the queries."""

    task: str
    way: str
    length: int
    slice: str
    queries: int
    """Pairs, where pairs are judged."""
    products: int
    """Intervals resample them."""
    model: Estimates
    """Metrics by name."""
    champion: Estimates | None
    """None where it cannot do the task, or nobody is compared with."""
    gain: Estimate | None
    """Of the headline metric, on the same queries."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A task that a model was not measured by."""

    task: str
    model: str
    reason: str


@dataclass(frozen=True, slots=True)
class BenchmarkReport:
    model: str
    model_id: str
    champion: str
    """Empty: compared with nobody."""
    champion_id: str
    data_version: str
    queries: int
    """Held-out photos that ask."""
    cards: int
    """In the gallery."""
    gallery_photos: int
    drawn_boxes: int
    """Queries with a box in data/labels; the others' boxes are the middle of the photo."""
    rows: list[Row]
    skipped: list[Skipped]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The report, and what its pictures are made of."""

    report: BenchmarkReport
    model: Outcome
    champion: Outcome | None


def run_benchmark(held: HeldOut, model: Contender, champion: Contender | None) -> Benchmark:
    """Asks both models everything they can do; writes nothing but a folder that goes again."""
    outcomes = []
    for contender in filter(None, (model, champion)):
        with TemporaryDirectory(prefix="photosearch-") as folder:
            outcomes.append(ask_everything(held, contender, Path(folder)))
    mine, theirs = outcomes[0], outcomes[1] if champion else None
    skipped = [
        Skipped(task, contender.name, reason)
        for contender, outcome in zip(filter(None, (model, champion)), outcomes, strict=True)
        for task, reason in outcome.skipped.items()
    ]
    if not held.grades:
        skipped.append(Skipped(GRADED, "all", f"there is no {held.home.relevance.name}"))
    report = BenchmarkReport(
        model.name,
        model.model_id,
        champion.name if champion else "",
        champion.model_id if champion else "",
        load_snapshot(held.home.catalog).data_version,
        queries=len(held.queries),
        cards=len({photo.card_id for photo in held.gallery}),
        gallery_photos=len(held.gallery),
        drawn_boxes=sum(photo.photo_id in held.boxes for photo in held.queries),
        rows=[
            *_card_rows(held, mine, theirs),
            *_graded_rows(held, mine, theirs),
            *_pair_rows(held, mine, theirs),
        ],
        skipped=skipped,
    )
    return Benchmark(report, mine, theirs)


def _card_rows(held: HeldOut, mine: Outcome, theirs: Outcome | None) -> Iterator[Row]:
    """Every task that looks for cards: all ways, lengths and slices."""
    for (task, way), answers in mine.answers.items():
        asked = mine.asked[task, way]
        others: Answers = theirs.answers.get((task, way), {}) if theirs else {}
        for name, members in held.slices(asked.products, asked.cards).items():
            drawn = draw([p for p, keep in zip(asked.products, members, strict=True) if keep])
            for length, answered in answers.items():
                other = others.get(length)
                yield Row(
                    task, way, length, name,
                    queries=int(members.sum()),
                    products=drawn.times.shape[1],
                    model=_means(answered.per_query, members, drawn),
                    champion=_means(other.per_query, members, drawn) if other else None,
                    gain=_gain(answered.per_query, other.per_query, members, drawn)
                    if other
                    else None,
                )  # fmt: skip


def _means(
    per_query: Mapping[str, NDArray[np.float64]], members: NDArray[np.bool_], drawn: Drawn
) -> Estimates:
    return {name: mean_interval(per_query[name][members], drawn) for name in TOLD}


def _gain(
    mine: Mapping[str, NDArray[np.float64]],
    theirs: Mapping[str, NDArray[np.float64]],
    members: NDArray[np.bool_],
    drawn: Drawn,
) -> Estimate:
    """Paired: both models answer the same queries of the same resamples."""
    return mean_interval((mine[HEADLINE] - theirs[HEADLINE])[members], drawn)


def _graded_rows(held: HeldOut, mine: Outcome, theirs: Outcome | None) -> Iterator[Row]:
    """By grades, over the queries that have any."""
    asked = mine.asked[PHOTO, WHOLE]
    rows = [row for row, name in enumerate(asked.names) if name in held.grades]
    if not rows:
        return
    grades = [held.grades[asked.names[row]] for row in rows]
    drawn = draw([asked.products[row] for row in rows])

    def measured(outcome: Outcome, length: int) -> NDArray[np.float64]:
        shown = outcome.answers[PHOTO, WHOLE][length].shown
        return graded_ndcg([shown[row] for row in rows], grades)

    for length in mine.answers[PHOTO, WHOLE]:
        own, other = measured(mine, length), None
        if theirs and length in theirs.answers[PHOTO, WHOLE]:
            other = measured(theirs, length)
        name = "graded_ndcg_at_10"
        yield Row(
            GRADED, WHOLE, length, "all", len(rows), drawn.times.shape[1],
            model={name: mean_interval(own, drawn)},
            champion=None if other is None else {name: mean_interval(other, drawn)},
            gain=None if other is None else mean_interval(own - other, drawn),
        )  # fmt: skip


def _pair_rows(held: HeldOut, mine: Outcome, theirs: Outcome | None) -> Iterator[Row]:
    """Same-object verification: all slices, and the pairs that are hard to tell apart."""
    pairs = held.pairs
    cards = [held.pool[row].card_id for row in pairs.first.tolist()]
    slices = held.slices(pairs.products, cards) if mine.judged else {}
    if mine.judged:
        slices["look-alikes"] = pairs.is_same | pairs.is_hard
    for name, keep in slices.items():
        if pairs.is_same[keep].all() or not pairs.is_same[keep].any():
            continue
        drawn = draw([p for p, kept in zip(pairs.products, keep, strict=True) if kept])
        for length, judged in mine.judged.items():
            other = theirs.judged.get(length) if theirs else None
            yield Row(
                PAIRS, "pairs", length, name, int(keep.sum()), drawn.times.shape[1],
                model=pair_metrics(pairs, judged, keep, drawn),
                champion=pair_metrics(pairs, other, keep, drawn) if other else None,
                gain=None,
            )  # fmt: skip
