"""Found cards for the tests of what orders them."""

from collections.abc import Sequence

from photosearch.index.vector_index import Hit
from photosearch.search.found import FoundCard, Traits
from photosearch.search.query import Candidate
from photosearch.search.schemas import CardFacts


def found(card_id: str, cosine: float, **traits: object) -> FoundCard:
    """A card found by its one photo; its score is its cosine."""
    known: dict[str, object] = {
        "category": ("Home", "Mugs"), "price": 100.0, "rating": 4.0, "n_reviews": 3,
    }  # fmt: skip
    values = Traits(card_id, **(known | traits))  # type: ignore[arg-type]
    return FoundCard(values, f"{card_id}/gallery/0", cosine, cosine)


class Plain:
    """Cards of which nothing is known but their ids: see steps.Cards."""

    def enrich(self, candidates: Sequence[Candidate]) -> list[FoundCard]:
        return [FoundCard(Traits(c.card_id), c.photo_id, c.cosine, c.score) for c in candidates]

    def facts(self, card_ids: Sequence[str]) -> list[CardFacts]:
        nothing = dict.fromkeys(CardFacts.model_fields)
        told = [{"card_id": card_id, "title": card_id, "category": []} for card_id in card_ids]
        return [CardFacts.model_validate(nothing | one) for one in told]


def hit(card_id: str, place: int, cosine: float) -> Hit:
    return Hit(f"{card_id}/gallery/{place}", card_id, cosine)


def ids(cards: list[FoundCard]) -> list[str]:
    return [card.traits.card_id for card in cards]


def scored(cards: Sequence[FoundCard]) -> list[tuple[str, float]]:
    return [(card.traits.card_id, card.score) for card in cards]
