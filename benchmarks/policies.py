"""What each policy does to the answers of a home, and what it costs.

    OMP_NUM_THREADS=1 python benchmarks/policies.py --home home/simulator

Queries are curated photos that the live release's index does not hold; 100 photos are fetched and
made cards of, as the search does. Each policy alone over these answers: cards dropped and moved in
the first 10, and recall@10 by product group. Then, by cosine of the matched photos: how many pairs
of cards in one answer are so near, and how many of these are the same product.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from photosearch.assembly import load_embedder, load_settings
from photosearch.assembly_serving import open_index
from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import read_rows
from photosearch.embedding.catalog_vectors import catalog_vectors
from photosearch.embedding.embedder import Vectors, shorten
from photosearch.policy_settings import PoliciesParams
from photosearch.release import live_release
from photosearch.search.candidates import nearest_cards
from photosearch.search.enrich import CardFactsTable
from photosearch.search.found import FoundCard
from photosearch.search.policies import CardMarks, apply_policies
from photosearch.search.shown_cards import is_indexed

SHOWN = 10
COSINES = (0.9, 0.95, 0.97, 0.98, 0.99, 0.995)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, required=True)
    settings = load_settings(parser.parse_args().home)
    home, release = settings.home, live_release(settings.home.releases)
    group_of = {c.card_id: c.group_id for c in read_rows(home.curated / "cards.parquet", Card)}
    photos = read_rows(home.curated / "photos.parquet", CuratedPhoto)
    asked = [photo for photo in photos if not is_indexed(photo)]
    vectors_of = catalog_vectors(home, release.model, load_embedder(release.model))
    index = open_index(release, settings.services)
    vector_of = {
        photo_id: vector
        for photo_ids, _, vectors in index.scroll()
        for photo_id, vector in zip(photo_ids, vectors, strict=True)
    }
    facts = CardFactsTable(release.cards, release.thumbnail_table)
    queries = shorten(vectors_of(asked), index.dim)
    answers = [facts.enrich(nearest_cards(index, query, hits_per_query=100)) for query in queries]
    index.close()
    marks = CardMarks(group_of, {}, lambda ids: np.stack([vector_of[one] for one in ids]))
    wanted = [group_of[photo.card_id] for photo in asked]
    off = settings.params.policies.model_copy(
        update={"sold_out": [], "hidden": [], "one_a_group": False, "duplicate_cosine": 2.0,
                "one_seller_most": 0}
    )  # fmt: skip
    mean = np.mean([len(answer) for answer in answers])
    sys.stdout.write(f"{len(asked)} queries, {mean:.1f} cards each\n\n")
    sys.stdout.write("| on | dropped | moved down | recall@10 | ms |\n|---|---|---|---|---|\n")
    for name, on in {
        "nothing": {},
        "sold out": {"sold_out": ["out_of_stock"]},
        "one a group": {"one_a_group": True},
        "duplicate_cosine .99": {"duplicate_cosine": 0.99},
        "3 of a seller in 10": {"one_seller_most": 3},
        "1 of a seller in 10": {"one_seller_most": 1},
    }.items():
        row = measured(answers, off.model_copy(update=on), marks, wanted)
        sys.stdout.write(f"| {name} | {row} |\n")
    sys.stdout.write("\n| cosine at least | pairs | of one product |\n|---|---|---|\n")
    for cosine, n_pairs, n_same in pairs(answers, vector_of, group_of):
        sys.stdout.write(f"| {cosine} | {n_pairs} | {n_same} |\n")


def measured(
    answers: Sequence[list[FoundCard]],
    policies: PoliciesParams,
    marks: CardMarks,
    wanted: Sequence[str],
) -> str:
    """Cells of a row: cards dropped and moved of the first SHOWN, recall, processor time."""
    dropped = moved = right = 0
    started = time.process_time()
    policed = [apply_policies(answer, policies, marks) for answer in answers]
    took_ms = (time.process_time() - started) * 1000 / len(answers)
    for answer, done, group in zip(answers, policed, wanted, strict=True):
        first = {card.traits.card_id for card in answer[:SHOWN]}
        dropped += sum(drop.card.traits.card_id in first for drop in done.dropped)
        moved += sum(
            card.traits.card_id in first
            for card in done.shown
            if any(reason.what == "seller_diversity" for reason in card.reasons)
        )
        right += group in {marks.group_of[card.traits.card_id] for card in done.shown[:SHOWN]}
    return f"{dropped} | {moved} | {right / len(answers):.3f} | {took_ms:.2f}"


def pairs(
    answers: Sequence[list[FoundCard]], vector_of: dict[str, Vectors], group_of: dict[str, str]
) -> list[tuple[float, int, int]]:
    """Different pairs of cards among the first SHOWN whose matched photos are so near."""
    near: dict[frozenset[str], float] = {}
    for answer in answers:
        first = answer[:SHOWN]
        vectors = np.stack([vector_of[card.photo_id] for card in first])
        cosines = vectors @ vectors.T
        for row, column in zip(*np.triu_indices(len(first), 1), strict=True):
            pair = frozenset((first[row].traits.card_id, first[column].traits.card_id))
            near[pair] = max(near.get(pair, -1.0), float(cosines[row, column]))
    rows = []
    for cosine in COSINES:
        so_near = [pair for pair, value in near.items() if value >= cosine]
        n_same = sum(len({group_of[card_id] for card_id in pair}) == 1 for pair in so_near)
        rows.append((cosine, len(so_near), n_same))
    return rows


if __name__ == "__main__":
    main()
