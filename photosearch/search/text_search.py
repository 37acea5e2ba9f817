"""Words, alone or beside a photo, become cards: lists by words and by vectors, fused into one.

Runs no torch. A release's folder text/:

text_search.json   how lists are fused, where the rest comes from or why it is absent; written last
words/             see index/text_index.py
aligner.*          see embedding/aligner.py; absent where text_search.json says why
refiner.*          see search/refine.py; absent where text_search.json says why
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from photosearch.embedding.aligner import Aligner, read_aligner
from photosearch.embedding.embedder import Vectors, shorten
from photosearch.embedding.ngrams import EncodeTexts, ngram_encoder
from photosearch.errors import BadArtifact
from photosearch.frozen import Frozen
from photosearch.index.filters import CardFilter
from photosearch.index.text_index import TextIndex
from photosearch.index.text_words import Side
from photosearch.search.alike import Near, VectorsOf
from photosearch.search.candidates import collapse
from photosearch.search.fusion import Scores, by_ranks, by_scores
from photosearch.search.query import Candidate, Candidates
from photosearch.search.refine import Refiner, read_refiner
from photosearch.text_search_settings import FusionWeights, TextSearchParams

FACTS, WORDS = "text_search.json", "words"


class TextFacts(Frozen):
    """What a release's text/ folder holds."""

    cards: int
    has_aligner: bool
    has_refiner: bool
    vectors: str
    """Where the aligner comes from, or why there is none."""
    refinement: str
    """Where the refiner comes from, or why there is none."""
    params: TextSearchParams


@dataclass(frozen=True, slots=True)
class TextSearch:
    """The open text side of a release."""

    facts: TextFacts
    words: TextIndex
    encode: EncodeTexts
    aligner: Aligner | None
    refiner: Refiner | None

    def vector_of(self, text: str) -> Vectors | None:
        """Unit vector of a text in the image space, full length; None without an aligner."""
        if self.aligner is None:
            return None
        aligned: Vectors = self.aligner.align(self.encode([text]))[0]
        return aligned

    def refined(self, photo: Vectors, text: str) -> Vectors:
        """A photo's vector moved by words, full length; as it was without a refiner."""
        if self.refiner is None:
            return photo
        moved: Vectors = self.refiner.refine(photo[None], self.encode([text]))[0]
        return moved

    def close(self) -> None:
        """Lets go of the private copy of the words."""
        self.words.close()


@dataclass(frozen=True, slots=True)
class Photos:
    """The index of photos as the search by words asks it."""

    near: Near
    """Gives photos of cards that pass `where` only."""
    vectors_of: VectorsOf
    dim: int
    where: CardFilter | None = None
    """What the shopper filters by; words are filtered by it here."""


def cards_by_text(side: TextSearch, text: str, photos: Photos) -> Candidates:
    """Cards for words alone, best first; none where no list has any.

    A candidate's cosine is of the text's vector to its nearest photo: it is much lower than between
    photos, and no calibration of photos holds for it. It is 0 where texts have no vectors.
    """
    full = side.vector_of(text)
    vector = None if full is None else shorten(full, photos.dim)
    return _fused(side, text, photos, vector=vector, weights=side.facts.params.text)


def cards_by_photo_and_text(
    side: TextSearch, photo: Vectors, text: str, photos: Photos
) -> Candidates:
    """Cards for a photo and words, best first: near the refined vector, and by words.

    Args:
        side: Of the release.
        photo: Unit vector of the model, full length (the refiner's), not yet cut to the index's.
        text: What shall be different, or what the thing is.
        photos: The index of the release.
    """
    vector = shorten(side.refined(photo, text), photos.dim)
    return _fused(side, text, photos, vector=vector, weights=side.facts.params.photo)


def read_facts(folder: Path) -> TextFacts:
    """What the text/ folder of a release holds; raises BadArtifact where it is not whole."""
    try:
        return TextFacts.model_validate(json.loads((folder / FACTS).read_text()))
    except (OSError, ValueError, ValidationError) as error:
        raise BadArtifact(
            f"{folder} holds no whole text search ({str(error).splitlines()[0]}). Make the release "
            "again with `photosearch index`."
        ) from None


def open_text_search(folder: Path, *, model_id: str) -> TextSearch:
    """Opens the text/ folder of a release.

    Raises:
        BadArtifact: It is absent, incomplete, damaged, or was made for another model.
        IndexUnavailable: The words are damaged, or their private copy does not fit.
    """
    facts = read_facts(folder)
    aligner = read_aligner(folder, model_id=model_id) if facts.has_aligner else None
    refiner = read_refiner(folder, model_id=model_id) if facts.has_refiner else None
    return TextSearch(facts, TextIndex.open_copy(folder / WORDS), ngram_encoder(), aligner, refiner)


def _fused(
    side: TextSearch,
    text: str,
    photos: Photos,
    *,
    vector: Vectors | None,
    weights: FusionWeights,
) -> Candidates:
    params = side.facts.params
    hits = [] if vector is None or not weights.vectors else photos.near(vector)
    near = collapse(hits)
    by_text: list[Scores] = [
        _scores(side, text, "words", photos.where) if weights.words else {},
        _scores(side, text, "pieces", photos.where) if weights.pieces else {},
    ]
    lists = [*by_text, {card.card_id: card.score for card in near}]
    counted = [weights.words, weights.pieces, weights.vectors]
    if params.fusion == "rrf":
        fused = by_ranks(lists, counted, k=params.rrf_k)
    else:
        fused = by_scores(lists, counted)
    best = list(fused)[: params.depth]
    known = {card.card_id: card for card in near}
    by_words = photos.vectors_of([card_id for card_id in best if card_id not in known])
    for card_id, (photo_ids, vectors) in by_words.items():
        known[card_id] = _nearest_photo(card_id, photo_ids, vectors, vector)
    # a card without photos has words in the index of words, and nothing to show
    cards = [known[card_id]._replace(score=fused[card_id]) for card_id in best if card_id in known]
    return Candidates(cards, hits, by_scores(by_text, counted[:2]))


def _scores(side: TextSearch, text: str, name: Side, where: CardFilter | None) -> Scores:
    hits = side.words.find(text, side=name, limit=side.facts.params.depth, where=where)
    return {hit.card_id: hit.score for hit in hits}


def _nearest_photo(
    card_id: str, photo_ids: Sequence[str], vectors: Vectors, vector: Vectors | None
) -> Candidate:
    """Its nearest photo or, where there is no vector to compare with, its first gallery photo."""
    if vector is None:
        own = sorted(name for name in photo_ids if name.startswith(f"{card_id}/gallery/"))
        return Candidate(card_id, own[0] if own else min(photo_ids), 0.0, 0.0)
    cosines = vectors @ vector
    best = int(np.argmax(cosines))
    return Candidate(card_id, photo_ids[best], float(cosines[best]), 0.0)
