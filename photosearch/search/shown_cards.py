"""What a new release shows to photos that training never saw: the evidence for its calibration."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from photosearch.catalog.schemas import Card, CuratedPhoto, Label
from photosearch.catalog.tables import read_rows
from photosearch.embedding.catalog_vectors import VectorsOf
from photosearch.evaluation.benchmark import RANKS
from photosearch.evaluation.calibration import ShownCards
from photosearch.home import Home
from photosearch.search.steps import Search

GroupPair = frozenset[str]


def ask_held_out(
    home: Home, vectors_of: VectorsOf, search: Search, *, queries_max: int
) -> ShownCards:
    """Searches with buyers' photos that are neither in the index nor in training.

    A card is the product if it belongs to the query's group, or if people said that photos of the
    two groups show the same product.

    Args:
        home: Gives curated cards and photos, and labels where there are any.
        vectors_of: Gives vectors of curated photos by the index's model.
        search: Of the release, as it will answer.
        queries_max: Queries beyond these are left out, by chance.
    """
    photos = read_rows(home.curated / "photos.parquet", CuratedPhoto)
    cards = read_rows(home.curated / "cards.parquet", Card)
    group_of = {card.card_id: card.group_id for card in cards}
    labels = read_rows(home.labels, Label) if home.labels.exists() else []
    joined = joined_groups(labels, {p.photo_id: group_of[p.card_id] for p in photos})
    queries = _held_out(photos, group_of, queries_max)
    groups = [group_of[photo.card_id] for photo in queries]
    scores = np.full((len(queries), RANKS), np.nan)
    is_same = np.zeros((len(queries), RANKS), np.bool_)
    if not queries:
        return ShownCards(scores, is_same, groups)
    for row, vector in enumerate(vectors_of(queries)):
        shown = search(vector)[:RANKS]
        found = [group_of[card.traits.card_id] for card in shown]
        scores[row, : len(shown)] = [card.score for card in shown]
        is_same[row, : len(shown)] = [
            group == groups[row] or frozenset((group, groups[row])) in joined for group in found
        ]
    return ShownCards(scores, is_same, groups)


def joined_groups(labels: Sequence[Label], group_of_photo: Mapping[str, str]) -> set[GroupPair]:
    """Pairs of product groups that people called the same; photos not known are left aside."""
    return {
        frozenset((group_of_photo[label.photo_a], group_of_photo[label.photo_b]))
        for label in labels
        if label.answer == "same" and {label.photo_a, label.photo_b} <= group_of_photo.keys()
    }


def is_indexed(photo: CuratedPhoto) -> bool:
    """An index holds gallery pictures, and buyers' photos of training."""
    return photo.kind == "gallery" or photo.split == "train"


def indexed_rows(photos: pa.Table) -> pa.Table:
    """The same of a whole table of curated photos."""
    is_gallery, is_train = pc.equal(photos["kind"], "gallery"), pc.equal(photos["split"], "train")
    return photos.filter(pc.or_(is_gallery, is_train))


def _held_out(
    photos: Sequence[CuratedPhoto], group_of: Mapping[str, str], n_max: int
) -> list[CuratedPhoto]:
    """Photos to ask with whose product can be found, at most `n_max`, in their order."""
    findable = {group_of[photo.card_id] for photo in photos if is_indexed(photo)}
    known = [p for p in photos if not is_indexed(p) and group_of[p.card_id] in findable]
    chosen = np.random.default_rng(0).permutation(len(known))[:n_max]
    return [known[row] for row in sorted(chosen.tolist())]
