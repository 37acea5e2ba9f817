"""Graded relevance, 0 to 5, where people gave it: data/labels/relevance.jsonl of a home.

One JSON object a line: {"photo_id": "c1/review/v1/0", "card_id": "c7", "grade": 4}. What has no
line is of grade 0.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from photosearch.errors import BadSource
from photosearch.evaluation.metrics import PerQuery, graded_ndcg_at_k

GRADE_MAX = 5
RANKS_GRADED = 10

GradesOf = dict[str, dict[str, int]]
"""Grade by card_id, by the photo_id of the query."""


class Line(BaseModel):
    """One grade that somebody gave."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    photo_id: Annotated[str, Field(min_length=1)]
    card_id: Annotated[str, Field(min_length=1)]
    grade: Annotated[int, Field(ge=0, le=GRADE_MAX)]


def read_grades(path: Path) -> GradesOf:
    """Reads the file; empty if there is none. Of a pair that is given twice the last line counts.

    Raises:
        BadSource: A line is not a grade.
    """
    grades: GradesOf = defaultdict(dict)
    lines = path.read_text().splitlines() if path.exists() else []
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            line = Line.model_validate(json.loads(text))
        except (ValueError, ValidationError) as error:
            first = str(error).splitlines()[0]
            raise BadSource(
                f"{path} line {number} is no grade ({first}): {text[:100]!r}. Write "
                '{"photo_id": ..., "card_id": ..., "grade": 0 to 5}.'
            ) from None
        grades[line.photo_id][line.card_id] = line.grade
    return dict(grades)


def graded_ndcg(shown: Sequence[Sequence[str]], grades: Sequence[Mapping[str, int]]) -> PerQuery:
    """nDCG@10 by grades, one number a query.

    Args:
        shown: Cards shown to each query, best first.
        grades: Of each query, by card_id.
    """
    at_ranks = np.zeros((len(shown), RANKS_GRADED))
    best = np.zeros((len(shown), RANKS_GRADED))
    for row, (cards, of_query) in enumerate(zip(shown, grades, strict=True)):
        told = [of_query.get(card, 0) for card in cards[:RANKS_GRADED]]
        at_ranks[row, : len(told)] = told
        highest = sorted(of_query.values(), reverse=True)[:RANKS_GRADED]
        best[row, : len(highest)] = highest
    return graded_ndcg_at_k(at_ranks, best, RANKS_GRADED)
