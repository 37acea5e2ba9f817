"""Which words on a photo may be vendor articles, and how an article is spelled for comparison."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from photosearch.catalog.images import Box
from photosearch.perception.reader import Word

LOOK_ALIKES = str.maketrans(
    "АВЕКМНОРСТУХІЅЈ" "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ" "一",
    "ABEKMHOPCTYXISJ" "ABEZHIKMNOPTYX" "-",
)  # fmt: skip
"""Capitals of Cyrillic and Greek that look like Latin ones; a dash that OCR takes for a word."""
PARTS = re.compile(r"[^\s.,:;()\[\]{}#№*\"'|]+")
"""What a word is split into: `(art.KR-4821)` has the parts `art` and `KR-4821`."""
MAX_PARTS = 3
"""An article is printed in so many parts at most, such as `KR 48 21`."""
MIN_KEY, MAX_KEY = 4, 32
"""Characters of an article that is looked for on photos."""


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
        parts = [(part, place) for place in line for part in PARTS.findall(words[place].text)]
        readings.extend(_reading(run, words) for run in _runs(parts))
    fitting = [reading for reading in readings if _may_be_article(reading.key)]
    return sorted(fitting, key=lambda reading: -len(reading.key))


def _runs(parts: list[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
    for start in range(len(parts)):
        for end in range(start + 1, min(start + MAX_PARTS, len(parts)) + 1):
            yield parts[start:end]


def _reading(run: list[tuple[str, int]], words: Sequence[Word]) -> Reading:
    key = article_key("".join(part for part, _ in run))
    places = range(run[0][1], run[-1][1] + 1)
    lefts, tops, rights, bottoms = zip(*(words[place].box for place in places), strict=True)
    confidence = min(words[place].confidence for place in places)
    box = (min(lefts), min(tops), max(rights), max(bottoms))
    return Reading(key, confidence, box, places)


def _may_be_article(key: str) -> bool:
    return MIN_KEY <= len(key) <= MAX_KEY and any(c.isdigit() for c in key)
