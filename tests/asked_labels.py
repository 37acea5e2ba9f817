"""Cards and answers of people, as little of each as training needs."""

from photosearch.catalog.schemas import Card, Label


def a_card(card_id: str, group_id: str | None = None) -> Card:
    return Card(card_id, card_id, None, None, [], None, None, None, group_id or card_id)


def a_label(photo_a: str, photo_b: str, answer: str, *, sure: float = 1.0) -> Label:
    same = {"same": sure, "different": 1 - sure, "unclear": 0.5}[answer]
    return Label(
        f"{photo_a} {photo_b}", photo_a, photo_b, answer, same, 3, ["ann"], "simulated",
        "2026-11-21T12:00:00+00:00",
    )  # fmt: skip
