"""What brings texts to photos in a release: what was trained, or else a closed form made here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from photosearch.catalog.schemas import Card
from photosearch.embedding.aligner import MANIFEST as ALIGNER
from photosearch.embedding.aligner import Aligner, AlignerManifest, read_aligner, read_manifest
from photosearch.embedding.ngrams import NGRAM_DIM, NGRAMS, ngram_encoder
from photosearch.embedding.normal_equations import NormalEquations
from photosearch.index.vector_index import VectorIndex
from photosearch.search.refine import MANIFEST as REFINER
from photosearch.search.refine import Refiner, read_refiner

TRAINED = "trained by `photosearch text`"
ALIGNED_MOST = 20_000
"""Cards whose titles and photos make a closed form; more would take minutes and teach little."""
CARDS_A_BATCH = 200


@dataclass(frozen=True, slots=True)
class Learned:
    """What brings texts to photos in a release."""

    aligner: Aligner | None
    refiner: Refiner | None
    vectors: str
    """Where the aligner comes from, or why there is none."""
    refinement: str
    """Where the refiner comes from, or why there is none."""


def read_learned(folder: Path, *, model_id: str) -> Learned:
    """What `photosearch text` made for this model, as far as services can run it.

    Raises:
        BadArtifact: An aligner or refiner of this model is there, and damaged.
    """
    made_for = read_manifest(folder) if (folder / ALIGNER).is_file() else None
    if made_for is None:
        told = "none: `photosearch text` has not been run"
    elif made_for.model_id != model_id:
        told = f"none: `photosearch text` was last run for model {made_for.model_id}"
    elif made_for.encoder != NGRAMS:
        told = (
            f"none: services cannot run the encoder {made_for.encoder!r}, which needs torch; set "
            f"text.aligner.encoder to {NGRAMS!r}"
        )
    else:
        aligner = read_aligner(folder, model_id=model_id)
        if not (folder / REFINER).is_file():
            return Learned(aligner, None, TRAINED, "none: see `refiner` in build/reports/text.json")
        return Learned(aligner, read_refiner(folder, model_id=model_id), TRAINED, TRAINED)
    return Learned(None, None, told, told)


def with_closed_form(
    learned: Learned, cards: Sequence[Card], index: VectorIndex, *, model_id: str, ridge: float
) -> Learned:
    """The same with an aligner where there is none: titles to the photos of the index, by ridge.

    It takes the time of one matrix to solve, so a release need not go without. Cards beyond
    ALIGNED_MOST are left out by chance. Without a title or a photo there is still none.

    Args:
        learned: As read.
        cards: Of the release.
        index: Filled; its vectors may be shorter than the model's, and so the aligner's are.
        model_id: The release's model.
        ridge: `text.aligner.ridge` of params.yaml.
    """
    if learned.aligner is not None:
        return learned
    titled = [card for card in cards if card.title or card.title_ru]
    drawn = np.random.default_rng(0).permutation(len(titled))[:ALIGNED_MOST]
    encode, equations = ngram_encoder(), NormalEquations(NGRAM_DIM, index.dim)
    for start in range(0, len(drawn), CARDS_A_BATCH):
        batch = [titled[n] for n in sorted(drawn[start : start + CARDS_A_BATCH].tolist())]
        photos = index.vectors_of([card.card_id for card in batch])
        pairs = [
            (title, photos[card.card_id][1])
            for card in batch
            if card.card_id in photos
            for title in filter(None, (card.title, card.title_ru))
        ]
        if pairs:
            texts = encode([title for title, _ in pairs])
            repeats = [len(vectors) for _, vectors in pairs]
            equations.add(
                np.repeat(texts, repeats, axis=0), np.concatenate([vectors for _, vectors in pairs])
            )
    if not equations.n_pairs:
        return replace(learned, vectors="none: no card has both a title and a photo")
    manifest = AlignerManifest(NGRAMS, model_id, NGRAM_DIM, index.dim)
    told = f"closed form of {equations.n_pairs} pairs of title and photo ({learned.vectors})"
    return replace(learned, aligner=Aligner(manifest, [equations.solve(ridge=ridge)]), vectors=told)
