"""Photos of the searches that asked why, for minutes: what maps are drawn of; draws none itself.

Only these searches' photos are kept, in memory alone, and no longer than a person looks at an
answer.
"""

from collections.abc import Callable
from dataclasses import dataclass

from photosearch.catalog.images import Box
from photosearch.errors import NoMap
from photosearch.search.enrich import CardFactsTable
from photosearch.search.kept import Kept
from photosearch.search.query import SearchRequest

KEPT_S = 600.0
PHOTOS_KEPT = 16
"""A photo is a file of 10 MB at most."""


@dataclass(frozen=True, slots=True)
class MapWanted:
    """What a map is drawn of."""

    release: str
    """Whose model looks."""
    photo: bytes
    """The file that was sent."""
    box: Box | None
    """The part that was searched; None means all of it."""
    thumbnail: str
    """File name of the picture to compare with; empty draws the attention."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A search that may be explained."""

    request: SearchRequest
    box: Box | None
    draw: Callable[["Explained", str | None], bytes]
    """By the release that answered, also after another went live."""


class MapDesk:
    """Has maps of one release's searches drawn."""

    def __init__(
        self,
        release: str,
        cards: CardFactsTable,
        photos: Kept[str, Explained],
        draw: Callable[[MapWanted], bytes],
    ) -> None:
        """`photos` is shared with the desks of other releases; `draw` makes a PNG file, or b""."""
        self._release, self._cards, self._photos, self._draw = release, cards, photos, draw

    def keep(self, query_id: str, request: SearchRequest, box: Box | None) -> None:
        """Remembers the photo of a search, and the part of it that was searched."""
        self._photos.keep(query_id, Explained(request, box, self._map))

    def map_of(self, query_id: str, card_id: str | None) -> bytes:
        """A PNG file: where the model looks on a search's photo, or what a card's picture shares.

        Args:
            query_id: Of a search of any release.
            card_id: None draws the attention.

        Raises:
            NoMap: The search is unknown or forgotten, the card has no picture, or the release's
                model tells of no attention.
            EncoderUnavailable: The process that draws does not answer.
        """
        kept = self._photos.recall(query_id)
        if kept is None:
            raise NoMap(
                f"There is no photo of query {query_id!r} to draw a map of: only the last "
                f"{PHOTOS_KEPT} that asked with `explain` are kept, for {KEPT_S / 60:.0f} minutes. "
                "Search again with explain=true."
            )
        return kept.draw(kept, card_id)

    def _map(self, kept: Explained, card_id: str | None) -> bytes:
        thumbnail = "" if card_id is None else self._cards.thumbnail_of(card_id)
        if thumbnail is None:
            raise NoMap(
                "Release {} has no picture of card {!r} to compare with. Name a card of the "
                "answer.".format(self._release, (card_id or "")[:60])
            )
        png = self._draw(MapWanted(self._release, kept.request.photo, kept.box, thumbnail))
        if not png:
            raise NoMap(
                f"The model of release {self._release} tells of no attention: it has no attention "
                "head, or its graph is of before there were maps."
            )
        return png
