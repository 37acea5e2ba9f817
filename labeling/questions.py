"""Turns candidate pairs into questions, and remembers which were asked.

Knows nothing of who answers; `Annotators` is what it takes to be asked.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from photosearch.catalog.schemas import Card, Pair
from photosearch.catalog.tables import read_rows, write_table
from photosearch.curation.splits import share_point
from photosearch.errors import BadData

Task = dict[str, Any]
"""A question, and later its answers, in Label Studio's JSON format: `data` and `annotations`."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A pair that was put to somebody."""

    pair_id: str
    project: str
    """As in `Label.project`: asked of simulated annotators is not yet asked of people."""
    asked_at: str
    """UTC, ISO 8601."""


class Annotators(Protocol):
    """Whoever answers questions: people in Label Studio, or simulated ones."""

    @property
    def project(self) -> str:
        """Where the answers come from."""

    def image_address(self, sha256: str) -> str:
        """Where the annotators find a photo."""

    def show(self, images_dir: Path, sha256s: Iterable[str]) -> None:
        """Makes photos of the content-addressed folder reachable at `image_address`."""

    def already_asked(self, pair_ids: Iterable[str]) -> set[str]:
        """Those of `pair_ids` that need no asking."""

    def ask(self, questions: list[Task]) -> None:
        """Puts new questions, in their order."""

    def answered(self, since: datetime | None) -> Iterator[Task]:
        """Questions with all their answers, at least those that changed after `since`."""

    def n_answers(self) -> int | None:
        """Answers there are in all, to notice deleted ones; None if nothing can be deleted."""

    def want_votes(self, people_of: Mapping[str, int]) -> int:
        """Has pairs asked of so many different people; returns how many pairs were changed."""


def questions_for(
    pairs: Iterable[Pair],
    *,
    cards: Mapping[str, Card],
    image_address: Callable[[str], str],
    blind_share: float,
) -> list[Task]:
    """Makes one question a pair, in order of worth; a repeated pair is asked once.

    Args:
        pairs: What to ask.
        cards: By card_id. Titles are shown after the answer; groups are for simulated annotators.
        image_address: Gives the address of a photo from its content hash.
        blind_share: Share of pairs asked without the model's opinion. Gold pairs show none either:
            they measure the person alone.

    Raises:
        BadData: A pair names a card that `cards` lacks.
    """
    questions = {}
    for pair in sorted(pairs, key=lambda pair: (-pair.worth, pair.pair_id)):
        for card in (pair.card_a, pair.card_b):
            if card not in cards:
                raise BadData(
                    f"Pair {pair.pair_id} names card {card!r}, which is not among the "
                    f"{len(cards)} cards. The tables are of different runs: run `dvc repro`."
                )
        is_blind = pair.gold is not None or share_point(f"blind {pair.pair_id}") < blind_share
        questions[pair.pair_id] = {
            "data": {
                "pair_key": pair.pair_id,
                "photo_a": image_address(pair.sha256_a),
                "photo_b": image_address(pair.sha256_b),
                "sha256_a": pair.sha256_a,
                "sha256_b": pair.sha256_b,
                "photo_id_a": pair.photo_a,
                "photo_id_b": pair.photo_b,
                "title_a": cards[pair.card_a].title,
                "title_b": cards[pair.card_b].title,
                "card_a": pair.card_a,
                "card_b": pair.card_b,
                "group_a": cards[pair.card_a].group_id,
                "group_b": cards[pair.card_b].group_id,
                "source": pair.source,
                "probability_same": pair.probability_same,
                "is_blind": is_blind,
                "gold": pair.gold or "",
            },
            "predictions": [] if is_blind else [_opinion(pair)],
        }
    return list(questions.values())


def _opinion(pair: Pair) -> dict[str, Any]:
    """The model's opinion as a sentence, not as a choice already made.

    A choice already made would be sent by one key, and would show the titles before the answer.
    """
    answer = "same" if pair.probability_same >= 0.5 else "different"
    sure = max(pair.probability_same, 1 - pair.probability_same)
    text = f"The model thinks: {answer} ({sure:.0%})"
    return {
        "model_version": "tower",
        "score": round(sure, 4),
        "result": [
            {
                "from_name": "model",
                "to_name": "photo_a",
                "type": "textarea",
                "value": {"text": [text]},
            }
        ],
    }


def read_asked(path: Path) -> list[Asked]:
    """Reads what was asked; nothing if nobody was asked yet."""
    return read_rows(path, Asked) if path.exists() else []


def record_asked(path: Path, pair_ids: Iterable[str], *, project: str, asked_at: str) -> None:
    """Adds pairs to the record, atomically; a pair keeps the time when it was first asked."""
    before = {(row.pair_id, row.project): row for row in read_asked(path)}
    new = {(pair_id, project): Asked(pair_id, project, asked_at) for pair_id in pair_ids}
    after = new | before
    if len(after) > len(before):
        write_table(path, Asked, [after[key] for key in sorted(after)])
