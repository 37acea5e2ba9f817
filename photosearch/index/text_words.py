"""Texts as sparse vectors for BM25: Russian and English stems, and pieces of words for typos."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from photosearch.index.filters import Listing

if TYPE_CHECKING:
    from qdrant_edge import Bm25, SparseVector

Side = Literal["words", "pieces"]
"""Stems of all that is said of a card, or pieces of the words of its titles."""

CYRILLIC = re.compile(r"[а-яё]+")
WORD = re.compile(r"\w+")
PIECE_LETTERS = 3
"""Of a piece of a word, its ends among them: `кружка` -> `_кр кру руж ужк жка ка_`."""


@dataclass(frozen=True, slots=True)
class CardText:
    """What is said of a card."""

    listing: Listing
    titles: str
    """Of all languages; they weigh more, and typing mistakes are forgiven in them."""
    rest: str


def usual_lengths(sample: Sequence[CardText], *, title_weight: int) -> dict[str, float]:
    """Mean numbers of words over cards; at least 1, which BM25 divides by."""
    said = [_by_script(_document(card, title_weight)) for card in sample]
    counts = {
        "russian": [len(WORD.findall(cyrillic)) for cyrillic, _ in said],
        "english": [len(WORD.findall(other)) for _, other in said],
        "pieces": [len(pieces(card.titles)) for card in sample],
    }
    return {name: max(1.0, sum(n) / max(1, len(n))) for name, n in counts.items()}


def document_vectors(
    card: CardText, lengths: dict[str, float], *, title_weight: int
) -> dict[Side, SparseVector]:
    """Weights by side; a side without a word is left out.

    Source: weights of fields as in Robertson et al. 2004, "Simple BM25 extension to multiple
    weighted fields": occurrences are weighed before they are counted.
    """
    cyrillic, other = _by_script(_document(card, title_weight))
    words = _joined(
        _model("russian", lengths["russian"]).embed_document(cyrillic),
        _model("english", lengths["english"]).embed_document(other),
    )
    shown = _model("pieces", lengths["pieces"]).embed_document(" ".join(pieces(card.titles)))
    named: dict[Side, SparseVector] = {"words": words, "pieces": shown}
    return {side: vector for side, vector in named.items() if vector.indices}


def query_vector(text: str, side: Side) -> SparseVector | None:
    """None where nothing of the text is left to search for."""
    if side == "pieces":
        vector = _model("pieces", 1.0).embed_query(" ".join(pieces(text)))
    else:
        cyrillic, other = _by_script(text)
        vector = _joined(
            _model("russian", 1.0).embed_query(cyrillic),
            _model("english", 1.0).embed_query(other),
        )
    return vector if vector.indices else None


def pieces(text: str) -> list[str]:
    """Pieces of PIECE_LETTERS letters of each word, its ends marked."""
    words = [f"_{word}_" for word in WORD.findall(_plain(text))]
    return [
        word[start : start + PIECE_LETTERS]
        for word in words
        for start in range(len(word) - PIECE_LETTERS + 1)
    ]


def _plain(text: str) -> str:
    return text.lower().replace("ё", "е")


def _by_script(text: str) -> tuple[str, str]:
    """Cyrillic words, all others: each half has a stemmer of its own."""
    plain = _plain(text)
    return " ".join(CYRILLIC.findall(plain)), CYRILLIC.sub(" ", plain)


def _document(card: CardText, title_weight: int) -> str:
    return " ".join([card.titles] * title_weight + [card.rest])


@cache
def _model(name: str, usual_length: float) -> Bm25:
    """The engine's BM25 weights; what it says in words is hashed to numbers of its own."""
    from qdrant_edge import Bm25, Bm25Config, DisabledStemmer, StopwordsSet, TokenizerType

    if name == "pieces":
        return Bm25(
            Bm25Config(
                avg_len=usual_length, tokenizer=TokenizerType.Whitespace,
                stemmer=DisabledStemmer(), stopwords=StopwordsSet(),
            )
        )  # fmt: skip
    return Bm25(Bm25Config(avg_len=usual_length, language=name))


def _joined(one: SparseVector, other: SparseVector) -> SparseVector:
    from qdrant_edge import SparseVector

    weights: dict[int, float] = {}
    for part in (one, other):
        for index, value in zip(part.indices, part.values, strict=True):
            weights[index] = weights.get(index, 0.0) + value
    return SparseVector(list(weights), list(weights.values()))
