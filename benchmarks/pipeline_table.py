"""Tables of what steps of the pipeline add: orders of cards in, rows out; for pipeline_steps.py."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from photosearch.catalog.schemas import CuratedPhoto
from photosearch.evaluation.intervals import draw, mean_interval
from photosearch.evaluation.metrics import PerQuery, ndcg_at_k, recall_at_k
from photosearch.search.schemas import CardsResponse, SearchResponse

BEST = 10
HEADER = "| way | beside | recall@1 | recall@10 | nDCG@10 |\n|---|---|---|---|---|"

Order = list[str]
"""Card ids, best first."""


@dataclass(frozen=True, slots=True)
class Asked:
    photos: list[CuratedPhoto]
    contents: list[bytes]
    products: list[str]
    """Of each photo: every card of it is right."""
    group_of: dict[str, str]
    """Product by card_id."""


Scores = dict[str, PerQuery]
"""Metrics by name, one number a query."""


class Table:
    """Rows as they are measured, each with its gain over a row before it, on the same queries."""

    def __init__(self, products: Sequence[str], *, has_header: bool = True) -> None:
        self._drawn, self._rows = draw(products), dict[str, Scores]()
        if has_header:
            say(HEADER)

    def add(self, way: str, scores: Scores, *, beside: str | None = None) -> None:
        """Prints a row."""
        self._rows[way] = scores
        before = {} if beside is None else self._rows[beside]
        cells = [self._cell(values, before.get(metric)) for metric, values in scores.items()]
        say(f"| {way} | {beside or ''} | {' | '.join(cells)} |")

    def _cell(self, values: PerQuery, before: PerQuery | None) -> str:
        if before is None:
            return str(mean_interval(values, self._drawn))
        gain = mean_interval(values - before, self._drawn)
        return f"{values.mean():.3f}, {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"


def by_rank(answer: SearchResponse | CardsResponse) -> Order:
    """Cards as they were ranked."""
    return [card.card.card_id for card in answer.cards]


def by_article_first(answer: SearchResponse) -> Order:
    """Cards as the page shows them: those whose article was read, then those found by picture."""
    read = [card.card_id for card in answer.articles.cards]
    return [*read, *(card_id for card_id in by_rank(answer) if card_id not in read)]


def measured(orders: Sequence[Order], asked: Asked) -> Scores:
    """Metrics of answers to photos: right is the photo's product, wherever it is sold."""
    right = [{product} for product in asked.products]
    found = [products_of(order, asked.group_of) for order in orders]
    return scores_of(found, right)


def products_of(order: Order, group_of: dict[str, str]) -> list[str]:
    """Each product where its first card is."""
    return list(dict.fromkeys(group_of[card_id] for card_id in order))


def scores_of(found: Sequence[Sequence[str]], right: Sequence[set[str]]) -> Scores:
    """Metrics of products in order; recall@k is whether a right one is among the first k."""
    hits: NDArray[np.bool_] = np.zeros((len(found), BEST), np.bool_)
    for row, (of_query, wanted) in enumerate(zip(found, right, strict=True)):
        for place, product in enumerate(of_query[:BEST]):
            hits[row, place] = product in wanted
    n_right = np.array([len(wanted) for wanted in right], np.int64)
    return {
        "recall@1": recall_at_k(hits, n_right, 1),
        "recall@10": recall_at_k(hits, n_right, BEST),
        "nDCG@10": ndcg_at_k(hits, n_right, BEST),
    }


def say(line: str) -> None:
    """Prints a line."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
