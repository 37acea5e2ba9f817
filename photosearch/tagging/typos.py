"""Typing mistakes: a rare word that is one letter away from a word many times as frequent.

There is no dictionary: the catalogue itself says which words there are.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise

from photosearch.tagging.words import language_of, stem

LETTERS_MIN = 5
"""Shorter words have too many neighbours that are words: `cap`, `cup`, `map`."""


def typos_in(n_cards: Mapping[str, int], *, cards_max: int, times: int) -> dict[str, str]:
    """Misspelled words and what was meant.

    Words that differ in their ending only are none: `mug` and `mugs`.

    Args:
        n_cards: How many cards have each word.
        cards_max: A word of more cards is never a mistake.
        times: How much more frequent the right word is, at least.

    Source: Garbe 2012, "1000x faster spelling correction: Symmetric Delete".
    """
    having: dict[str, list[str]] = defaultdict(list)
    for word, n in n_cards.items():
        if n >= times and _may_be_asked(word):
            for key in _with_one_less(word):
                having[key].append(word)
    found: dict[str, str] = {}
    for word, n in n_cards.items():
        if n > cards_max or not _may_be_asked(word):
            continue
        near = {right for key in _with_one_less(word) for right in having.get(key, ())}
        meant = [
            (-n_cards[right], right)
            for right in near
            if n_cards[right] >= times * n and _is_slip(word, right)
        ]
        if meant:
            found[word] = min(meant)[1]
    return found


def is_one_edit(a: str, b: str) -> bool:
    """One letter more, less or another, or two neighbours that changed places."""
    if abs(len(a) - len(b)) > 1 or a == b:
        return False
    if len(a) == len(b):
        wrong = [place for place, (one, other) in enumerate(zip(a, b, strict=True)) if one != other]
        return len(wrong) == 1 or (
            len(wrong) == 2
            and wrong[1] == wrong[0] + 1
            and (a[wrong[0]], a[wrong[1]]) == (b[wrong[1]], b[wrong[0]])
        )
    short, long = sorted((a, b), key=len)
    return any(long[:place] + long[place + 1 :] == short for place in range(len(long)))


def _is_slip(word: str, right: str) -> bool:
    language = language_of(word)
    if language != language_of(right) or not is_one_edit(word, right):
        return False
    return language not in ("en", "ru") or stem(word, language) != stem(right, language)


def _may_be_asked(word: str) -> bool:
    return len(word) >= LETTERS_MIN and word.isalpha()


def _with_one_less(word: str) -> Iterator[str]:
    """The word, and what is left of it without one of its letters; nothing twice."""
    yield word
    for place, (letter, following) in enumerate(pairwise(word + "\0")):
        if letter != following:  # of two equal neighbours either leaves the same
            yield word[:place] + word[place + 1 :]
