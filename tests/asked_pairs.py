"""Pairs, tasks and homes for the tests of labelling."""

import io
from pathlib import Path
from typing import Any

from PIL import Image

from labeling.answers import LabelFiles, LabelReport, ask_and_collect
from labeling.questions import Annotators, questions_for
from photosearch.catalog import images
from photosearch.catalog.schemas import Answer, Card, Pair
from photosearch.catalog.tables import write_table
from photosearch.settings import LabelsParams

PARAMS = LabelsParams(
    votes_first=2, votes_most=4, votes_budget=1000, decided_at=0.9, blind_share=0.5, boxes=3
)


def pair(
    name: str,
    sha256s: tuple[str, str] = ("aa", "bb"),
    cards: str = "12",
    *,
    worth: float = 0.5,
    probability: float = 0.8,
    gold: Answer | None = None,
) -> Pair:
    a, b = (f"card-{number}" for number in cards)
    return Pair(
        name, f"{a}/gallery/0", f"{b}/gallery/0", a, b, *sha256s, "look_alike", 0.5,
        "gold" if gold else "neighbours", worth, probability, gold,
    )  # fmt: skip


def card(card_id: str, group: str = "g") -> Card:
    return Card(card_id, f"Title of {card_id}", None, None, [], None, None, None, group)


CARDS = {f"card-{n}": card(f"card-{n}") for n in "12"}


def question(one: Pair, *, blind_share: float = 0.0) -> dict[str, Any]:
    (made,) = questions_for([one], cards=CARDS, image_address=str, blind_share=blind_share)
    return made


def answer_of(person: Any, choice: str, minute: int = 0, **more: Any) -> dict[str, Any]:
    result = [{"from_name": "answer", "type": "choices", "value": {"choices": [choice]}}]
    at = f"2026-11-21T12:{minute:02}:00Z"
    return {"completed_by": person, "created_at": at, "updated_at": at, "result": result} | more


def task(*annotations: dict[str, Any], name: str = "p", **of_pair: Any) -> dict[str, Any]:
    return question(pair(name, **of_pair)) | {"annotations": list(annotations)}


def label_round(files: LabelFiles, annotators: Annotators) -> LabelReport:
    return ask_and_collect(files, annotators, params=PARAMS)


def home_with_pairs(root: Path, n_pairs: int, *, n_gold: int = 0) -> LabelFiles:
    """A home of 2 * `n_pairs` photos; pairs with an even number show the same product.

    The last `n_gold` pairs are gold.
    """
    stored, seed = [], root.name
    for number in range(2 * n_pairs):
        buffer = io.BytesIO()
        Image.effect_noise((48, 64), 60 + number).save(buffer, "JPEG", comment=seed.encode())
        stored.append(images.store(root / "images", buffer.getvalue()))
    cards = [
        card(f"card-{n}{side}", f"{n}{side * (n % 2)}") for n in range(n_pairs) for side in "ab"
    ]
    pairs = [
        pair(
            f"{seed}-{n}",
            (stored[2 * n], stored[2 * n + 1]),
            (f"{n}a", f"{n}b"),  # type: ignore[arg-type]
            worth=1 - n / n_pairs,
            probability=0.2 + 0.6 * (n % 2 == 0),
            gold=("same", "different")[n % 2] if n >= n_pairs - n_gold else None,  # type: ignore[arg-type]
        )
        for n in range(n_pairs)
    ]
    names = ("pairs", "cards", "images", "asked", "votes", "labels", "report.md")
    files = LabelFiles(*(root / name for name in names))
    write_table(files.cards, Card, cards)
    write_table(files.pairs, Pair, pairs)
    return files
