"""Which texts become tags: rules in order, each with a name; knows no cards and no files."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from photosearch.tagging.left_out import why_left_out
from photosearch.tagging.typos import typos_in
from photosearch.tagging.words import (
    LANGUAGES,
    WORD,
    is_function_word,
    language_of,
    meaning_key,
)
from photosearch.tags_settings import TagsParams

CHARS_MAX = 60
LETTERS_MIN = 2
FORM = {"mixed": "mixed_languages", "other": "other_language", "none": "number"}
"""The rule that drops what is in no language of ours."""
OBLIQUE = re.compile(r"(?:ую|юю|ого|его|ому|ему|ым|им|ых|их|[ыиая]ми)\b")
"""Endings of Russian cases that a tag alone is not written in, if there is another form."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    tag_of: dict[str, str]
    """Text -> the tag that its cards carry: itself, or the one it means."""
    why: dict[str, tuple[str, str | None]]
    """Every text that is no tag itself -> a rule's name, and the tag in its place."""


def clean(n_cards: Mapping[str, int], n_all: int, tags: TagsParams) -> Cleaned:
    """Decides what each text becomes.

    The rules, in order: `too_long`, `too_short`, `number`, `mixed_languages`, `other_language`,
    `function_word` (at an end), `advertising`, `emotion`; `typo` (mended); `duplicate` (the same
    words in another order or with other endings); `rare`, `everywhere`;
    `part_of_longer` (all its cards carry a longer tag with it inside).

    Args:
        n_cards: How many cards may carry each text, in small letters.
        n_all: Cards in all.
        tags: See params.yaml.
    """
    why: dict[str, tuple[str, str | None]] = {}
    for text in n_cards:
        if reason := _why_not(text, tags.words_max):
            why[text] = (reason, None)
    left = {text: n for text, n in n_cards.items() if text not in why}
    mended = _mended(left, tags)
    totals: Counter[str] = Counter()
    for text, n in left.items():
        totals[mended.get(text, text)] += n
    meant = _same_meaning(totals)
    counts: Counter[str] = Counter()
    for text, n in totals.items():
        counts[meant[text]] += n
    gone = _by_number(counts, n_all, tags)
    gone |= _parts({text: n for text, n in counts.items() if text not in gone}, meant)
    tag_of: dict[str, str] = {}
    for text in left:
        right = mended.get(text, text)
        tag = meant[right]
        if tag in gone:
            why[text] = gone[tag]
            continue
        tag_of[text] = tag
        if tag != text:
            why[text] = ("typo" if text in mended else "duplicate", tag)
    return Cleaned(tag_of, why)


def _why_not(text: str, words_max: int) -> str | None:
    """The rule that a text breaks whatever other texts there are."""
    words = WORD.findall(text)
    language = language_of(text)
    if language not in LANGUAGES:
        return FORM[language]
    if len(text) > CHARS_MAX or len(words) > words_max:
        return "too_long"
    if sum(map(str.isalpha, text)) < LETTERS_MIN:
        return "too_short"
    if is_function_word(words[0]) or is_function_word(words[-1]):
        return "function_word"
    return why_left_out(text, language)


def _mended(n_cards: Mapping[str, int], tags: TagsParams) -> dict[str, str]:
    """Texts with a misspelled word -> the same with the right one."""
    words: dict[str, int] = defaultdict(int)
    for text, n in n_cards.items():
        for word in WORD.findall(text):
            words[word] = max(words[word], n)
    typos = typos_in(words, cards_max=tags.typo_cards_max, times=tags.typo_times)
    if not typos:
        return {}
    return {
        text: WORD.sub(lambda found: typos.get(found.group(), found.group()), text)
        for text in n_cards
        if not typos.keys().isdisjoint(WORD.findall(text))
    }


def _same_meaning(n_cards: Mapping[str, int]) -> dict[str, str]:
    """Text -> the text that stands for all of the same words.

    It is the most frequent one, but none in an oblique case if another is there.
    """
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for text in n_cards:
        language = language_of(text)
        groups[language, meaning_key(text, language)].append(text)
    meant: dict[str, str] = {}
    for group in groups.values():
        kept = min(group, key=lambda text: (bool(OBLIQUE.search(text)), -n_cards[text], text))
        meant |= dict.fromkeys(group, kept)
    return meant


def _by_number(
    counts: Mapping[str, int], n_all: int, tags: TagsParams
) -> dict[str, tuple[str, str | None]]:
    """Tags of too few or too many cards."""
    gone: dict[str, tuple[str, str | None]] = {}
    for text, n in counts.items():
        if n < tags.cards_min:
            gone[text] = ("rare", None)
        elif n > tags.share_max * n_all:
            gone[text] = ("everywhere", None)
    return gone


def _parts(
    counts: Mapping[str, int], meant: Mapping[str, str]
) -> dict[str, tuple[str, str | None]]:
    """Tags that are part of a longer one with as many cards: `light` of `light blue`."""
    gone: dict[str, tuple[str, str | None]] = {}
    for longer in sorted(counts, key=lambda text: (-len(text.split()), text)):
        words = longer.split()
        whole = gone[longer][1] if longer in gone else longer
        for shorter in (" ".join(words[1:]), " ".join(words[:-1])):
            part = meant.get(shorter, "")
            if part in gone or part in (longer, whole):
                continue
            if counts.get(part) == counts[longer]:
                gone[part] = ("part_of_longer", whole)
    return gone
