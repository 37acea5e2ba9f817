"""What of the found cards is shown: rules of the shop over a ranked list; knows no vectors' origin.

Every rule keeps the order of what it leaves, so the same ranking gives the same answer.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from photosearch.embedding.embedder import Vectors
from photosearch.errors import BadArtifact
from photosearch.policy_settings import PoliciesParams
from photosearch.report import write_text
from photosearch.search.found import FoundCard
from photosearch.search.moderation import Flag
from photosearch.search.schemas import CardFacts, Reason

STEP = "policies"
RULES = "policies.json"
OFF = 2.0
"""As a cosine: none is above."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A card that was found and is not shown."""

    card: FoundCard
    """With the reason as its last."""
    instead: str | None = None
    """The shown card that stands for it."""


@dataclass(frozen=True, slots=True)
class Policed:
    shown: list[FoundCard]
    """In the order to show; the score no longer tells it."""
    dropped: list[Dropped]


@dataclass(frozen=True, slots=True)
class CardMarks:
    """What a release knows of its cards beside what is shown of them."""

    group_of: Mapping[str, str]
    """Product group by card_id, of those that other cards are in too."""
    flags: Mapping[str, Flag]
    """By card_id: see moderation.py."""
    vectors_of: Callable[[Sequence[FoundCard]], Vectors] | None
    """Unit vectors of their matched photos, (n, dim); needed where `duplicate_cosine` is on."""


def apply_policies(
    found: Sequence[FoundCard], policies: PoliciesParams, marks: CardMarks
) -> Policed:
    """Drops what must not be shown, collapses duplicates, and lets sellers take turns.

    Sold-out cards go first, so that a card that can be bought stands for its twin. The time grows
    with the number of cards; only `duplicate_cosine` compares them in pairs, in one product.

    Args:
        found: Ranked, best first.
        policies: See params.yaml; each rule can be off.
        marks: Of the release.
    """
    words = {word: "sold_out" for word in policies.sold_out}
    words |= {word: "hidden" for word in policies.hidden}
    left, dropped = _without_status(found, words)
    left, gone = _without_flagged(left, marks.flags)
    dropped += gone
    if policies.one_a_group:
        left, gone = _one_a_group(left, marks.group_of)
        dropped += gone
    if policies.duplicate_cosine < OFF and left:
        left, gone = _one_a_look(left, policies.duplicate_cosine, marks.vectors_of)
        dropped += gone
    if policies.one_seller_most:
        left = _sellers_in_turn(left, policies.one_seller_most, policies.seller_window)
    return Policed(left, dropped)


def may_be_shown(card: CardFacts, policies: PoliciesParams, flags: Mapping[str, Flag]) -> bool:
    """Whether a card may be shown at all, whatever was searched for: see `apply_policies`."""
    is_out = card.status in {*policies.sold_out, *policies.hidden}
    return not is_out and card.card_id not in flags


def _without_status(
    found: Sequence[FoundCard], words: Mapping[str, str]
) -> tuple[list[FoundCard], list[Dropped]]:
    """Drops cards whose status is one of the words; a card that tells none stays."""
    left = [card for card in found if card.traits.status not in words]
    gone = [
        Dropped(_told(card, words[card.traits.status]))
        for card in found
        if card.traits.status is not None and card.traits.status in words
    ]
    return left, gone


def _without_flagged(
    found: Sequence[FoundCard], flags: Mapping[str, Flag]
) -> tuple[list[FoundCard], list[Dropped]]:
    left = [card for card in found if card.traits.card_id not in flags]
    gone = [
        Dropped(_told(card, f"moderation_{flag.rule}", flag.margin))
        for card in found
        if (flag := flags.get(card.traits.card_id)) is not None
    ]
    return left, gone


def _one_a_group(
    found: Sequence[FoundCard], group_of: Mapping[str, str]
) -> tuple[list[FoundCard], list[Dropped]]:
    """A card without a group stands for itself."""
    first: dict[str | None, int] = {}
    groups = [group_of.get(card.traits.card_id) for card in found]
    stands_for = [
        place if group is None else first.setdefault(group, place)
        for place, group in enumerate(groups)
    ]
    return _collapsed(found, stands_for, "same_product", [None] * len(found))


def _one_a_look(
    found: Sequence[FoundCard],
    cosine_min: float,
    vectors_of: Callable[[Sequence[FoundCard]], Vectors] | None,
) -> tuple[list[FoundCard], list[Dropped]]:
    """A card joins the best-ranked shown card whose matched photo is near enough to its own."""
    if vectors_of is None:
        raise ValueError(
            "policies.duplicate_cosine is on, and nothing gives the photos' vectors. Wire "
            "CardMarks.vectors_of, or set policies.duplicate_cosine to 2 in params.yaml."
        )
    vectors = vectors_of(found)
    cosines = vectors @ vectors.T
    stands_for: list[int] = []
    values: list[float | None] = []
    for place in range(len(found)):
        shown = [other for other in range(place) if stands_for[other] == other]
        near = [other for other in shown if cosines[place, other] >= cosine_min]
        stands_for.append(near[0] if near else place)
        values.append(round(float(cosines[place, near[0]]), 4) if near else None)
    return _collapsed(found, stands_for, "same_photo", values)


def _collapsed(
    found: Sequence[FoundCard],
    stands_for: Sequence[int],
    what: str,
    values: Sequence[float | None],
) -> tuple[list[FoundCard], list[Dropped]]:
    """Keeps the cards that stand for themselves; they say how many others they stand for."""
    n_cards = Counter(stands_for)
    left, gone = [], []
    for place, (card, keeper) in enumerate(zip(found, stands_for, strict=True)):
        if keeper != place:
            gone.append(Dropped(_told(card, what, values[place]), found[keeper].traits.card_id))
        elif n_cards[place] > 1:
            left.append(_told(card, f"stands_for_{what}", float(n_cards[place] - 1)))
        else:
            left.append(card)
    return left, gone


def _sellers_in_turn(found: Sequence[FoundCard], most: int, window: int) -> list[FoundCard]:
    """At most `most` cards of a seller among the first `window`; others move down behind it.

    Where all cards but too few are of one seller, those that moved down fill the window after all.
    A card without a seller never moves.
    """
    shown: Counter[str] = Counter()
    ahead: list[FoundCard] = []
    behind: list[tuple[int, FoundCard]] = []
    rest: list[FoundCard] = []
    for place, card in enumerate(found):
        seller = card.traits.seller
        if len(ahead) >= window:
            rest.append(card)
        elif seller is not None and shown[seller] >= most:
            behind.append((place, card))
        else:
            ahead.append(card)
            shown.update([seller] if seller is not None else [])
    moved = [
        _told(card, "seller_diversity", float(len(ahead) + number - place))
        if len(ahead) + number > place
        else card
        for number, (place, card) in enumerate(behind)
    ]
    return ahead + moved + rest


def _told(card: FoundCard, what: str, value: float | None = None) -> FoundCard:
    return card._replace(reasons=(*card.reasons, Reason(step=STEP, what=what, value=value)))


def save_policies(folder: Path, policies: PoliciesParams) -> None:
    """Writes the rules into the folder of a release that is being made."""
    write_text(folder / RULES, policies.model_dump_json(indent=1) + "\n")


def read_policies(folder: Path) -> PoliciesParams | None:
    """The rules of a release; None: it was made before releases had any.

    Raises:
        BadArtifact: They are damaged.
    """
    path = folder / RULES
    if not path.exists():
        return None
    try:
        return PoliciesParams.model_validate_json(path.read_text())
    except (OSError, ValidationError) as error:
        raise BadArtifact(
            f"{path} holds no policies ({str(error).splitlines()[0]}). Make the release again with "
            "`photosearch index`."
        ) from None
