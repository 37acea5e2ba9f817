"""The stage `pairs`: pairs of training photos worth a question to people, by budget and reason.

Knows nothing of who answers. Only `train` photos are asked about, so pairs never cross splits.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photosearch.catalog.schemas import (
    Answer,
    Card,
    ClickedPair,
    CuratedPhoto,
    Label,
    Pair,
    PairSource,
)
from photosearch.catalog.tables import read_rows, write_table
from photosearch.curation import pair_sources
from photosearch.curation.pair_budget import split_budget
from photosearch.curation.pair_sources import Rows, Train
from photosearch.curation.same_probability import decided_labels, fit_probability
from photosearch.curation.snapshot import VECTORS_NAME
from photosearch.errors import BadTable
from photosearch.evaluation.calibration import SameProbability
from photosearch.home import Home
from photosearch.settings import PairsParams

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PairsReport:
    pairs: int
    by_source: dict[str, int]
    """Pairs by the reason to ask."""
    offered: dict[str, int]
    """Pairs that each reason had to offer; 0 for clicks and disagreement where nobody clicked yet
    and no trained model is live."""
    same_card: int
    look_alikes: int
    cards_with_pairs: int
    train_photos: int
    """Photos that could be asked about."""
    threshold_cosine: float
    """At which both answers are equally likely."""
    is_threshold_from_labels: bool
    """Otherwise it comes from what cards say."""


def make_pairs(
    home: Home, *, params: PairsParams, opinions: Mapping[str, NDArray[np.float32]] | None = None
) -> PairsReport:
    """Reads the curated tables and vectors, writes build/pairs.parquet.

    Args:
        home: Labels and clicks are read too, where there are any.
        params: Budget and shares.
        opinions: Unit vectors of a second model by photo_id; None if there is none.

    Raises:
        BadTable: A curated table is missing, or the vectors belong to other photos.
    """
    train = _read(home.curated)
    others = pair_sources.nearest_others(train)
    probability, from_labels = _probability(train, others, home.labels)
    candidates = pair_sources.pool(train, others, threshold=probability.threshold)
    beliefs = probability(_cosines(train.vectors, candidates))
    offered: dict[PairSource, list[Rows]] = {
        "same_card": pair_sources.same_card(train),
        "neighbours": pair_sources.neighbours(train, others, limit=params.budget),
        "threshold": pair_sources.unsure(train, candidates, beliefs, limit=params.budget),
        "disagreement": _disputed(train, candidates, opinions),
        "clicks": _contradicted(train, home.clicked_pairs, probability),
    }
    picked: list[Pair] = [
        _pair(train, rows, ("gold", worth), probability, answer)
        for rows, worth, answer in _gold(train, params.gold)
    ]
    taken = {pair.pair_id for pair in picked}
    for rows, source, worth in split_budget(
        offered,
        params.shares.model_dump(),
        budget=params.budget,
        key=lambda rows: _key(train, rows),
        taken=taken,
    ):
        picked.append(_pair(train, rows, (source, worth), probability, None))
    write_table(home.pairs, Pair, sorted(picked, key=lambda pair: pair.pair_id))
    report = _report(picked, offered, train, probability.threshold, from_labels)
    log.info("picked %d pairs: %s", report.pairs, report.by_source)
    return report


def pair_id_of(sha256_a: str, sha256_b: str) -> str:
    """Identity of a question: 32 hex digits made of the two content hashes, in either order."""
    return hashlib.sha256("".join(sorted((sha256_a, sha256_b))).encode()).hexdigest()[:32]


def _read(curated: Path) -> Train:
    cards = {row.card_id: row for row in read_rows(curated / "cards.parquet", Card)}
    photos = read_rows(curated / "photos.parquet", CuratedPhoto)
    try:
        vectors = np.load(curated / VECTORS_NAME, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise BadTable(
            f"{curated / VECTORS_NAME} cannot be read ({error}). Run `photosearch curate`."
        ) from None
    if len(vectors) != len(photos):
        raise BadTable(
            f"{curated / VECTORS_NAME} holds {len(vectors)} vectors, photos.parquet {len(photos)} "
            "rows. Run `photosearch curate`, which writes both."
        )
    rows = [row for row, photo in enumerate(photos) if photo.split == "train"]
    train = [photos[row] for row in rows]
    groups = [cards[photo.card_id].group_id for photo in train]
    return Train(train, np.asarray(vectors[rows]), groups, cards)


def _probability(
    train: Train, others: Mapping[Rows, float], labels: Path
) -> tuple[SameProbability, bool]:
    """The curve from labels, or from cards where people answered too little; and which it was."""
    answers = decided_labels(read_rows(labels, Label)) if labels.exists() else {}
    row_of = {photo.photo_id: row for row, photo in enumerate(train.photos)}
    told = {
        (row_of[a], row_of[b]): is_same
        for (a, b), is_same in answers.items()
        if a in row_of and b in row_of
    }
    if not told:
        same = pair_sources.pool(train, (), threshold=0.0)
        told = dict.fromkeys(same, True) | dict.fromkeys(others, False)
    if not told:
        return SameProbability(0.0, 0.0), False
    is_same = np.array(list(told.values()), bool)
    return fit_probability(_cosines(train.vectors, list(told)), is_same), bool(answers)


def _disputed(
    train: Train,
    candidates: Sequence[Rows],
    opinions: Mapping[str, NDArray[np.float32]] | None,
) -> list[Rows]:
    """Candidates on which a second model thinks differently; both curves are fitted to cards."""
    if not opinions or not candidates:
        return []
    dim = len(next(iter(opinions.values())))
    unknown = np.full(dim, np.nan, np.float32)
    theirs = np.stack([opinions.get(photo.photo_id, unknown) for photo in train.photos])
    cosines = _cosines(theirs, candidates)
    known = ~np.isnan(cosines)
    is_same = np.array([train.groups[a] == train.groups[b] for a, b in candidates])
    if not known.any():
        return []
    ours = _cosines(train.vectors, candidates)
    first, second = (fit_probability(of[known], is_same[known]) for of in (ours, cosines))
    return pair_sources.disputed(candidates, first(ours), second(cosines))


def _contradicted(train: Train, path: Path, probability: SameProbability) -> list[Rows]:
    """Pairs that clicks judge differently; none where there is no table of clicks."""
    if not path.exists():
        log.info("no %s: no pair is picked for its clicks", path.name)
        return []
    row_of = {photo.photo_id: row for row, photo in enumerate(train.photos)}
    clicked = {
        (min(rows), max(rows)): one
        for one in read_rows(path, ClickedPair)
        if one.shown >= pair_sources.MIN_SHOWN
        and one.photo_a in row_of
        and one.photo_b in row_of
        and _is_askable(train, rows := (row_of[one.photo_a], row_of[one.photo_b]))
    }
    beliefs = probability(_cosines(train.vectors, list(clicked)))
    return pair_sources.contradicted(clicked, dict(zip(clicked, beliefs.tolist(), strict=True)))


def _is_askable(train: Train, rows: Rows) -> bool:
    """Whether it is two photos of one card, or of two products: others are not in doubt."""
    a, b = rows
    is_one_card = train.photos[a].card_id == train.photos[b].card_id
    return a != b and (is_one_card or train.groups[a] != train.groups[b])


def _gold(train: Train, limit: int) -> list[tuple[Rows, float, Answer]]:
    """Gold pairs, their worth spread evenly, so that everybody meets some from the start."""
    found = pair_sources.gold(train, limit=limit)
    unique = {key: one for one in found if (key := _key(train, one[0])) is not None}
    # By identity, which is chance: same and different come mixed.
    return [
        (rows, 1 - place / len(unique), "same" if is_same else "different")
        for place, (_, (rows, is_same)) in enumerate(sorted(unique.items()))
    ]


def _key(train: Train, rows: Rows) -> str | None:
    """Identity of a pair; None where both photos are the same bytes."""
    a, b = (train.photos[row].sha256 for row in rows)
    return None if a == b else pair_id_of(a, b)


def _cosines(vectors: NDArray[np.float32], pairs: Sequence[Rows]) -> NDArray[np.float32]:
    """Cosine of each pair, (n_pairs,)."""
    if not pairs:
        return np.zeros(0, np.float32)
    a, b = np.array(pairs).T
    cosines: NDArray[np.float32] = np.einsum("nd,nd->n", vectors[a], vectors[b])
    return cosines


def _pair(
    train: Train,
    rows: Rows,
    why: tuple[PairSource, float],
    probability: SameProbability,
    gold: Answer | None,
) -> Pair:
    # in order of content hash: which side a photo is shown on tells nothing of what it is
    a, b = sorted((train.photos[row] for row in rows), key=lambda p: (p.sha256, p.photo_id))
    cosine = min(1.0, max(-1.0, train.cosine(rows)))
    source, worth = why
    return Pair(
        pair_id=pair_id_of(a.sha256, b.sha256),
        photo_a=a.photo_id,
        photo_b=b.photo_id,
        card_a=a.card_id,
        card_b=b.card_id,
        sha256_a=a.sha256,
        sha256_b=b.sha256,
        kind="same_card" if a.card_id == b.card_id else "look_alike",
        cosine=round(cosine, 6),
        source=source,
        worth=round(worth, 6),
        probability_same=round(float(probability(np.array([cosine], np.float32))[0]), 4),
        gold=gold,
    )


def _report(
    pairs: Sequence[Pair],
    offered: Mapping[PairSource, Sequence[Rows]],
    train: Train,
    threshold: float,
    from_labels: bool,
) -> PairsReport:
    kinds = Counter(pair.kind for pair in pairs)
    return PairsReport(
        pairs=len(pairs),
        by_source=dict(sorted(Counter(pair.source for pair in pairs).items())),
        offered={name: len(candidates) for name, candidates in offered.items()},
        same_card=kinds["same_card"],
        look_alikes=kinds["look_alike"],
        cards_with_pairs=len({card for pair in pairs for card in (pair.card_a, pair.card_b)}),
        train_photos=len(train.photos),
        threshold_cosine=round(threshold, 4),
        is_threshold_from_labels=from_labels,
    )
