"""Words to cards by BM25, by vectors and by both; photo and words; likes; more like this card.

Two simulated shops, both seen by --home's candidate, whose own shop is another. Half of a shop's
product groups is learned from (aligner, refiner), cards of the other half are `unseen`. Weights of
fusion and of likes are chosen on the first shop and reported on the second. Shoppers' words are
made by shop_queries.py: word order, cases and letters differ from the titles. Vectors and what was
learned are kept.

python benchmarks/text_search.py --home home/simulator --kept /tmp/vectors
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import numpy as np
from shop_queries import TextQuery, text_queries
from text_search_likes import alike_report, likes_report
from text_search_measures import Fuse, best_weights, fused_by, measured_ways, recalls_of
from text_search_shops import BUYERS, HITS, Place, asked_triplets, names_of, open_place

from photosearch.progress import configure_logging
from photosearch.search.candidates import nearest_cards
from photosearch.search.fusion import Scores, by_ranks
from photosearch.settings import Params, load_params
from training.triplets import Triplet

LISTS = ("words", "pieces", "vectors")


def main() -> None:
    """Prints everything as JSON."""
    options = _options()
    configure_logging()
    params, model = load_params(options.params), options.home / "build" / "candidate"
    with tempfile.TemporaryDirectory() as folder:
        tuning, tested = (
            open_place(params, model, options, seed=seed, folder=Path(folder) / str(seed))
            for seed in (options.tuned_on, options.seed)
        )
        parts: dict[str, Callable[[], dict[str, object]]] = {
            "text": lambda: text_report(tuning, tested),
            "photo": lambda: photo_report(tuning, tested, params),
            "likes": lambda: likes_report(tuning, tested, params),
            "alike": lambda: alike_report(tested),
        }
        report = {"cards": options.cards} | {part: parts[part]() for part in options.parts}
    sys.stdout.write(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


def text_report(tuning: Place, tested: Place) -> dict[str, object]:
    """Recall of each way, slice by slice; fusion's weights chosen on the tuning shop."""
    ways = {name: _alone(n) for n, name in enumerate(LISTS)}
    ways["words + vectors, rrf"] = lambda lists: by_ranks(lists, (1, 0, 1), k=60)
    ways["all three, rrf"] = lambda lists: by_ranks(lists, (1, 1, 1), k=60)
    tried = [(titles, *text_lists(tuning, titles, every=8)[:2])
             for titles in (None, "English", "Russian")]  # fmt: skip
    chosen, fused = best_weights(
        [found for _, _, lists in tried for found in lists],
        [names_of(query.right) for _, queries, _ in tried for query in queries],
        [f"{one.language} {titles} {one.is_mistyped}" for titles, of, _ in tried for one in of],
    )
    used = tested.side.facts.params
    ways["in use"] = fused_by(used.fusion, [used.text.words, used.text.pieces, used.text.vectors])
    ways |= {f"{name}, weights chosen": fuse for name, fuse in fused.items()}
    queries, lists, took = text_lists(tested, None, every=2)
    report: dict[str, object] = {"queries": len(queries), "chosen": chosen, "ms": took}
    report["all"] = measured_ways(queries, lists, ways)
    for language, mistyped in product(("English", "Russian"), (False, True)):
        keep = [q.language == language and q.is_mistyped == mistyped for q in queries]
        report[f"{language}, {'mistyped' if mistyped else 'typed right'}"] = measured_ways(
            queries, lists, ways, keep
        )
    for name, wanted in (("seen", True), ("unseen", False)):
        report[name] = measured_ways(
            queries, lists, ways, [bool(tested.is_learned[q.card]) == wanted for q in queries]
        )
    for language, other in (("English", "Russian"), ("Russian", "English")):
        asked, found, _ = text_lists(tested, other, every=2)
        keep = [q.language == language and not q.is_mistyped for q in asked]
        report[f"{language}, titles in {other} only"] = measured_ways(asked, found, ways, keep)
    return report


def text_lists(
    place: Place, titles: str | None, *, every: int
) -> tuple[list[TextQuery], list[list[Scores]], dict[str, float]]:
    """Queries of a shop, the three lists of each, and ms of processor time a query of each list."""
    words = place.side.words if titles is None else place.one_language[titles]
    queries = text_queries(place.world, range(0, place.world.n_cards, every), seed=7)
    took = dict.fromkeys((*LISTS, "fusion"), 0.0)
    lists = []
    for query in queries:
        found: list[Scores] = []
        for side in ("words", "pieces"):
            with _timed(took, side):
                hits = words.find(query.text, side=side, limit=HITS)
            found.append({hit.card_id: hit.score for hit in hits})
        with _timed(took, "vectors"):
            vector = place.side.vector_of(query.text)
            near = nearest_cards(place.index, vector, hits_per_query=HITS)
        found.append({card.card_id: card.score for card in near})
        with _timed(took, "fusion"):
            by_ranks(found, (1, 1, 1), k=60)
        lists.append(found)
    return queries, lists, {name: round(ms / len(queries), 3) for name, ms in took.items()}


def photo_report(tuning: Place, tested: Place, params: Params) -> dict[str, object]:
    """Recall@10 of the card that differs from the photo's by what the words say."""
    ways: dict[str, Fuse] = {
        "photo alone": lambda lists: by_ranks([lists[2]], [1], k=60),
        "refined": lambda lists: by_ranks([lists[3]], [1], k=60),
        "photo + words, rrf": lambda lists: by_ranks([lists[0], lists[2]], [1, 1], k=60),
        "refined + words, rrf": lambda lists: by_ranks([lists[0], lists[3]], [1, 1], k=60),
    }
    asked, lists = photo_lists(tuning, params)
    right = [set(one.right) for one in asked]
    chosen: dict[str, object] = {}
    for name, vector in (("photo", 2), ("refined", 3)):
        three = [[found[0], found[1], found[vector]] for found in lists]
        best, fused = best_weights(three, right, [" and ".join(one.changes) for one in asked])
        chosen[name] = best
        for fusion, fuse in fused.items():
            ways[f"{name} + words, {fusion}, weights chosen"] = _with_vector(fuse, vector)
    asked, lists = photo_lists(tested, params)
    right = [set(one.right) for one in asked]
    cards = np.array([one.source for one in asked])
    slices: dict[str, dict[str, list[float]]] = {}
    for changes in sorted({one.changes for one in asked}):
        keep = [one.changes == changes for one in asked]
        slices[" and ".join(changes)] = recalls_of(ways, lists, right, cards, keep)
    every = [True] * len(asked)
    macro = {
        way: round(float(np.mean([made[way][0] for made in slices.values()])), 3) for way in ways
    }
    all_of_them = recalls_of(ways, lists, right, cards, every)
    return {"chosen": chosen, "all": all_of_them, "mean of slices": macro, "slices": slices}


def photo_lists(place: Place, params: Params) -> tuple[list[Triplet], list[list[Scores]]]:
    """Triplets of unseen cards; lists by words, pieces, near the photo, near the refined vector.

    The source's own group, and learned cards that would be right too, are left out.
    """
    asked, texts = asked_triplets(place, params)
    row_of = {card.card_id: row for row, card in enumerate(place.shop.cards)}
    groups = place.shop.groups
    lists = []
    for one, text in zip(asked, texts, strict=True):
        source = row_of[one.source]
        out = {c.card_id for c in place.shop.cards if c.group_id == groups[source]}
        photo = place.shop.vectors[source, BUYERS]
        found: list[Scores] = []
        for side in ("words", "pieces"):
            hits = place.side.words.find(text, side=side, limit=HITS)
            found.append({hit.card_id: hit.score for hit in hits})
        for vector in (photo, place.side.refined(photo, text)):
            near = nearest_cards(place.index, vector, hits_per_query=HITS)
            found.append({card.card_id: card.score for card in near})
        lists.append([{c: s for c, s in one.items() if c not in out} for one in found])
    return asked, lists


def _alone(number: int) -> Fuse:
    return lambda lists: by_ranks([lists[number]], [1], k=60)


def _with_vector(fuse: Fuse, number: int) -> Fuse:
    return lambda lists: fuse([lists[0], lists[1], lists[number]])


@contextmanager
def _timed(took: dict[str, float], name: str) -> Iterator[None]:
    started = time.process_time()
    yield
    took[name] += (time.process_time() - started) * 1000


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="whose candidate sees the shops")
    parser.add_argument("--params", type=Path, default=Path("simulator/params.yaml"))
    parser.add_argument("--kept", type=Path, required=True, help="folder for vectors")
    parser.add_argument("--cards", type=int, default=400)
    parser.add_argument("--tuned-on", type=int, default=31, help="seed of the first shop")
    parser.add_argument("--parts", nargs="+", default=["text", "photo", "likes", "alike"])
    parser.add_argument("--seed", type=int, default=37, help="seed of the second shop")
    return parser.parse_args()


if __name__ == "__main__":
    main()
