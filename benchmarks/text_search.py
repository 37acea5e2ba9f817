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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from shop_queries import TextQuery, catalogue_reviews, in_one_language, text_queries
from simulated_shop import Shop, simulated_shop

from photosearch.catalog.schemas import Card
from photosearch.embedding.aligner import read_aligner, save_aligner
from photosearch.embedding.embedder import Vectors
from photosearch.embedding.model import read_model
from photosearch.embedding.ngrams import ngram_encoder
from photosearch.index.filters import listing_of
from photosearch.index.text_index import TextIndex, write_text_index
from photosearch.index.vector_index import ExactIndex
from photosearch.progress import configure_logging
from photosearch.search.alike import cards_like
from photosearch.search.candidates import nearest_cards
from photosearch.search.card_texts import card_texts, reviews_by_card
from photosearch.search.fusion import Scores, by_ranks, by_scores
from photosearch.search.likes import moved_by_likes
from photosearch.search.query import Candidate
from photosearch.search.refine import read_refiner, save_refiner
from photosearch.search.text_search import TextFacts, TextSearch
from photosearch.settings import Params, load_params
from photosearch.text_search_settings import LikesParams, TextSearchParams
from simulator.world import World
from training.triplets import Triplet, triplets_from_cards

LISTS = ("words", "pieces", "vectors")
WEIGHTS = (0.0, 0.1, 0.3, 1.0)
TUNED_ON = 600
"""Queries of the first shop that choose weights."""
BUYERS = 2
HITS = 100
ASKED_A_CARD = 5
RESAMPLES = 1000
LIKED_MOST = 3
LIKES_GRID = tuple(product((0.75, 1.5, 3.0), (0.0, 0.15, 0.5, 1.0), (0.5, 0.7, 0.85)))

Fuse = Callable[[Sequence[Scores]], dict[str, float]]


@dataclass(frozen=True, slots=True)
class Place:
    """A shop with everything that searches it."""

    world: World
    shop: Shop
    is_learned: NDArray[np.bool_]
    side: TextSearch
    one_language: dict[str, TextIndex]
    """Words of the same cards with titles in this language only."""
    index: ExactIndex


@dataclass(frozen=True, slots=True)
class Judged:
    """A shopper's photo and what she said of the cards shown first."""

    source: int
    liked: list[int]
    disliked: list[int]
    out: set[str]
    """Cards that count no more: judged, or of the source's product."""
    right: set[str]
    near: list[str]
    """Cards near the photo."""


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


def open_place(
    params: Params, model: Path, options: argparse.Namespace, *, seed: int, folder: Path
) -> Place:
    """Draws or reads a shop, learns its text side or reads what was learned, indexes its words."""
    world = World(seed, options.cards)
    shop = simulated_shop(model, seed=seed, n_cards=options.cards, kept=options.kept)
    groups = np.unique(shop.groups)
    half = np.random.default_rng(seed).permutation(groups)[: len(groups) // 2]
    is_learned = np.isin(shop.groups, half)
    learned = options.kept / f"text-{read_model(model).model_id}-{seed}-{options.cards}"
    if not learned.exists():
        _learn(params, shop, is_learned, read_model(model).model_id, learned)
    model_id = read_model(model).model_id
    facts = TextFacts(
        cards=options.cards, has_aligner=True, has_refiner=True, vectors="", refinement="",
        params=params.text_search,
    )  # fmt: skip
    side = TextSearch(
        facts, _words(folder / "both", world, shop.cards, params.text_search), ngram_encoder(),
        read_aligner(learned, model_id=model_id), read_refiner(learned, model_id=model_id),
    )  # fmt: skip
    one_language = {
        language: _words(
            folder / language, world, [in_one_language(card, language) for card in shop.cards],
            params.text_search, only=language,
        )
        for language in ("English", "Russian")
    }  # fmt: skip
    index = ExactIndex(shop.vectors.shape[2])
    for row, card in enumerate(shop.cards):
        names = [f"{card.card_id}/gallery/{n}" for n in range(BUYERS)]
        index.add(names, [listing_of(card)] * BUYERS, shop.vectors[row, :BUYERS])
    return Place(world, shop, is_learned, side, one_language, index)


# Words alone


def text_report(tuning: Place, tested: Place) -> dict[str, object]:
    """Recall of each way, slice by slice; fusion's weights chosen on the tuning shop."""
    ways = {name: _alone(n) for n, name in enumerate(LISTS)}
    ways["words + vectors, rrf"] = lambda lists: by_ranks(lists, (1, 0, 1), k=60)
    ways["all three, rrf"] = lambda lists: by_ranks(lists, (1, 1, 1), k=60)
    tried = [(titles, *text_lists(tuning, titles, every=8)[:2])
             for titles in (None, "English", "Russian")]  # fmt: skip
    chosen, fused = _best_weights(
        [found for _, _, lists in tried for found in lists],
        [_names(query.right) for _, queries, _ in tried for query in queries],
        [f"{one.language} {titles} {one.is_mistyped}" for titles, of, _ in tried for one in of],
    )
    used = tested.side.facts.params
    ways["in use"] = _fusion(used.fusion, [used.text.words, used.text.pieces, used.text.vectors])
    ways |= {f"{name}, weights chosen": fuse for name, fuse in fused.items()}
    queries, lists, took = text_lists(tested, None, every=2)
    report: dict[str, object] = {"queries": len(queries), "chosen": chosen, "ms": took}
    report["all"] = _measured(queries, lists, ways)
    for language, mistyped in product(("English", "Russian"), (False, True)):
        keep = [q.language == language and q.is_mistyped == mistyped for q in queries]
        report[f"{language}, {'mistyped' if mistyped else 'typed right'}"] = _measured(
            queries, lists, ways, keep
        )
    for name, wanted in (("seen", True), ("unseen", False)):
        report[name] = _measured(
            queries, lists, ways, [bool(tested.is_learned[q.card]) == wanted for q in queries]
        )
    for language, other in (("English", "Russian"), ("Russian", "English")):
        asked, found, _ = text_lists(tested, other, every=2)
        keep = [q.language == language and not q.is_mistyped for q in asked]
        report[f"{language}, titles in {other} only"] = _measured(asked, found, ways, keep)
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


# Photo and words


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
        best, fused = _best_weights(three, right, [" and ".join(one.changes) for one in asked])
        chosen[name] = best
        for fusion, fuse in fused.items():
            ways[f"{name} + words, {fusion}, weights chosen"] = _with_vector(fuse, vector)
    asked, lists = photo_lists(tested, params)
    right = [set(one.right) for one in asked]
    cards = np.array([one.source for one in asked])
    slices: dict[str, dict[str, list[float]]] = {}
    for changes in sorted({one.changes for one in asked}):
        keep = [one.changes == changes for one in asked]
        slices[" and ".join(changes)] = _recalls(ways, lists, right, cards, keep)
    every = [True] * len(asked)
    macro = {
        way: round(float(np.mean([made[way][0] for made in slices.values()])), 3) for way in ways
    }
    all_of_them = _recalls(ways, lists, right, cards, every)
    return {"chosen": chosen, "all": all_of_them, "mean of slices": macro, "slices": slices}


def photo_lists(place: Place, params: Params) -> tuple[list[Triplet], list[list[Scores]]]:
    """Triplets of unseen cards; lists by words, pieces, near the photo, near the refined vector.

    The source's own group, and learned cards that would be right too, are left out.
    """
    asked, texts = _asked(place, params)
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


# Likes


def likes_report(tuning: Place, tested: Place, params: Params) -> dict[str, object]:
    """Recall@10 of the wanted card before and after likes and dislikes of what was shown.

    A shopper who wants the target sees ten cards near a photo of the source: likes, at most
    LIKED_MOST, cards of its kind that have the target's colour or pattern where the source has
    another; dislikes as many of the others. Shown cards that were judged count neither before nor
    after (residual collection); queries whose target was shown at once are left out.
    """
    judged = _judged(tuning, params)
    tried = {grid: _likes_hits(tuning, judged, grid) for grid in LIKES_GRID}
    best = max(LIKES_GRID, key=lambda grid: tried[grid][1].mean())
    before, after, cards = _likes_hits(tested, _judged(tested, params), best)
    low, high = _interval(after - before, cards)
    return {
        "chosen": dict(zip(("liked", "disliked", "cosine_min"), best, strict=True)),
        "tuning": {str(grid): round(float(hits[1].mean()), 4) for grid, hits in tried.items()},
        "tuning_queries": len(tried[best][0]),
        "tuning_before": round(float(tried[best][0].mean()), 4),
        "queries": len(before),
        "before": round(float(before.mean()), 4),
        "after": round(float(after.mean()), 4),
        "gain_95": [low, high],
    }


def _judged(place: Place, params: Params) -> list[Judged]:
    """Each query with what the shopper said of the first ten."""
    cards = {card.card_id: (row, card) for row, card in enumerate(place.shop.cards)}
    judged = []
    for one in _asked(place, params)[0]:
        row, source = cards[one.source]
        out = {c.card_id for c in place.shop.cards if c.group_id == source.group_id}
        target = cards[one.target][1]
        near = [c for c in _near(place, place.shop.vectors[row, BUYERS]) if c not in out]
        good = [c for c in near[:10] if _is_liked(cards[c][1], source, target)][:LIKED_MOST]
        bad = [c for c in near[:10] if c not in good][:LIKED_MOST]
        if good and not set(near[:10]) & set(one.right):
            rows = [[cards[c][0] for c in those] for those in (good, bad)]
            judged.append(Judged(row, rows[0], rows[1], out | {*good, *bad}, set(one.right), near))
    return judged


def _likes_hits(
    place: Place, judged: Sequence[Judged], grid: tuple[float, float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.str_]]:
    likes = LikesParams(liked=grid[0], disliked=grid[1], cosine_min=grid[2])
    own = place.shop.vectors[:, :BUYERS]
    before, after = [], []
    for one in judged:
        liked, disliked = [own[row] for row in one.liked], [own[row] for row in one.disliked]
        photo = place.shop.vectors[one.source, BUYERS]
        moved = moved_by_likes(photo, liked, disliked, likes=likes)
        before.append(_is_found(one.near, one.out, one.right))
        after.append(_is_found(_near(place, moved), one.out, one.right))
    sources = np.array([str(one.source) for one in judged])
    return np.array(before, np.float64), np.array(after, np.float64), sources


def _is_liked(card: Card, source: Card, target: Card) -> bool:
    changed = [n for n in target.attributes if target.attributes[n] != source.attributes[n]]
    return card.category == target.category and any(
        card.attributes[name] == target.attributes[name] for name in changed
    )


# More like this card


def alike_report(place: Place) -> dict[str, object]:
    """What share of the first 10 cards alike is of the card's kind, and who asks best."""
    kinds = {card.card_id: card.category for card in place.shop.cards}
    groups = {card.card_id: card.group_id for card in place.shop.cards}
    shares: dict[str, list[float]] = {"their mean asks": [], "each photo asks": []}

    def near(vector: Vectors) -> list[Candidate]:
        return nearest_cards(place.index, vector, hits_per_query=HITS)

    for row, card in enumerate(place.shop.cards):
        twins = {other for other, group in groups.items() if group == card.group_id}
        found = cards_like(card.card_id, near, place.index.vectors_of, twins=twins)
        each: dict[str, float] = {}
        for vector in place.shop.vectors[row, :BUYERS]:
            for one in near(vector):
                each[one.card_id] = max(one.score, each.get(one.card_id, -1.0))
        best = [c for c in sorted(each, key=lambda c: -each[c]) if c not in twins]
        for way, ids in zip(shares, ([c.card_id for c in found], best), strict=True):
            shares[way].append(float(np.mean([kinds[c] == card.category for c in ids[:10]])))
    cards = np.array([card.card_id for card in place.shop.cards])
    return {
        way: [round(float(np.mean(values)), 4), *_interval(np.array(values), cards)]
        for way, values in shares.items()
    }


# Measures


def _measured(
    queries: Sequence[TextQuery],
    lists: Sequence[Sequence[Scores]],
    ways: Mapping[str, Fuse],
    keep: Sequence[bool] | None = None,
) -> dict[str, object]:
    """Recall@1 and @10 with 95% intervals over cards, and the mean reciprocal rank."""
    rows = [n for n in range(len(queries)) if keep is None or keep[n]]
    cards = np.array([str(queries[n].card) for n in rows])
    measured: dict[str, object] = {"queries": len(rows)}
    for way, fuse in ways.items():
        ranks = np.array([_first_right(fuse(lists[n]), _names(queries[n].right)) for n in rows])
        first, ten = (ranks <= 1).astype(float), (ranks <= 10).astype(float)
        measured[way] = {
            "recall_at_1": round(float(first.mean()), 3), "recall_at_1_95": _interval(first, cards),
            "recall_at_10": round(float(ten.mean()), 3), "recall_at_10_95": _interval(ten, cards),
            "mrr": round(float((1 / ranks).mean()), 3),
        }  # fmt: skip
    return measured


def _recalls(
    ways: Mapping[str, Fuse],
    lists: Sequence[Sequence[Scores]],
    right: Sequence[set[str]],
    cards: NDArray[np.str_],
    keep: Sequence[bool],
) -> dict[str, list[float]]:
    """Recall@10 with its 95% interval over cards."""
    rows = np.flatnonzero(keep)
    made = {"asked": [float(len(rows))]}
    for way, fuse in ways.items():
        hits = np.array([_first_right(fuse(lists[n]), right[n]) <= 10 for n in rows], float)
        made[way] = [round(float(hits.mean()), 3), *_interval(hits, cards[rows])]
    return made


def _best_weights(
    lists: Sequence[Sequence[Scores]], right: Sequence[set[str]], slices: Sequence[str]
) -> tuple[dict[str, list[float]], dict[str, Fuse]]:
    """Weights of the three lists, for each fusion, with the best mean reciprocal rank.

    Each slice counts the same, however many queries it has.
    """
    chosen, fused = {}, {}
    grid = [w for w in product(WEIGHTS, repeat=3) if max(w) == 1.0]
    some = np.random.default_rng(7).permutation(len(lists))[:TUNED_ON].tolist()
    for name in ("rrf", "scores"):
        found = {
            w: [1 / _first_right(_fusion(name, w)(lists[n]), right[n]) for n in some] for w in grid
        }
        means = {w: _mean_of_slices(found[w], [slices[n] for n in some]) for w in grid}
        best = max(grid, key=lambda w, means=means: means[w])
        chosen[name], fused[name] = list(best), _fusion(name, best)
    return chosen, fused


def _mean_of_slices(values: Sequence[float], slices: Sequence[str]) -> float:
    named = np.array(slices)
    return float(np.mean([np.array(values)[named == one].mean() for one in np.unique(named)]))


def _fusion(name: str, weights: Sequence[float]) -> Fuse:
    if name == "rrf":
        return lambda lists: by_ranks(lists, weights, k=60)
    return lambda lists: by_scores(lists, weights)


def _alone(number: int) -> Fuse:
    return lambda lists: by_ranks([lists[number]], [1], k=60)


def _with_vector(fuse: Fuse, number: int) -> Fuse:
    return lambda lists: fuse([lists[0], lists[1], lists[number]])


def _first_right(fused: Mapping[str, float], right: set[str]) -> float:
    """From 1; infinite where nothing right was found."""
    ranks = (rank for rank, card in enumerate(fused, start=1) if card in right)
    return next(ranks, float("inf"))


def _is_found(ids: Sequence[str], out: set[str], right: set[str]) -> bool:
    return bool(right & set([card for card in ids if card not in out][:10]))


def _interval(values: NDArray[np.float64], cards: NDArray[np.str_]) -> list[float]:
    """95% of the means when cards are drawn anew."""
    random, (_, of_card) = np.random.default_rng(7), np.unique(cards, return_inverse=True)
    sums, counts = np.bincount(of_card, values), np.bincount(of_card)
    drawn = random.integers(len(sums), size=(RESAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return np.quantile(means, (0.025, 0.975)).round(3).tolist()


def _asked(place: Place, params: Params) -> tuple[list[Triplet], list[str]]:
    """Triplets among unseen cards, and the words of each, drawn by chance."""
    unseen = [c for c, seen in zip(place.shop.cards, place.is_learned, strict=True) if not seen]
    asked = triplets_from_cards(
        unseen, changed_most=params.text.refiner.changed_most, targets_a_card=ASKED_A_CARD, seed=7
    )
    random = np.random.default_rng(7)
    return asked, [one.texts[random.integers(len(one.texts))] for one in asked]


def _near(place: Place, vector: Vectors) -> list[str]:
    vector = vector.astype(np.float32)
    return [card.card_id for card in nearest_cards(place.index, vector, hits_per_query=HITS)]


def _names(cards: frozenset[int]) -> set[str]:
    return {f"c{number:06d}" for number in cards}


def _words(
    folder: Path,
    world: World,
    cards: Sequence[Card],
    search: TextSearchParams,
    only: str | None = None,
) -> TextIndex:
    """The index of words of a shop; where titles are of one language, reviews are left out."""
    reviews = [] if only else catalogue_reviews(world)
    texts = ((review.card_id, review.text) for review in reviews)
    said = reviews_by_card(texts, {c.card_id for c in cards}, chars=search.review_chars)
    write_text_index(folder, card_texts(cards, said), title_weight=search.title_weight)
    return TextIndex.open_copy(folder)


def _learn(
    params: Params, shop: Shop, is_learned: NDArray[np.bool_], model_id: str, folder: Path
) -> None:
    from refinement import learned_aligner, learned_refiner  # they need torch

    encode = ngram_encoder()
    cards = [card for card, keep in zip(shop.cards, is_learned, strict=True) if keep]
    refiner = params.text.refiner
    triplets = triplets_from_cards(
        cards, changed_most=refiner.changed_most, targets_a_card=refiner.targets_a_card,
        seed=refiner.seed,
    )  # fmt: skip
    partial = folder.with_name(f"{folder.name}.partial")
    save_aligner(partial, learned_aligner(shop, is_learned, encode, params.text, model_id))
    save_refiner(partial, learned_refiner(shop, triplets, encode, params.text, model_id))
    partial.rename(folder)


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
