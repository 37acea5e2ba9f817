"""Does learning from shoppers raise what shoppers want? And does chance, or a machine, move it?

Shoppers of a simulated shop search round by round; their answers and events go through the log of
events, and what is learned between rounds is what `photosearch learn` learns. In use is only what
the guard lets be used. Judged in a second shop, by what the mean shopper there would click.

python benchmarks/feedback.py --home home/simulator --kept /tmp/vectors
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from crowds import CROWDS, Crowd, shopper
from ranking import School, asked, boosted, open_school, scores, tell, widened
from shopped import SHOWN, open_street

from photosearch.catalog.schemas import CuratedPhoto, Impression
from photosearch.catalog.tables import read_rows, write_table
from photosearch.evaluation.intervals import draw, mean_interval
from photosearch.evaluation.metrics import PerQuery
from photosearch.feedback.impressions import FeedbackReport, keep_feedback
from photosearch.feedback.online_learning import OnlineReport, learn_from_log, read_learner
from photosearch.feedback.schemas import Answer, Event, ShownCard
from photosearch.feedback.store import EventStore, open_store
from photosearch.home import Home
from photosearch.progress import configure_logging
from photosearch.search.boosted_ranker import BoostedRanker
from photosearch.search.features import named
from photosearch.search.online_ranker import OnlineState, read_state, rerank
from photosearch.settings import Params, load_params
from training.ranker import RankerReport, choose_ranker
from training.ranker_data import Answered

PARAMS = Path(__file__).parents[1] / "simulator" / "params.yaml"
AT_ONCE = 100
"""Visits of which the events wait for one commit: one commit a visit costs a disk's time each."""


@dataclass(frozen=True, slots=True)
class Lived:
    """What a crowd's visits came to, with one seed."""

    gains: list[PerQuery]
    """Of shoppers' nDCG@10 in the second shop over no re-ranker, after each round, by query."""
    unguarded: list[PerQuery]
    """What they would be if the learner's state were used whatever the guard says."""
    reports: list[OnlineReport]
    ranker: BoostedRanker | None = None
    """What a release would rank with, from the tables; None: nothing."""
    trial: RankerReport | None = None
    """Why; None where it was not asked for."""


def main() -> None:
    """Prints the tables of docs/experiments/feedback.md."""
    options = _options()
    configure_logging()
    params, school = load_params(PARAMS), open_school(options)
    held_out = open_street(
        options.home / "build" / "candidate", options.kept,
        seed=options.hold_out, n_cards=options.cards,
    ).answers  # fmt: skip
    before = judged(school, OnlineState())
    products = [answered.product for answered in school.judged.answers]
    each = options.visits // options.rounds
    say(
        f"{len(before)} queries, {options.rounds} rounds of {each} visits, {options.seeds} seeds; "
        f"shoppers' nDCG@10 without learning {before.mean():.3f}\n"
    )
    told = " | ".join(f"after {each * (n + 1)}" for n in range(options.rounds))
    say(f"| crowd | {told} | each seed, at the end | verdicts |")
    say("|---|" + "---|" * (options.rounds + 2))
    by_crowd = {}
    for name in options.crowds:
        by_crowd[name] = [
            live(school, params, CROWDS[name], seed, options.rounds, held_out=held_out)
            for seed in range(options.seeds)
        ]
        tell_rounds(name, by_crowd[name], products)
    if options.wide:
        wide = [
            live(widened(school), params, shopper, seed, options.rounds)
            for seed in range(options.seeds)
        ]
        tell_rounds("shoppers, margin 0.1, 20 places", wide, products)
    tell_rankers(school, by_crowd)


def live(  # noqa: PLR0913 - options have names
    school: School, params: Params, crowd: Crowd, seed: int, n_rounds: int, *,
    held_out: Sequence[Answered] = (),
) -> Lived:  # fmt: skip
    """Rounds of visits, each followed by learning from the log; then a ranker from the tables.

    The ranker's trial asks `held_out` for truth; none: no ranker is trained.
    """
    before, gains, unguarded, reports = judged(school, OnlineState()), [], [], []
    visits = list(enumerate(asked(school, seed)))
    with TemporaryDirectory(prefix="photosearch-feedback-") as folder:
        home = Home(Path(folder))
        with closing(open_store(f"sqlite:///{home.event_log}")) as log:
            for part in np.array_split(np.array(visits), n_rounds):
                visit_all(school, log, read_state(home.states), crowd, part.tolist(), seed=seed)
                report = learn_from_log(
                    home.states, log, school.ranking, params.feedback, now=settled(params)
                )
                reports.append(report)
                gains.append(judged(school, read_state(home.states)) - before)
                unguarded.append(judged(school, read_learner(home.states).state) - before)
            lived = Lived(gains, unguarded, reports)
            if held_out:
                ranker, trial = ranker_from(home, log, school, params, held_out)
                lived = replace(lived, ranker=ranker, trial=trial)
    return lived


def visit_all(  # noqa: PLR0913 - as above
    school: School, log: EventStore, state: OnlineState, crowd: Crowd,
    visits: Sequence[Sequence[int]], *, seed: int,
) -> None:  # fmt: skip
    """Visits of one round: AT_ONCE share a commit, all are durable when it returns."""
    for first in range(0, len(visits), AT_ONCE):
        some = [
            visit(school, log, state, crowd, (seed * 1_000_000 + number, row))
            for number, row in visits[first : first + AT_ONCE]
        ]
        for kept in some:
            kept.result()
    if log.answers_dropped:
        raise RuntimeError(f"{log.answers_dropped} answers were not logged: lower AT_ONCE.")


def visit(
    school: School, log: EventStore, state: OnlineState, crowd: Crowd, which: tuple[int, int]
) -> Future[int]:
    """One search: what is shown and what comes of it go into the log.

    Args:
        school: The shop to learn in is visited.
        log: Has the visit written soon; the future is done once it is durable.
        state: In use at the time.
        crowd: Who visits.
        which: Number of the visit, and the query it asks.
    """
    number, row = which
    street, rows = school.learned, school.learned_rows[row]
    ranked = rerank(street.answers[row].found, rows, state, school.ranking.online)[:SHOWN]
    key, clicked = crowd(street, number, row, ranked)
    now, query_id = datetime.now(UTC), f"{number:032x}"
    cards = [
        ShownCard(card.traits.card_id, card.photo_id, rank, named(rows[card.traits.card_id]))
        for rank, card in enumerate(ranked, start=1)
    ]
    log.log_answer(Answer(query_id, now, key, "benchmark", "", "", "", cards))
    done = [("impression", card) for card in cards]
    done += [("click", card) for card, is_one in zip(cards, clicked, strict=True) if is_one]
    return log.keep_soon([
        Event(event_id=f"{query_id}-{n}", kind=kind, shopper=key, query_id=query_id,
              card_id=card.card_id, rank=card.rank, at=now)
        for n, (kind, card) in enumerate(done)
    ])  # fmt: skip


def ranker_from(
    home: Home, log: EventStore, school: School, params: Params, held_out: Sequence[Answered]
) -> tuple[BoostedRanker | None, RankerReport]:
    """The tables that the log becomes, and the ranker that a release would get of them.

    Neither the shop to learn in nor the one to be judged in decides what is kept: truth is asked of
    `held_out`, photos of a third one.
    """
    write_table(home.curated / "photos.parquet", CuratedPhoto, [])
    say_left_out(keep_feedback(home, log, params, now=settled(params)))
    trained, report = choose_ranker(
        school.learned.answers, held_out, read_rows(home.impressions, Impression),
        school.ranking, model_id="x",
    )  # fmt: skip
    return trained.running() if report.trial.is_better else None, report


def settled(params: Params) -> datetime:
    """A time at which all that was shown until now counts."""
    return datetime.now(UTC) + timedelta(minutes=params.feedback.settle_minutes + 1)


def judged(school: School, state: OnlineState) -> PerQuery:
    """Shoppers' nDCG@10 of the second shop re-ranked by a state, by query."""
    orders = [
        rerank(answered.found, rows, state, school.ranking.online)
        for answered, rows in zip(school.judged.answers, school.judged_rows, strict=True)
    ]
    return school.judged.shoppers_ndcg(orders)


def tell_rounds(name: str, lived: Sequence[Lived], products: Sequence[str]) -> None:
    """Two lines: the mean gain over seeds after each round, with intervals that draw products."""
    drawn = draw(products)
    verdicts = ", ".join("/".join(report.verdict for report in one.reports) for one in lived)
    for told, gains in (
        (name, [one.gains for one in lived]),
        (f"{name}, unguarded", [one.unguarded for one in lived]),
    ):
        cells = []
        for of_round in zip(*gains, strict=True):
            gain = mean_interval(np.mean(of_round, axis=0), drawn)
            cells.append(f"{gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]")
        ends = ", ".join(f"{one[-1].mean():+.4f}" for one in gains)
        say(f"| {told} | {' | '.join(cells)} | {ends} | {verdicts} |")


def tell_rankers(school: School, by_crowd: dict[str, list[Lived]]) -> None:
    """What releases would rank with: in the second shop by both measures, and why."""
    plain = [answered.found for answered in school.judged.answers]
    before = scores(school.judged, [plain])
    say("\n| crowd | recall@1 | nDCG@10 | MRR | shoppers' nDCG@10 |\n|---|---|---|---|---|")
    tell("candidates alone", before, before, school.judged)
    for name, lived in by_crowd.items():
        orders = [boosted(one.ranker, school.judged) if one.ranker else plain for one in lived]
        after = scores(school.judged, orders)
        tell(f"what goes live, {name}", after, before, school.judged)
    say("\n| crowd | seed | clicks taught | the trial |\n|---|---|---|---|")
    for name, lived in by_crowd.items():
        for seed, one in enumerate(lived):
            if one.trial:
                why = one.trial.refused or one.trial.trial.reason
                say(f"| {name} | {seed} | {one.trial.lessons_of_clicks} | {why} |")


def say_left_out(report: FeedbackReport) -> None:
    sys.stderr.write(f"{report}\n")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="Its candidate makes the vectors.")
    parser.add_argument("--kept", type=Path, required=True, help="Vectors of the shops.")
    parser.add_argument("--learn", type=int, default=31, help="Seed of the shop to learn in.")
    parser.add_argument("--ask", type=int, default=37, help="Seed of the shop to be judged in.")
    parser.add_argument("--hold-out", type=int, default=41,
                        help="Seed of the shop whose photos the trial asks for truth.")  # fmt: skip
    parser.add_argument("--cards", type=int, default=600, help="Of each shop.")
    parser.add_argument("--visits", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3, help="Of visits.")
    parser.add_argument("--crowds", nargs="*", default=list(CROWDS), choices=CROWDS)
    parser.add_argument("--wide", action=argparse.BooleanOptionalAction, default=True,
                        help="Also a re-ranker that may move cards further.")  # fmt: skip
    return parser.parse_args()


if __name__ == "__main__":
    main()
