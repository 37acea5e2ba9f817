"""What the boosted ranker and the online re-ranker add to the candidates, and at what time.

Two simulated shops that tower and head have never seen: in one the rankers learn, in the other they
are judged, by the truth (the photo's product) and by what the mean shopper would click. A visit is
a shopper who asks with a buyer's photo, sees 20 cards and clicks by rank and taste. Vectors of the
shops are kept; drawing and embedding them takes minutes, the rest some ten seconds.

python benchmarks/ranking.py --home home/simulator --kept /tmp/vectors
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from shopped import Rows, Street, open_street

from photosearch.catalog.schemas import Impression
from photosearch.evaluation.calibration import SameProbability, fit_logistic
from photosearch.evaluation.intervals import draw, mean_interval
from photosearch.evaluation.metrics import PerQuery
from photosearch.progress import configure_logging
from photosearch.ranking_settings import RankingParams
from photosearch.search.boosted_ranker import BoostedRanker
from photosearch.search.features import FEATURES, card_features
from photosearch.search.found import FoundCard
from photosearch.search.online_ranker import OnlineState, learn, rerank
from photosearch.search.popularity import Popularity
from photosearch.settings import load_params
from training.ranker import train_ranker
from training.ranker_trial import found_right, measure

NOBODY = Popularity({}, 0.0)
PARAMS = Path(__file__).parents[1] / "simulator" / "params.yaml"
TIMED = 200
SHARES = (0.125, 0.25, 0.375, 0.5, 0.75, 1.0)
"""Of `clicks_share`."""
WIDE = "online, margin 0.1, 20 places"
PAIRS = (
    ("ranker", "ranker, labels and clicks, steepness 1", "ranker, labels and clicks, steepness 0"),
    ("online", "online, steepness 1", "online, steepness 0"),
    (WIDE, WIDE, f"{WIDE}, steepness 0"),
)
Ordered = list[list[FoundCard]]
"""The cards of every query, best first."""


@dataclass(frozen=True, slots=True)
class School:
    """Where the rankers learn, and where they are judged."""

    learned: Street
    judged: Street
    learned_rows: list[Rows]
    judged_rows: list[Rows]
    ranking: RankingParams
    visits: int


def main() -> None:
    """Prints the tables of docs/experiments/ranking.md."""
    options = _options()
    configure_logging()
    school = open_school(options)
    plain = [answered.found for answered in school.judged.answers]
    before = scores(school.judged, [plain])
    say(f"{len(plain)} queries, {options.visits} visits, {options.seeds} seeds of visits\n")
    say("| way | recall@1 | nDCG@10 | MRR | shoppers' nDCG@10 |\n|---|---|---|---|---|")
    tell("candidates alone", before, before, school.judged)
    by_labels = train_ranker(school.learned.answers, [], school.ranking, model_id="x").running()
    ways: dict[str, Callable[[int], Ordered]] = {
        "ranker, labels": lambda _: boosted(by_labels, school.judged)
    }
    for steepness in (1.0, 0.5, 0.0):
        named = f"steepness {steepness:g}"
        with_it = debiased(school, steepness)
        ways[f"ranker, labels and clicks, {named}"] = lambda seed, s=with_it: boosted(
            ranker_of_clicks(s, seed), s.judged
        )
        ways[f"online, {named}"] = lambda seed, s=with_it: online_order(s, seed)
    for share in SHARES:
        in_part = shared(school, share)
        ways[f"ranker, labels and clicks, share {share:g}"] = lambda seed, s=in_part: boosted(
            ranker_of_clicks(s, seed), s.judged
        )
    wide = widened(school)
    ways[WIDE] = lambda seed: online_order(wide, seed)
    ways[f"{WIDE}, steepness 0"] = lambda seed: online_order(debiased(wide, 0.0), seed)
    by_way = {}
    for name, order in ways.items():
        by_way[name] = scores(school.judged, [order(seed) for seed in range(options.seeds)])
        tell(name, by_way[name], before, school.judged)
    say("\n| debiased, gain over raw clicks | recall@1 | nDCG@10 | MRR | shoppers' nDCG@10 |")
    say("|---|---|---|---|---|")
    for name, fair, biased in PAIRS:
        tell(name, by_way[fair], by_way[biased], school.judged)
    times(by_labels, school)


def open_school(options: argparse.Namespace) -> School:
    """Both shops, and what is known of each answer's cards."""
    model = options.home / "build" / "candidate"
    learned, judged = (
        open_street(model, options.kept, seed=seed, n_cards=options.cards)
        for seed in (options.learn, options.ask)
    )
    cosines = [card.cosine for answered in learned.answers for card in answered.found]
    right = np.concatenate([answered.is_right for answered in learned.answers])
    curve = fit_logistic(np.array(cosines), right)
    ranking = load_params(PARAMS).ranking
    return School(
        learned, judged, rows_of(learned, curve), rows_of(judged, curve), ranking, options.visits
    )


def rows_of(street: Street, curve: SameProbability) -> list[Rows]:
    """The features of every answer's cards."""
    return [
        dict(
            zip(
                (card.traits.card_id for card in answered.found),
                card_features(answered.found, answered.evidence, NOBODY, curve),
                strict=True,
            )
        )
        for answered in street.answers
    ]


def debiased(school: School, steepness: float) -> School:
    """The school that believes in another steepness of looking; 0 debiases nothing."""
    looks = school.ranking.propensity.model_copy(update={"steepness": steepness})
    ranking = school.ranking.model_copy(update={"propensity": looks})
    return School(school.learned, school.judged, school.learned_rows, school.judged_rows, ranking,
                  school.visits)  # fmt: skip


def shared(school: School, clicks_share: float) -> School:
    """The school whose boosted ranker counts what clicks teach in part; 1 counts all of it."""
    ranker = school.ranking.ranker.model_copy(update={"clicks_share": clicks_share})
    ranking = school.ranking.model_copy(update={"ranker": ranker})
    return School(school.learned, school.judged, school.learned_rows, school.judged_rows, ranking,
                  school.visits)  # fmt: skip


def widened(school: School) -> School:
    """The school whose online re-ranker may move cards further."""
    online = school.ranking.online.model_copy(update={"margin": 0.1, "places_max": 20})
    ranking = school.ranking.model_copy(update={"online": online})
    return School(school.learned, school.judged, school.learned_rows, school.judged_rows, ranking,
                  school.visits)  # fmt: skip


def asked(school: School, seed: int) -> list[int]:
    """Which query each visit asks."""
    random = np.random.default_rng(seed)
    return random.integers(0, len(school.learned.answers), school.visits).tolist()


def ranker_of_clicks(school: School, seed: int) -> BoostedRanker:
    """Trained on labels and on clicks that shoppers gave to candidates alone."""
    street, shown = school.learned, list[Impression]()
    for number, row in enumerate(asked(school, seed)):
        found, rows = street.answers[row].found, school.learned_rows[row]
        shown += street.visit(seed * 1_000_000 + number, row, found, rows)
    trained = train_ranker(street.answers, shown, school.ranking, model_id="x")
    return trained.running()


def online_order(school: School, seed: int) -> Ordered:
    """Learned from the clicks on its own orders, visit by visit; then it orders the other shop."""
    street, state, online = school.learned, OnlineState(), school.ranking.online
    for number, row in enumerate(asked(school, seed)):
        rows = school.learned_rows[row]
        ranked = rerank(street.answers[row].found, rows, state, online)
        shown = street.visit(seed * 1_000_000 + number, row, ranked, rows)
        state = learn(state, shown, online, school.ranking.propensity)
    return [
        rerank(answered.found, rows, state, online)
        for answered, rows in zip(school.judged.answers, school.judged_rows, strict=True)
    ]


def boosted(ranker: BoostedRanker, street: Street) -> Ordered:
    """Every answer in the order of a ranker."""
    return [ranker.rank(answered.found, answered.evidence) for answered in street.answers]


def scores(street: Street, orders: Sequence[Ordered]) -> dict[str, PerQuery]:
    """Metrics by name, one number a query: the mean over seeds."""
    by_seed = []
    for order in orders:
        right = [
            answered.is_right[[rows[card.traits.card_id] for card in cards]]
            for answered, cards in zip(street.answers, order, strict=True)
            for rows in [{c.traits.card_id: n for n, c in enumerate(answered.found)}]
        ]
        metrics = measure(street.answers, found_right(street.answers, right))
        by_seed.append(metrics | {"shoppers": street.shoppers_ndcg(order)})
    return {name: np.mean([one[name] for one in by_seed], axis=0) for name in by_seed[0]}


def tell(
    name: str, after: dict[str, PerQuery], before: dict[str, PerQuery], street: Street
) -> None:
    """One line: means, and gains with intervals that draw products anew."""
    drawn = draw([answered.product for answered in street.answers])
    cells = []
    for metric, values in after.items():
        gain = mean_interval(values - before[metric], drawn)
        told = "" if after is before else f" {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"
        cells.append(f"{values.mean():.3f}{told}")
    say(f"| {name} | {' | '.join(cells)} |")


def times(ranker: BoostedRanker, school: School) -> None:
    """Median microseconds of processor time of each step, one thread, over the first queries."""
    state, online = OnlineState(weights=[0.1] * (len(FEATURES) + 1)), school.ranking.online
    answers = school.judged.answers[:TIMED]
    steps: dict[str, Callable[[int], object]] = {
        "features": lambda n: ranker.features(answers[n].found, answers[n].evidence),
        "ranker, features too": lambda n: ranker.rank(answers[n].found, answers[n].evidence),
        "ranker, explained": lambda n: ranker.rank(
            answers[n].found, answers[n].evidence, explain=True
        ),
        "online": lambda n: rerank(answers[n].found, school.judged_rows[n], state, online),
    }
    cards = np.mean([len(answered.found) for answered in answers])
    say(f"\n| step, {cards:.0f} cards found | processor time, median, us |\n|---|---|")
    for name, step in steps.items():
        took = []
        for number in range(len(answers)):
            started = time.process_time()
            step(number)
            took.append(time.process_time() - started)
        say(f"| {name} | {np.median(took) * 1e6:.0f} |")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="Its candidate makes the vectors.")
    parser.add_argument("--kept", type=Path, required=True, help="Vectors of the shops.")
    parser.add_argument("--learn", type=int, default=31, help="Seed of the shop to learn in.")
    parser.add_argument("--ask", type=int, default=37, help="Seed of the shop to be judged in.")
    parser.add_argument("--cards", type=int, default=600, help="Of each shop.")
    parser.add_argument("--visits", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=3, help="Of visits.")
    return parser.parse_args()


if __name__ == "__main__":
    main()
