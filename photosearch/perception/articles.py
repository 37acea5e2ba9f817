"""Which words on a photo may be vendor articles, and how an article is spelled for comparison."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from photosearch.catalog.images import Box
from photosearch.perception.reader import DOUBT_MIN, Word

LOOK_ALIKES = str.maketrans(
    "АВЕКМНОРСТУХІЅЈ" "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ" "一",
    "ABEKMHOPCTYXISJ" "ABEZHIKMNOPTYX" "-",
)  # fmt: skip
"""Capitals of Cyrillic and Greek that look like Latin ones; a dash that OCR takes for a word."""
PARTS = re.compile(r"[^\s.,:;()\[\]{}#№*\"'|]+")
"""What a word is split into: `(art.KR-4821)` has the parts `art` and `KR-4821`."""
MAX_PARTS = 3
"""An article is printed in so many parts at most, such as `KR 48 21`."""
SPELLINGS_MAX = 32
"""Of one reading, if many of its characters are in doubt; the likeliest are kept."""
MIN_KEY, MAX_KEY = 4, 32
"""Characters of an article that is looked for on photos."""

Choices = list[list[tuple[str, float]]]
"""For each place the characters that may stand there, each with its share."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Words of one line that may be an article."""

    key: str
    """As `article_key` spells it."""
    confidence: float
    """Of its least certain word, in [0, 1]."""
    box: Box
    """Round its words."""
    words: range
    """Places of its words among those of the photo."""
    others: tuple[tuple[str, float], ...] = ()
    """Keys that it would have if doubtful characters were others, and how likely each is as a
    share of how likely `key` is; the likeliest first."""

    def spellings(self) -> tuple[tuple[str, float], ...]:
        """Its key and the others, the likeliest first."""
        return ((self.key, 1.0), *self.others)


def article_key(article: str) -> str:
    """Spells an article so that equal ones are equal: `кр-48 21` and `KP4821` have one key.

    Capitals; Latin where letters look alike; no spaces, dashes, dots or accents. Letters and digits
    that look alike stay apart, since `B100` and `8100` are two articles.
    """
    plain = unicodedata.normalize("NFKD", article).upper().translate(LOOK_ALIKES)
    return "".join(c for c in plain if c.isalnum())


def article_readings(words: Sequence[Word]) -> list[Reading]:
    """Every run of parts of a line that may be an article, longer runs first.

    An article has at least one digit and MIN_KEY to MAX_KEY characters.
    """
    readings: list[Reading] = []
    places = range(len(words))
    for _, line in groupby(places, key=lambda place: words[place].line):
        parts = [
            (_choices(words[place], found.span()), place)
            for place in line
            for found in PARTS.finditer(words[place].text)
        ]
        readings.extend(_reading(run, words) for run in _runs(parts))
    fitting = [reading for reading in readings if _may_be_article(reading.key)]
    return sorted(fitting, key=lambda reading: -len(reading.key))


def _choices(word: Word, span: tuple[int, int]) -> Choices:
    """What each character of a piece of a word may be: as read first, its share 1."""
    return [
        [(word.text[place], 1.0)]
        + [(doubt.instead, doubt.share) for doubt in word.doubts if doubt.place == place]
        for place in range(*span)
    ]


def _runs(parts: list[tuple[Choices, int]]) -> Iterator[list[tuple[Choices, int]]]:
    for start in range(len(parts)):
        for end in range(start + 1, min(start + MAX_PARTS, len(parts)) + 1):
            yield parts[start:end]


def _reading(run: list[tuple[Choices, int]], words: Sequence[Word]) -> Reading:
    (text, _), *others = _spelled([choice for choices, _ in run for choice in choices])
    key = article_key(text)
    shares: dict[str, float] = {}
    for other, share in others:
        shares.setdefault(article_key(other), share)  # the first of equal ones is the likeliest
    places = range(run[0][1], run[-1][1] + 1)
    lefts, tops, rights, bottoms = zip(*(words[place].box for place in places), strict=True)
    confidence = min(words[place].confidence for place in places)
    box = (min(lefts), min(tops), max(rights), max(bottoms))
    likely = tuple(one for one in shares.items() if one[0] != key and _may_be_article(one[0]))
    return Reading(key, confidence, box, places, likely)


def _spelled(choices: Choices) -> list[tuple[str, float]]:
    """Texts and their shares, the likeliest first: that is the one as read."""
    spelled = [("", 1.0)]
    for choice in choices:
        longer = [(text + c, share * s) for text, share in spelled for c, s in choice]
        likely = [one for one in longer if one[1] >= DOUBT_MIN]
        spelled = sorted(likely, key=lambda one: -one[1])[:SPELLINGS_MAX]
    return spelled


def _may_be_article(key: str) -> bool:
    return MIN_KEY <= len(key) <= MAX_KEY and any(c.isdigit() for c in key)
