"""What late interaction adds to photo -> card; see docs/experiments/late_interaction.md.

    OMP_NUM_THREADS=1 python benchmarks/late_interaction.py --home home/simulator

Searches as the service does (all near photos vote), and compares the first 20 cards anew by several
kinds of tokens. It asks with the home's queries, and with buyers' photos of another world of the
simulator (`--cards`, drawn first, kept under `--kept`), none of whose products the model has seen.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from simulated_tokens import TokenShop, token_shop

from photosearch.assembly import load_settings
from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import read_rows
from photosearch.embedding.catalog_tokens import attention_head, reduced
from photosearch.embedding.embedder import Vectors, unit
from photosearch.embedding.head import AttentionHead
from photosearch.embedding.layers import Layer
from photosearch.embedding.short_tokens import (
    Projection,
    ProjectionManifest,
    discriminant_layer,
    pack,
    unpack,
)
from photosearch.embedding.tokens import open_tokens
from photosearch.embedding.torch_runtime import pool_tokens
from photosearch.evaluation.intervals import draw, mean_interval
from photosearch.home import Home
from photosearch.index.vector_index import ExactIndex
from photosearch.late_settings import LateInteractionParams
from photosearch.progress import configure_logging
from photosearch.search.candidates import nearest_cards
from photosearch.search.late_interaction import max_sim
from photosearch.search.query import Candidate
from photosearch.search.shown_cards import is_indexed
from training.fit import SHRINKAGE
from training.late_interaction import train_layer, training_tokens

CARDS, WEIGHTS, SEEDS = 20, (0.25, 0.5, 1.0), 3
HITS = 100
Shorten = Callable[[Vectors], Vectors]


@dataclass(frozen=True, slots=True)
class Photos:
    """Photos with the tower's tokens."""

    photo_ids: list[str]
    card_ids: list[str]
    patches: Vectors
    """(n_photos, T, D)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Queries, what the search finds, and all that is compared."""

    queries: Photos
    gallery: Photos
    group_of: dict[str, str]
    found: list[list[Candidate]]
    """The first CARDS cards of each query."""

    @property
    def groups(self) -> list[str]:
        return [self.group_of[card_id] for card_id in self.queries.card_ids]


Likeness = list[NDArray[np.float64]]
"""Of each query to each of its cards."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="one that has been trained")
    parser.add_argument("--cards", type=int, default=460, help="of the other world; 0: none")
    parser.add_argument("--seed", type=int, default=11, help="of the other world")
    parser.add_argument("--kept", type=Path, default=Path("home/simulated_shops"))
    asked = parser.parse_args()
    configure_logging()
    settings = load_settings(asked.home)
    home, late = settings.home, settings.params.late_interaction
    kinds = kinds_of_tokens(home, late)
    worlds = home_worlds(home)
    if asked.cards:
        shop = token_shop(home.candidate, seed=asked.seed, n_cards=asked.cards, kept=asked.kept)
        worlds[f"another world, {asked.cards} cards, none seen"] = shop_world(home, shop)
    for name, world in worlds.items():
        likeness = {kind: likeness_by(world, shorten) for kind, shorten in kinds.items()}
        likeness["control: the vectors' own cosine"] = [
            np.array([card.cosine for card in found]) for found in world.found
        ]
        sys.stdout.write(table(name, world, likeness))


def home_worlds(home: Home) -> dict[str, Asked]:
    """The queries of the home as a whole, and those whose card was never seen in training."""
    photos = read_rows(home.curated / "photos.parquet", CuratedPhoto)
    cards = read_rows(home.curated / "cards.parquet", Card)
    queries = [p for p in photos if p.kind == "review" and p.split != "train"]
    gallery = _cached(home, [p for p in photos if is_indexed(p)])
    group_of = {card.card_id: card.group_id for card in cards}
    parts = {
        "the home": queries,
        "the home, cards never seen": [p for p in queries if not p.is_card_seen],
    }
    return {
        name: _ask(home, _cached(home, part), gallery, group_of) for name, part in parts.items()
    }


def shop_world(home: Home, shop: TokenShop) -> Asked:
    """A buyer's photo of each card asks for its two own pictures."""
    ids = [card.card_id for card in shop.cards]
    group_of = {card.card_id: card.group_id for card in shop.cards}
    queries = Photos([f"{i}/2" for i in ids], ids, shop.tokens[:, 2].astype(np.float32))
    own = shop.tokens[:, :2].reshape(-1, *shop.tokens.shape[2:]).astype(np.float32)
    gallery = Photos(
        [f"{i}/{n}" for i in ids for n in (0, 1)], [i for i in ids for _ in (0, 1)], own
    )
    return _ask(home, queries, gallery, group_of)


def kinds_of_tokens(home: Home, late: LateInteractionParams) -> dict[str, Shorten]:
    """From patch tokens, (n, T, D), to the unit tokens that are compared."""
    training, head = training_tokens(home), attention_head(home.candidate)
    tokens, (patches, groups) = training.tokens, _patches_of(home)
    numbers = np.unique(groups, return_inverse=True)[1].tolist()
    start = discriminant_layer(tokens, training.products, dim=late.dim, shrinkage=SHRINKAGE)
    by_head: dict[str, Shorten] = {
        "head's tokens, as they are (256)": unit,
        f"head's tokens, PCA-whitened ({late.dim})": _shorten(whitened(tokens, late.dim)),
        f"head's tokens, discriminant ({late.dim})": _shorten(start),
    }
    for seed in range(SEEDS):
        learned = train_layer(training, start, late.model_copy(update={"seed": seed}))[0]
        by_head[f"head's tokens, learned ({late.dim}), seed {seed}"] = _shorten(learned)
    shorten = _shorten(learned)
    by_head["the last in bytes"] = lambda t: unpack(pack(shorten(t)))
    of_patches = discriminant_layer(patches, numbers, dim=late.dim, shrinkage=SHRINKAGE)
    return {name: _after(head, short) for name, short in by_head.items()} | {
        f"patches, PCA-whitened ({late.dim})": _shorten(whitened(patches, late.dim)),
        f"patches, discriminant ({late.dim})": _shorten(of_patches),
    }


def whitened(tokens: Vectors, dim: int) -> Layer:
    """The first principal axes of tokens, each scaled to a variance of 1."""
    flat = tokens.reshape(-1, tokens.shape[-1]).astype(np.float64)
    centre = flat.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov(flat, rowvar=False))
    directions = axes[:, ::-1][:, :dim] / np.sqrt(variances[::-1][:dim])
    return Layer(directions.T.astype(np.float32), (-centre @ directions).astype(np.float32))


def likeness_by(world: Asked, shorten: Shorten) -> Likeness:
    """MaxSim of each query to the nearest photo of each of its cards."""
    row_of = {photo_id: row for row, photo_id in enumerate(world.gallery.photo_ids)}
    asked, stored = shorten(world.queries.patches), shorten(world.gallery.patches)
    return [
        max_sim(one, stored[[row_of[card.photo_id] for card in found]]).astype(np.float64)
        for one, found in zip(asked, world.found, strict=True)
    ]


def table(name: str, world: Asked, likeness: dict[str, Likeness]) -> str:
    """What each kind adds at each weight, in points, with intervals over products."""
    drawn, before = draw(world.groups), measured(world, None, 0.0)
    head = "".join(f" recall@1, {w:g} | MRR, {w:g} |" for w in WEIGHTS)
    lines = [
        f"\n{name}: {len(world.found)} queries, recall@1 {before[0].mean():.3f}, MRR "
        f"{before[1].mean():.3f} without late interaction; with it, in points (95%):\n",
        f"| tokens |{head}",
        "|---" * (1 + 2 * len(WEIGHTS)) + "|",
    ]
    for kind, by_query in likeness.items():
        cells = []
        for weight in WEIGHTS:
            for gain in measured(world, by_query, weight) - before:
                told = mean_interval(gain * 100, drawn)
                cells.append(f"{told.value:+.1f} ({told.low:+.1f} to {told.high:+.1f})")
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def measured(world: Asked, likeness: Likeness | None, weight: float) -> NDArray[np.float64]:
    """recall@1 and reciprocal rank among the first CARDS, (2, n_queries)."""
    figures = np.zeros((2, len(world.found)))
    for row, (found, group) in enumerate(zip(world.found, world.groups, strict=True)):
        scores = np.array([card.score for card in found])
        if likeness is not None:
            scores += weight * np.maximum(likeness[row], 0)
        order = np.argsort(-scores, kind="stable")
        right = [world.group_of[found[place].card_id] == group for place in order]
        if any(right):
            figures[:, row] = right[0], 1 / (1 + right.index(True))
    return figures


def _ask(home: Home, queries: Photos, gallery: Photos, group_of: dict[str, str]) -> Asked:
    head = attention_head(home.candidate)
    index = ExactIndex(pool_tokens(head, gallery.patches[:1]).shape[1])
    index.add(gallery.photo_ids, gallery.card_ids, pool_tokens(head, gallery.patches))
    found = [
        nearest_cards(index, vector, hits_per_query=HITS)[:CARDS]
        for vector in pool_tokens(head, queries.patches)
    ]
    return Asked(queries, gallery, group_of, found)


def _cached(home: Home, photos: Sequence[CuratedPhoto]) -> Photos:
    cache = open_tokens(home.tokens)
    row_of = {row.photo_id: number for number, row in enumerate(cache.rows) if row.view == 0}
    patches = cache.read([row_of[photo.photo_id] for photo in photos]).float().numpy()
    return Photos([p.photo_id for p in photos], [p.card_id for p in photos], patches)


def _patches_of(home: Home) -> tuple[Vectors, list[str]]:
    """Patch tokens of all training photos and views, and their cards' products."""
    cache = open_tokens(home.tokens)
    cards = read_rows(home.curated / "cards.parquet", Card)
    group_of = {card.card_id: card.group_id for card in cards}
    rows = [number for number, row in enumerate(cache.rows) if row.split == "train"]
    groups = [group_of[cache.rows[row].card_id] for row in rows]
    return cache.read(rows).float().numpy(), groups


def _after(head: AttentionHead, shorten: Shorten) -> Shorten:
    return lambda patches: shorten(reduced(head, patches))


def _shorten(layer: Layer) -> Shorten:
    return Projection(ProjectionManifest("", ""), layer).shorten


if __name__ == "__main__":
    main()
