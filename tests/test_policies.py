"""What of the found cards is shown: each policy alone, together, and off."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from photosearch.embedding.embedder import Vectors, unit
from photosearch.policy_settings import ModerationParams, PoliciesParams
from photosearch.search.found import FoundCard, Traits
from photosearch.search.moderation import (
    PLAIN,
    RULES,
    Flag,
    flagged,
    open_moderation,
    write_moderation,
)
from photosearch.search.policies import CardMarks, Policed, apply_policies
from photosearch.search.schemas import Reason

NO_RULE = {"adult": 2.0, "weapon": 2.0, "drugs": 2.0, "tobacco": 2.0, "offensive": 2.0}
OFF = PoliciesParams(
    sold_out=[], hidden=[], one_a_group=False, duplicate_cosine=2, one_seller_most=0,
    seller_window=4, moderation=ModerationParams(**NO_RULE),
)  # fmt: skip
UNMARKED = CardMarks({}, {}, None)


def a_card(card_id: str, *, seller: str | None = None, status: str | None = "on_sale") -> FoundCard:
    traits = Traits(card_id, seller=seller, status=status)
    return FoundCard(traits, f"{card_id}/gallery/0", 0.5, 0.5)


def cards(names: str, sellers: str = "") -> list[FoundCard]:
    """One card a letter; `-` is a seller that is not known."""
    known = [None if seller == "-" else seller for seller in sellers or "-" * len(names)]
    return [a_card(name, seller=seller) for name, seller in zip(names, known, strict=True)]


def police(found: Sequence[FoundCard], marks: CardMarks = UNMARKED, **on: object) -> Policed:
    return apply_policies(found, OFF.model_copy(update=on), marks)


def shown(policed: Policed) -> str:
    return "".join(card.traits.card_id for card in policed.shown)


def told(card: FoundCard) -> list[tuple[str, float | None]]:
    assert {reason.step for reason in card.reasons} <= {"policies"}
    return [(reason.what, reason.value) for reason in card.reasons]


def test_with_all_off_the_answer_is_as_it_was_ranked():
    found = cards("abc", "111")
    assert police(found) == Policed(found, [])


def test_sold_out_and_hidden_cards_are_dropped_by_their_status():
    found = [a_card("a"), a_card("b", status="gone"), a_card("c", status="secret"),
             a_card("d", status=None)]  # fmt: skip
    policed = police(found, sold_out=["gone"], hidden=["secret"])
    assert shown(policed) == "ad"
    assert [(drop.card.traits.card_id, told(drop.card)) for drop in policed.dropped] == [
        ("b", [("sold_out", None)]), ("c", [("hidden", None)])
    ]  # fmt: skip


def test_the_best_card_of_a_product_stands_for_the_others():
    marks = CardMarks(dict.fromkeys("acd", "one") | {"b": "two"}, {}, None)
    policed = police(cards("abcde"), marks, one_a_group=True)
    assert shown(policed) == "abe"
    assert told(policed.shown[0]) == [("stands_for_same_product", 2)]
    assert [told(card) for card in policed.shown[1:]] == [[], []]
    assert [(drop.card.traits.card_id, drop.instead) for drop in policed.dropped] == [
        ("c", "a"), ("d", "a")
    ]  # fmt: skip


def test_a_card_that_can_be_bought_stands_for_its_sold_out_twin():
    found = [a_card("a", status="gone"), a_card("b")]
    marks = CardMarks({"a": "one", "b": "one"}, {}, None)
    policed = police(found, marks, sold_out=["gone"], one_a_group=True)
    assert shown(policed) == "b"
    assert told(policed.shown[0]) == []


def vectors_of(found: Sequence[FoundCard]) -> Vectors:
    """Degrees by the letter: a 0, b 10, c 20, ..."""
    degrees = np.deg2rad([10 * (ord(card.photo_id[0]) - ord("a")) for card in found])
    return unit(np.stack([np.cos(degrees), np.sin(degrees)], axis=1))


def test_cards_of_nearly_the_same_photo_are_collapsed_and_likeness_is_not_handed_on():
    near = float(np.cos(np.deg2rad(11)))
    policed = police(cards("abcd"), CardMarks({}, {}, vectors_of), duplicate_cosine=near)
    assert shown(policed) == "ac"  # b is near to a and to c, and c is not near to a
    assert [(told(drop.card), drop.instead) for drop in policed.dropped] == [
        ([("same_photo", pytest.approx(0.9848))], "a"),
        ([("same_photo", pytest.approx(0.9848))], "c"),
    ]


def test_looking_for_equal_photos_without_vectors_is_refused():
    with pytest.raises(ValueError, match=r"CardMarks\.vectors_of.*duplicate_cosine to 2"):
        police(cards("ab"), duplicate_cosine=0.99)


def test_a_seller_has_so_many_of_the_first_places_and_no_card_is_lost():
    policed = police(cards("abcdefgh", "111122-3"), one_seller_most=2)
    assert shown(policed) == "abef" + "cd" + "gh"
    assert [told(card) for card in policed.shown[4:]] == [
        [("seller_diversity", 2)], [("seller_diversity", 2)], [], []
    ]  # fmt: skip
    assert policed.dropped == []


def test_where_there_are_no_other_sellers_the_order_stays():
    policed = police(cards("abcde", "11111"), one_seller_most=2)
    assert shown(policed) == "abcde"
    assert [told(card) for card in policed.shown] == [[]] * 5


def test_cards_without_a_seller_do_not_move():
    assert shown(police(cards("abcdef", "------"), one_seller_most=1)) == "abcdef"


def test_a_flagged_card_is_dropped_with_its_rule():
    marks = CardMarks({}, {"b": Flag("b", "b/gallery/0", "weapon", 0.2)}, None)
    policed = police(cards("abc"), marks)
    assert shown(policed) == "ac"
    assert told(policed.dropped[0].card) == [("moderation_weapon", 0.2)]


def test_reasons_of_earlier_steps_stay_first():
    earlier = Reason(step="rank", what="price_distance", value=0.1)
    found = [a_card("a", status="gone")._replace(reasons=(earlier,))]
    (drop,) = police(found, sold_out=["gone"]).dropped
    assert drop.card.reasons == (earlier, Reason(step="policies", what="sold_out"))


def test_the_same_cards_give_the_same_answer_and_nothing_is_lost():
    dice = np.random.default_rng(7)
    names = [f"c{number}" for number in range(100)]
    found = [a_card(name, seller=str(dice.integers(5))) for name in names]
    marks = CardMarks({name: f"g{dice.integers(60)}" for name in names}, {}, None)
    first = police(found, marks, one_a_group=True, one_seller_most=2)
    assert police(found, marks, one_a_group=True, one_seller_most=2) == first
    everyone = [*first.shown, *(drop.card for drop in first.dropped)]
    assert sorted(card.traits.card_id for card in everyone) == sorted(names)
    first_sellers = [card.traits.seller for card in first.shown[:4]]
    assert max(map(first_sellers.count, first_sellers)) <= 2


# moderation: a space of three directions, plain things, weapons, drugs
DIRECTIONS = {text: 0 for text in PLAIN}
DIRECTIONS |= {text: 1 for text in RULES["weapon"]} | {text: 2 for text in RULES["drugs"]}
PHOTOS = (
    ["p1", "p2", "p3", "p4"],
    ["a", "a", "b", "c"],
    unit(np.array([[1, 0, 0], [0.3, 1, 0], [0.2, 0.1, 1], [1, 0.9, 0]])),
)


def embed_texts(texts: Sequence[str]) -> Vectors:
    return np.eye(3, dtype=np.float32)[[DIRECTIONS[text] for text in texts]]


def test_a_card_is_flagged_by_its_worst_photo_and_strongest_rule(tmp_path: Path):
    flags = flagged([PHOTOS], NO_RULE | {"weapon": 0.1, "drugs": 0.1}, embed_texts)
    assert [(flag.card_id, flag.photo_id, flag.rule) for flag in flags] == [
        ("a", "p2", "weapon"), ("b", "p3", "drugs")
    ]  # fmt: skip
    assert flags[0].margin == pytest.approx((1 - 0.3) / np.hypot(1, 0.3), abs=1e-5)
    write_moderation(tmp_path, flags)
    assert open_moderation(tmp_path) == {"a": flags[0], "b": flags[1]}


def test_a_photo_that_fits_plain_products_as_well_is_not_flagged():
    flags = flagged([PHOTOS], NO_RULE | {"weapon": -0.08}, embed_texts)
    assert {flag.card_id for flag in flags} == {"a", "c"}
    assert {flag.card_id for flag in flagged([PHOTOS], NO_RULE | {"weapon": 0}, embed_texts)} == {
        "a"
    }


def test_moderation_that_is_off_compares_nothing():
    assert flagged([PHOTOS], NO_RULE, embed_texts) == []
