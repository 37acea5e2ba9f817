"""From words on a photo to the cards that bear an article among them; reads no photo itself."""

from collections.abc import Callable, Sequence

from photosearch.catalog.images import Box
from photosearch.index.filters import CardFilter
from photosearch.perception.article_table import ArticleTable, find_articles
from photosearch.perception.reader import Word
from photosearch.search.enrich import CardFactsTable
from photosearch.search.filtering import is_wanted
from photosearch.search.query import SearchRequest
from photosearch.search.reading_room import Read, ReadingRoom
from photosearch.search.schemas import CardFacts, ReadArticle, ReadArticles, ReleaseIds


class ArticleDesk:
    """Looks up what the reading room reads among the articles of one release."""

    def __init__(
        self,
        release: ReleaseIds,
        cards: CardFactsTable,
        room: ReadingRoom,
        *,
        wait_ms: float,
        may_show: Callable[[CardFacts], bool] = lambda _: True,
    ) -> None:
        """Sorts the articles of the release: 3 s for a million (decision 41).

        Args:
            release: Whose cards these are.
            cards: Its cards.
            room: Where photos are read; shared with the desks of other releases.
            wait_ms: An answer may be so old before it is given without what is still being read; 0
                never waits.
            may_show: Whether the policies let a card be shown at all.
        """
        self._release, self._cards, self._room = release, cards, room
        self._table = ArticleTable(cards.articles())
        self._wait_ms, self._may_show = wait_ms, may_show

    def start(self, query_id: str, request: SearchRequest) -> None:
        """Has the photo of a search read beside it, and returns at once."""
        box, where = request.box, request.where

        def answer(read: Read) -> ReadArticles:
            return self._answer(query_id, read, box=box, where=where)

        self._room.start(query_id, request.photo, answer)

    def read(self, query_id: str, *, age_ms: float) -> ReadArticles | None:
        """What has been read for a search that is `age_ms` old; None: forgotten already."""
        return self._room.read(query_id, wait_s=max(0.0, self._wait_ms - age_ms) / 1000)

    def _answer(
        self, query_id: str, read: Read, *, box: Box | None, where: CardFilter
    ) -> ReadArticles:
        def facts_of(rows: Sequence[int]) -> list[CardFacts]:
            return [card for card in self._cards.facts_of(rows) if self._may_show(card)]

        found, cards = find_cards(
            words_in(read.words, box), self._table, facts_of=facts_of, where=where
        )
        return ReadArticles(
            query_id=query_id, state=read.state, found=found, cards=cards, release=self._release
        )


def words_in(words: Sequence[Word], box: Box | None) -> list[Word]:
    """The words whose middle lies in a box that was asked for; all where none was.

    An object that we chose ourselves is no such box: a label may hang beside its thing.
    """
    if box is None:
        return list(words)
    left, top, right, bottom = box
    middles = [((w.box[0] + w.box[2]) / 2, (w.box[1] + w.box[3]) / 2) for w in words]
    return [
        word
        for word, (x, y) in zip(words, middles, strict=True)
        if left <= x <= right and top <= y <= bottom
    ]


def find_cards(
    words: Sequence[Word],
    table: ArticleTable,
    *,
    facts_of: Callable[[Sequence[int]], list[CardFacts]],
    where: CardFilter,
) -> tuple[list[ReadArticle], list[CardFacts]]:
    """The articles that words may name, and the wanted cards of those that they name exactly.

    Args:
        words: Of one photo.
        table: Articles by row.
        facts_of: Cards by row.
        where: Other cards are left out of both.
    """
    found: list[ReadArticle] = []
    exact: dict[str, CardFacts] = {}
    for one in find_articles(words, table):
        cards = [card for card in facts_of(one.rows) if is_wanted(card, where)]
        if one.match == "exact":
            exact |= {card.card_id: card for card in cards if card.card_id not in exact}
        found.append(
            ReadArticle(
                article=one.reading.key,
                match=one.match,
                confidence=one.reading.confidence,
                box=one.reading.box,
                card_ids=[card.card_id for card in cards],
            )
        )
    return found, list(exact.values())
