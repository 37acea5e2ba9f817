"""What pairs that shoppers told apart do for the head: clicks, weak labels, heads with and without.

    python benchmarks/weak_pairs.py --home home/simulator --visits 40000 --seeds 3

Shoppers of the simulator ask with the buyers' photos of training and see cards as a head without
weak pairs puts them in order; their clicks become weak pairs by the rules of params.yaml. Heads of
the same seeds are trained with these pairs too, and asked photo -> card with photos that nobody
clicked for. The home stays as it is. Intervals: bootstrap over products, 95%; differences are
paired.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from photosearch.assembly import load_settings
from photosearch.catalog.schemas import CuratedPhoto, WeakPair
from photosearch.catalog.tables import read_rows, write_table
from photosearch.embedding.model import read_model
from photosearch.evaluation.benchmark import measure
from photosearch.evaluation.intervals import draw, mean_interval
from photosearch.evaluation.metrics import PerQuery
from photosearch.evaluation.photo_to_card import Task, cached_vectors, load_task, rank_task
from photosearch.feedback.answer_outcomes import Outcome
from photosearch.feedback.schemas import Answer, ShownCard
from photosearch.feedback.weak_labels import pair_looks, weak_pairs
from photosearch.home import Home
from photosearch.progress import configure_logging, track
from photosearch.settings import Settings
from simulator.dice import dice
from simulator.shoppers import clicks
from simulator.world import World
from training.fit import train_head

WEIGHTS = (0.5, 1.0)
"""Of a weak pair beside a person's answer; 0 is what they are compared with."""
SHOWN = 20
METRIC = "recall_at_1"
AT = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Prints the table of docs/experiments/feedback.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, required=True, help="a simulator's, trained")
    parser.add_argument("--visits", type=int, default=40_000)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    configure_logging()
    settings, seeds = load_settings(asked.home), range(asked.seeds)
    task = load_task(settings.home)
    with home_of_its_own(settings.home) as work:
        plain = [recall(work, settings, task, seed=seed, weight=0.0) for seed in seeds]
        weak = told_apart(work, settings, task, asked.visits)
        write_table(work.weak_pairs, WeakPair, weak)
        tell(task, "0", plain, plain)
        for weight in WEIGHTS:
            by_seed = [recall(work, settings, task, seed=seed, weight=weight) for seed in seeds]
            tell(task, f"{weight:g}", by_seed, plain)


@contextmanager
def home_of_its_own(home: Home) -> Iterator[Home]:
    """A home that shares with `home` what a head learns from; its events and model are its own."""
    with tempfile.TemporaryDirectory() as folder:
        work = Home(Path(folder))
        work.weak_pairs.parent.mkdir(parents=True)
        work.build.mkdir()
        for own, shared in (
            (work.catalog, home.catalog),
            (work.images, home.images),
            (work.labels.parent, home.labels.parent),
            (work.tower, home.tower),
            (work.curated, home.curated),
            (work.tokens, home.tokens),
        ):
            own.symlink_to(shared.resolve())
        yield work


def recall(work: Home, settings: Settings, task: Task, *, seed: int, weight: float) -> PerQuery:
    """Trains a head and asks it; recall@1 of each query at its longest vectors."""
    head = settings.params.head.model_copy(update={"seed": seed, "weak_pairs": weight})
    report = train_head(work, head)
    say(f"seed {seed}, weight {weight:g}: {report.look_alike_products} products with look-alikes")
    longest = read_model(work.candidate).head.lengths[0]
    ranked = rank_task(task, cached_vectors(work, work.candidate), (longest,))
    return measure(ranked[longest])[METRIC]


def told_apart(work: Home, settings: Settings, task: Task, n_visits: int) -> list[WeakPair]:
    """What clicks say of pairs, by the head that was trained last; and how often they are right."""
    params = settings.params
    world = World(params.simulator.seed, params.simulator.cards)
    looked = pair_looks(visits(work, world, n_visits), {}, params.ranking.propensity)
    weak, undecided = weak_pairs(looked, params.feedback.weak_pairs)
    card_of = {photo.photo_id: photo.card_id for photo in task.gallery}
    right = Counter(
        (pair.answer, is_same == (pair.answer == "same"))
        for pair in weak
        for is_same in [
            task.group_of_card[card_of[pair.photo_a]] == task.group_of_card[card_of[pair.photo_b]]
        ]
    )
    say(f"\n{n_visits} visits, {len(looked)} pairs were looked at; undecided: {undecided}\n")
    say("| weak label | pairs | true |\n|---|---|---|")
    for answer in ("same", "different"):
        n = right[answer, True] + right[answer, False]
        say(f"| {answer} | {n} | {right[answer, True] / max(n, 1):.3f} |")
    return weak


def visits(work: Home, world: World, n_visits: int) -> list[Outcome]:
    """Shoppers who ask with buyers' photos of training, each by chance."""
    photos = read_rows(work.curated / "photos.parquet", CuratedPhoto)
    gallery = [photo for photo in photos if photo.kind == "gallery"]
    queries = [photo for photo in photos if photo.kind == "review" and photo.split == "train"]
    vectors_of = cached_vectors(work, work.candidate)
    orders = np.argsort(-(vectors_of(queries) @ vectors_of(gallery).T), axis=1, kind="stable")
    shown = [nearest([gallery[place] for place in order.tolist()]) for order in orders]
    drawn = dice(world.seed, "asked").integers(0, len(queries), n_visits).tolist()
    return [
        visit(world, number, number_of(queries[query].card_id), shown[query])
        for number, query in enumerate(track(drawn, "visits", n_visits))
    ]


def nearest(photos: Sequence[CuratedPhoto]) -> list[ShownCard]:
    """The first cards, each by its nearest photo."""
    first: dict[str, str] = {}
    for photo in photos:
        first.setdefault(photo.card_id, photo.photo_id)
    return [
        ShownCard(card_id, photo_id, rank, {})
        for rank, (card_id, photo_id) in enumerate(list(first.items())[:SHOWN], start=1)
    ]


def visit(world: World, number: int, wanted: int, shown: list[ShownCard]) -> Outcome:
    """What one shopper saw and clicked."""
    clicked = clicks(world, number, wanted, [number_of(card.card_id) for card in shown])
    answer = Answer(f"{number:032x}", AT, f"shopper-{number}", "", "", "", "", shown)
    chosen = (card.card_id for card, is_one in zip(shown, clicked, strict=True) if is_one)
    return Outcome(answer, answer.shopper, shown, frozenset(chosen))


def number_of(card_id: str) -> int:
    return int(card_id.removeprefix("c"))


def tell(task: Task, name: str, by_seed: list[PerQuery], plain: list[PerQuery]) -> None:
    """A row of the table, with its head where it is the first."""
    if by_seed is plain:
        say(f"\n{len(task.queries)} queries, {len(plain)} seeds\n")
        say("| weight | recall@1 | gain | of unseen products, gain |\n|---|---|---|---|")
    mean, before = np.mean(by_seed, axis=0), np.mean(plain, axis=0)
    told = []
    for some in (np.ones_like(task.is_seen), ~task.is_seen):
        groups = [task.group_of_card[q.card_id] for q in np.array(task.queries, object)[some]]
        told.append(str(mean_interval((mean - before)[some], draw(groups))))
    say(f"| {name} | {mean.mean():.3f} | {' | '.join(told)} |")


def say(line: str) -> None:
    """A line of the tables, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
