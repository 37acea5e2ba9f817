"""Words of a text: how it is cut, in which language they are, and what is left of their endings."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

LANGUAGES = ("en", "ru")
WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
PAUSE = re.compile(r"[,.;:!?()\[\]{}<>/\\|\"«»“”*+=]| [-–—] ")
"""What a phrase does not run across."""
CYRILLIC = re.compile(r"[а-яё]")
LATIN = re.compile(r"[a-zà-öø-ÿ]")
SNOWBALL = {"en": "english", "ru": "russian"}

_FUNCTION_WORDS = (
    "a an and are as at be by for from if in into is it its like no nor not of off on or our "
    "over so such than that the their then these this those to under up very via was were "
    "when which while will with within without you your "
    "а без бы в во вы для до же за и из или их к как ко ли между мы на над не ни но о об от "
    "по под при про с со так также то у что чтобы это эта эти этот"
)
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
"""Words that say nothing alone, and that no tag begins or ends with."""


def phrases_of(text: str) -> Iterator[list[str]]:
    """The words of each part between pauses, in small letters."""
    for part in PAUSE.split(text.lower()):
        words = WORD.findall(part)
        if words:
            yield words


def language_of(text: str) -> str:
    """`en` for Latin letters, `ru` for Cyrillic ones, else `mixed`, `other` or `none`."""
    letters = [letter for letter in text.lower() if letter.isalpha()]
    n_cyrillic = sum(bool(CYRILLIC.match(letter)) for letter in letters)
    n_latin = sum(bool(LATIN.match(letter)) for letter in letters)
    if not letters:
        return "none"
    if n_cyrillic == len(letters):
        return "ru"
    if n_latin == len(letters):
        return "en"
    return "mixed" if n_cyrillic + n_latin == len(letters) else "other"


def is_function_word(word: str) -> bool:
    return word in FUNCTION_WORDS


@cache
def stem(word: str, language: str) -> str:
    """A word without its ending: `кружки` and `кружка` have one, `mug` and `mugs` too.

    Source: Porter 2001, "Snowball: a language for stemming algorithms".
    """
    found: str = _stemmer(language).stem(word.replace("ё", "е"))
    return found


@cache
def _stemmer(language: str) -> Any:
    from nltk.stem.snowball import SnowballStemmer  # type: ignore[import-untyped]

    return SnowballStemmer(SNOWBALL[language])


def meaning_key(text: str, language: str) -> str:
    """What tags that say the same have in common: stems of their words, in alphabetical order."""
    words = WORD.findall(text)
    return " ".join(sorted(stem(word, language) for word in words if not is_function_word(word)))
