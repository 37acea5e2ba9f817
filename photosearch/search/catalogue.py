"""What a release knows of a card or a tag, asked by name; searches nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from photosearch.catalog.schemas import Tag
from photosearch.errors import UnknownCard
from photosearch.search.enrich import CardFactsTable
from photosearch.search.schemas import CardResponse, ReleaseIds, TagFacts, TagsResponse
from photosearch.tagging.tag_list import TagList


@dataclass(frozen=True, slots=True)
class Catalogue:
    release: ReleaseIds
    cards: CardFactsTable
    tag_list: TagList | None = None
    """None where the release has no tags."""

    def card(self, card_id: str) -> CardResponse:
        """A card's facts and pictures; also of one that policies keep out of searches.

        Raises:
            UnknownCard: The release does not have it.
        """
        facts = self.cards.of(card_id)
        if facts is None:
            raise UnknownCard(card_id)
        return CardResponse(card=facts, gallery=self.cards.gallery(card_id), release=self.release)

    def tags(self, prefix: str, *, limit: int, offset: int) -> TagsResponse:
        """Tags that begin so, in the order of the alphabet; none where the release has none."""
        found: Sequence[Tag] = ()
        n_found = 0
        if self.tag_list is not None:
            found, n_found = self.tag_list.beginning_with(prefix, limit=limit, offset=offset)
        return TagsResponse(
            tags=[TagFacts(tag=t.text, language=t.language, n_cards=t.n_cards) for t in found],
            n_found=n_found,
            release=self.release,
        )
