"""Found cards for the tests of what orders them."""

from photosearch.index.vector_index import Hit
from photosearch.search.found import FoundCard
from photosearch.search.schemas import CardFacts


def found(card_id: str, cosine: float, **facts: object) -> FoundCard:
    """A card found by its one photo; its score is its cosine."""
    known: dict[str, object] = {
        "title": card_id, "title_ru": None, "description": None, "category": ["Home", "Mugs"],
        "brand": None, "article": None, "price": 100.0, "rating": 4.0, "n_reviews": 3,
        "seller": None, "status": None, "thumbnail": None,
    }  # fmt: skip
    values = CardFacts(card_id=card_id, **(known | facts))  # type: ignore[arg-type]
    return FoundCard(values, f"{card_id}/gallery/0", cosine, cosine)


def hit(card_id: str, place: int, cosine: float) -> Hit:
    return Hit(f"{card_id}/gallery/{place}", card_id, cosine)


def ids(cards: list[FoundCard]) -> list[str]:
    return [card.facts.card_id for card in cards]
