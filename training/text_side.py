"""`photosearch text`: brings texts into the image space of the candidate, and learns refinement."""

import logging
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import read_rows
from photosearch.embedding.aligner import Aligner, AlignerManifest, save_aligner
from photosearch.embedding.embedder import Vectors
from photosearch.embedding.layers import Layer
from photosearch.embedding.model import ModelManifest, read_model
from photosearch.embedding.ngrams import EncodeTexts
from photosearch.embedding.normal_equations import NormalEquations
from photosearch.embedding.text import in_batches
from photosearch.embedding.tokens import open_tokens, pool_view
from photosearch.embedding.torch_runtime import load_head, pool_tokens
from photosearch.errors import EmptySource
from photosearch.evaluation.benchmark import Gallery, PhotoVectors, averages, measure, rank_cards
from photosearch.home import Home
from photosearch.perception.describer import Describer
from photosearch.search.refine import Refiner, RefinerManifest, save_refiner
from photosearch.text_settings import AlignerParams, RefinerParams, TextParams
from training.aligner import starting_layers, train_aligner
from training.described_triplets import Described, described
from training.refiner import Shelf, train_refiner
from training.triplets import Triplet, triplets_from_cards

log = logging.getLogger(__name__)
PAIRS_A_BATCH = 1024


@dataclass(frozen=True, slots=True)
class TextReport:
    model_id: str
    encoder: str
    pairs: int
    """Titles with training photos."""
    titles_asked: int
    """Titles of cards never seen in training, asked among all cards' own pictures."""
    recall_at_1: float | None
    """Absent where no title was asked."""
    recall_at_10: float | None
    triplets: int
    described: int
    """Triplets whose words come from an endpoint that saw both photos."""
    bad_descriptions: dict[str, int]
    """Its other answers, by reason."""
    refiner: str
    """`trained`, or why there is none."""


@dataclass(frozen=True, slots=True)
class TitledPhotos:
    """Photos in the image space and the titles of their cards."""

    photos: list[CuratedPhoto]
    vectors: Vectors
    """(n_photos, dim)."""
    titles: dict[str, list[str]]
    """By card."""
    title_vectors: dict[str, Vectors]
    """By title, in the encoder's own space, (text_dim,)."""
    group_of: dict[str, str]
    """By card."""

    def chosen(self, keep: Sequence[int]) -> "TitledPhotos":
        """Those of these row numbers."""
        photos = [self.photos[row] for row in keep]
        return TitledPhotos(
            photos, self.vectors[list(keep)], self.titles, self.title_vectors, self.group_of
        )


def learn_texts(
    home: Home, text: TextParams, encode: EncodeTexts, *, describer: Describer | None = None
) -> TextReport:
    """Makes the aligner of the candidate, and its refiner where cards have attributes enough.

    Only photos of the split `train` are learned from. The old folder stays if the run is killed.

    Args:
        home: Reads candidate, tokens and curated tables, writes `home.text`.
        text: See params.yaml.
        encode: The encoder that `text.aligner.encoder` names.
        describer: An endpoint that tells photos apart; without it attributes alone give words.

    Raises:
        DescriberUnavailable: It does not answer.
        EmptySource: No training photo belongs to a card with a title.
    """
    model = read_model(home.candidate)
    cards = read_rows(home.curated / "cards.parquet", Card)
    known = titled_photos(home, model, cards, encode)
    in_training = [row for row, photo in enumerate(known.photos) if photo.split == "train"]
    learned = known.chosen(in_training)
    layers, n_pairs = align(learned, text.aligner)
    text_dim = len(next(iter(known.title_vectors.values())))
    manifest = AlignerManifest(
        text.aligner.encoder, model.model_id, text_dim, known.vectors.shape[1]
    )
    aligner = Aligner(manifest, layers)
    partial = home.text.with_name(f".{home.text.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    save_aligner(partial, aligner)
    cards_seen = {photo.card_id for photo in learned.photos}
    triplets = learnable_triplets(
        [card for card in cards if card.card_id in cards_seen], text.refiner
    )
    seen = Described([], {})
    if describer:
        seen = _describe(triplets, learned, home.images, describer, text.refiner)
    triplets += seen.triplets
    told = f"none: {len(triplets)} triplets are fewer than {text.refiner.triplets_min}"
    if len(triplets) >= text.refiner.triplets_min:
        refine = refine_layers(triplets, learned, encode, text.refiner)
        made_for = RefinerManifest(model.model_id, manifest.encoder, text_dim, manifest.image_dim)
        save_refiner(partial, Refiner(made_for, refine))
        told = "trained"
    titles_asked, recall = ask_by_title(known, aligner)
    shutil.rmtree(home.text, ignore_errors=True)
    partial.rename(home.text)
    return TextReport(
        model.model_id, manifest.encoder, n_pairs, titles_asked,
        recall.get("recall_at_1"), recall.get("recall_at_10"), len(triplets),
        len(seen.triplets), seen.bad, told,
    )  # fmt: skip


def titled_photos(
    home: Home, model: ModelManifest, cards: Sequence[Card], encode: EncodeTexts
) -> TitledPhotos:
    """Every curated photo as the candidate sees it, from the token cache, and every title.

    Photos may have been dropped or changed since the tokens were cached: their rows are left aside.
    """
    head = load_head(home.candidate, model)
    rows, vectors = pool_view(open_tokens(home.tokens), 0, lambda seen: pool_tokens(head, seen))
    titles = {c.card_id: [title for title in (c.title, c.title_ru) if title] for c in cards}
    every = sorted({title for of_card in titles.values() for title in of_card})
    if not every:
        raise EmptySource(
            f"None of {len(cards)} cards has a title: there is no text to bring to photos."
        )
    photo_of = {p.photo_id: p for p in read_rows(home.curated / "photos.parquet", CuratedPhoto)}
    cached = [photo_of.get(row.photo_id) for row in rows]
    kept = [
        (number, photo)
        for number, (row, photo) in enumerate(zip(rows, cached, strict=True))
        if photo is not None and photo.sha256 == row.sha256
    ]
    if len(kept) < len(rows):
        log.info("%d of %d cached photos are curated no longer", len(rows) - len(kept), len(rows))
    return TitledPhotos(
        [photo for _, photo in kept],
        vectors[[number for number, _ in kept]],
        titles,
        dict(zip(every, in_batches(encode, every), strict=True)),
        {card.card_id: card.group_id for card in cards},
    )


def align(known: TitledPhotos, aligner: AlignerParams) -> tuple[list[Layer], int]:
    """Layers of the aligner, and the number of pairs they were learned from.

    Raises:
        EmptySource: There is no pair.
    """
    rows = [(row, t) for row, p in enumerate(known.photos) for t in known.titles[p.card_id]]
    if not rows:
        raise EmptySource(
            f"None of {len(known.photos)} training photos belongs to a card with a title: texts "
            "cannot be brought to photos. Pull cards with titles."
        )
    text_dim = len(known.title_vectors[rows[0][1]])
    equations = NormalEquations(text_dim, known.vectors.shape[1])
    for texts, photos in _pairs(rows, known):
        equations.add(texts, photos)
    closed_form = equations.solve(ridge=aligner.ridge)
    if not aligner.steps:
        return [closed_form], len(rows)
    numbers = {group: n for n, group in enumerate(sorted(set(known.group_of.values())))}
    shown = [numbers[known.group_of[known.photos[row].card_id]] for row, _ in rows]
    parts = list(_pairs(rows, known))
    texts, photos = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    start = starting_layers(
        aligner.start, text_dim, known.vectors.shape[1],
        closed_form=closed_form, seed=aligner.seed,
    )  # fmt: skip
    return train_aligner(start, (texts, photos, np.array(shown)), aligner=aligner), len(rows)


def learnable_triplets(cards: Sequence[Card], refiner: RefinerParams) -> list[Triplet]:
    """Triplets among cards that all have training photos."""
    return triplets_from_cards(
        cards,
        changed_most=refiner.changed_most,
        targets_a_card=refiner.targets_a_card,
        seed=refiner.seed,
    )


def _describe(
    triplets: Sequence[Triplet],
    known: TitledPhotos,
    images_dir: Path,
    describer: Describer,
    refiner: RefinerParams,
) -> Described:
    """Some triplets, drawn by the seed, once more with the words of the endpoint."""
    drawn = np.random.default_rng(refiner.seed).permutation(len(triplets))
    asked = [triplets[n] for n in drawn[: refiner.described_most].tolist()]
    # a card's own picture where there is one: buyers' photos come first, so that it replaces them
    shown = sorted(known.photos, key=lambda photo: (photo.kind == "gallery", photo.photo_id))
    return described(asked, {p.card_id: p.sha256 for p in shown}, images_dir, describer)


def refine_layers(
    triplets: Sequence[Triplet], known: TitledPhotos, encode: EncodeTexts, refiner: RefinerParams
) -> list[Layer]:
    """Layers of the refiner."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, photo in enumerate(known.photos):
        rows[photo.card_id].append(row)
    asked = sorted({text for triplet in triplets for text in triplet.texts})
    texts = dict(zip(asked, in_batches(encode, asked), strict=True))
    return train_refiner(triplets, Shelf(dict(rows), known.vectors), texts, refiner=refiner)


def ask_by_title(known: TitledPhotos, aligner: Aligner) -> tuple[int, dict[str, float]]:
    """Titles of cards never seen in training look for their cards; (n_titles, mean metrics).

    Without such a title there are no metrics.
    """
    gallery = [row for row, photo in enumerate(known.photos) if photo.kind == "gallery"]
    shown = [known.photos[row].card_id for row in gallery]
    unseen = {known.photos[row].card_id for row in gallery if not known.photos[row].is_card_seen}
    asked = [(card_id, title) for card_id in sorted(unseen) for title in known.titles[card_id]]
    if not asked:
        return 0, {}
    texts = aligner.align(np.stack([known.title_vectors[title] for _, title in asked]))
    queries = PhotoVectors([known.group_of[card_id] for card_id, _ in asked], texts)
    cards = Gallery(shown, [known.group_of[card_id] for card_id in shown], known.vectors[gallery])
    ranking = rank_cards(queries, cards, length=known.vectors.shape[1])
    return len(asked), averages(measure(ranking), np.ones(len(asked), np.bool_))


def _pairs(
    rows: Sequence[tuple[int, str]], known: TitledPhotos
) -> Iterator[tuple[Vectors, Vectors]]:
    for start in range(0, len(rows), PAIRS_A_BATCH):
        part = rows[start : start + PAIRS_A_BATCH]
        texts = np.stack([known.title_vectors[title] for _, title in part])
        yield texts, known.vectors[[row for row, _ in part]]
