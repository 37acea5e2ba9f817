"""Finds articles among millions: exactly, by prefix, at edit distance 1; knows no photos.

One sorted array answers all three. At distance 1 every neighbour of the asked article is spelled
out, some 800 for ten characters, and looked up at once, which takes no memory beside the array.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from photosearch.perception.articles import MAX_KEY, Reading, article_key, article_readings
from photosearch.perception.reader import Word

Rows = NDArray[np.int32]
"""Places of articles among those that the table was made of. Shape (n_found,)."""

Match = Literal["exact", "doubtful", "one_edit", "prefix"]
"""`doubtful`: the reading may be spelled like several articles, and none is much likelier."""

MIN_NEAR_KEY = 5
"""Shorter readings are only looked up exactly: most codes of four characters are near to many."""

SHARE_MIN = 0.7
"""An article is found exactly if it is so likely among the articles that a reading may name."""


class ArticleTable:
    """Articles by their key; takes the longest key's bytes and 4 more an article."""

    def __init__(self, articles: Sequence[str | None]) -> None:
        """Rows of the answers are places in `articles`.

        Args:
            articles: May be missing. One without a letter or digit, or with more than MAX_KEY of
                them, is never found.
        """
        keys = [article_key(article) if article else "" for article in articles]
        rows = [row for row, key in enumerate(keys) if 0 < len(key) <= MAX_KEY]
        self._letters = sorted(set().union(*(keys[row] for row in rows)))
        spelled = np.array([keys[row].encode() for row in rows] or [b""], np.bytes_)[: len(rows)]
        order = np.argsort(spelled, kind="stable")  # equal keys keep the order of their rows
        self._keys = spelled[order]
        self._rows = np.array(rows, np.int32)[order]

    def __len__(self) -> int:
        """Articles that can be found."""
        return len(self._keys)

    @property
    def n_bytes(self) -> int:
        """Memory that it takes."""
        return self._keys.nbytes + self._rows.nbytes

    def exact(self, key: str) -> Rows:
        """All articles of this key."""
        return self._having([key])

    def one_edit_away(self, key: str) -> Rows:
        """Articles with one character more, less or another; not those of the key itself."""
        return self._having(sorted(set(_neighbours(key, self._letters)) - {key, ""}))

    def starting_with(self, key: str, limit: int) -> Rows:
        """The first `limit` articles, by alphabet, that begin with the key or are it."""
        prefix, width = key.encode(), self._keys.dtype.itemsize
        if len(prefix) >= width:
            return self.exact(key)[:limit]
        # no byte of UTF-8 is 0xff, so this comes after all that begins with the prefix
        ends = np.array([prefix, prefix + b"\xff"], self._keys.dtype)
        start, end = np.searchsorted(self._keys, ends).tolist()
        return self._rows[start : min(end, start + limit)]

    def _having(self, keys: list[str]) -> Rows:
        """Articles that have one of the keys, in the order of the keys."""
        width = self._keys.dtype.itemsize
        # a longer one cannot be there, and would make numpy copy the table to compare it
        fitting = [spelled for spelled in map(str.encode, keys) if len(spelled) <= width]
        if not fitting or not len(self):
            return np.empty(0, np.int32)
        asked = np.array(fitting, self._keys.dtype)
        starts = np.searchsorted(self._keys, asked, "left")
        there = np.flatnonzero(self._keys[np.minimum(starts, len(self) - 1)] == asked)
        ends = np.searchsorted(self._keys, asked[there], "right")
        found = [self._rows[start:end] for start, end in zip(starts[there], ends, strict=True)]
        return np.concatenate(found) if found else np.empty(0, np.int32)


@dataclass(frozen=True, slots=True)
class FoundArticle:
    """Words on a photo, and the articles that they may name."""

    reading: Reading
    match: Match
    rows: tuple[int, ...]
    """Of the table, at most as many as were wanted."""


def find_articles(
    words: Sequence[Word], table: ArticleTable, *, limit: int = 20
) -> list[FoundArticle]:
    """Articles that the words name exactly; where there are none, the near ones.

    Of overlapping readings the longest counts: where `KR 4821` is an article, `4821` is not asked.
    Characters in doubt are asked both ways. What the table does not hold cannot have been meant.

    Args:
        words: Of one photo.
        table: What is sold.
        limit: Rows of one reading.
    """
    readings = article_readings(words)
    found: list[FoundArticle] = []
    taken: set[int] = set()
    for reading in readings:
        spelled = [(table.exact(key), share) for key, share in reading.spellings()]
        known = [(rows.tolist(), share) for rows, share in spelled if len(rows)]
        if not known or not taken.isdisjoint(reading.words):
            continue
        is_sure = known[0][1] >= SHARE_MIN * sum(share for _, share in known)
        rows = known[0][0] if is_sure else [row for some, _ in known for row in some]
        match: Match = "exact" if is_sure else "doubtful"
        found.append(FoundArticle(reading, match, tuple(rows[:limit])))
        taken.update(reading.words)
    return found or list(_near_articles(readings, table, limit))


def _near_articles(
    readings: Sequence[Reading], table: ArticleTable, limit: int
) -> Iterator[FoundArticle]:
    for reading in readings:
        if len(reading.key) < MIN_NEAR_KEY:
            continue
        near = table.one_edit_away(reading.key)[:limit]
        if len(near):
            yield FoundArticle(reading, "one_edit", tuple(near.tolist()))
        longer = table.starting_with(reading.key, limit)
        more = tuple(row for row in longer.tolist() if row not in near)
        if more:
            yield FoundArticle(reading, "prefix", more)


def _neighbours(key: str, letters: Sequence[str]) -> Iterator[str]:
    """All strings at Levenshtein distance 1, some twice, and the key itself."""
    for place in range(len(key) + 1):
        before, after = key[:place], key[place:]
        for letter in letters:
            yield before + letter + after
            if after:
                yield before + letter + after[1:]
        if after:
            yield before + after[1:]
