"""Refinement against adding the two vectors: does "the same but red" find the card that is?

Half of a simulated shop's product groups is learned from, the other half is asked for, so no
target and no source was seen in training, by tower and head neither: these come from --home, whose
shop is another. A query is a buyer's photo and words; right are cards of the other half that have
the wanted values and all others as the source has them. All cards are searched, less the source's
own group and cards of the learned half that would be right too. Some minutes of one core; vectors
are kept.

python benchmarks/refinement.py --home home/simulator --kept /tmp/vectors
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from simulated_shop import Shop, simulated_shop

from photosearch.embedding.aligner import Aligner, AlignerManifest
from photosearch.embedding.embedder import Vectors, unit
from photosearch.embedding.model import TOWER, read_model
from photosearch.embedding.ngrams import EncodeTexts
from photosearch.embedding.normal_equations import NormalEquations
from photosearch.embedding.text import in_batches, text_encoder
from photosearch.progress import configure_logging
from photosearch.search.refine import Refiner, RefinerManifest
from photosearch.settings import load_params
from photosearch.text_settings import TextParams
from training.aligner import starting_layers, train_aligner
from training.refiner import Shelf, train_refiner
from training.triplets import Triplet, triplets_from_cards

ASKED_A_CARD = 5
WEIGHTS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
BUYERS = 2
"""The place of the buyer's photo among a card's pictures."""
RESAMPLES = 1000
TUNED_ON = 1000
"""Triplets of the learned half that choose the weight of the words."""


@dataclass(frozen=True, slots=True)
class Asked:
    triplets: list[Triplet]
    photos: Vectors
    """(n, dim), of buyers."""
    words: Vectors
    """(n, text_dim), of the encoder."""
    aligned: Vectors
    """(n, dim): the words in the image space."""


def main() -> None:
    """Prints recall@10 of each way to ask, as JSON."""
    options = _options()
    configure_logging()
    model = options.home / "build" / "candidate"
    text = load_params(options.params).text
    shop = simulated_shop(model, seed=options.seed, n_cards=options.cards, kept=options.kept)
    encoder = options.encoder or text.aligner.encoder
    encode = text_encoder(encoder, tower=model / TOWER)
    splits = [one_split(shop, model, encode, text, seed=seed) for seed in range(options.splits)]
    ways = splits[0]["recall_at_10"]
    report = {
        "encoder": encoder, "cards": options.cards, "groups": len(set(shop.groups)),
        "splits": splits,
        "mean": {way: round(np.mean([s["recall_at_10"][way] for s in splits]), 4) for way in ways},
        "ratio": _spread([split["ratio"] for split in splits]),
        "ratio_to_weighted": _spread([split["ratio_to_weighted"] for split in splits]),
    }  # fmt: skip
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


def one_split(
    shop: Shop, model: Path, encode: EncodeTexts, text: TextParams, *, seed: int
) -> dict[str, object]:
    """Learns from one half of the groups and asks for the other."""
    groups = np.unique(shop.groups)
    learned_groups = np.random.default_rng(seed).permutation(groups)[: len(groups) // 2]
    is_learned = np.isin(shop.groups, learned_groups)
    learned = [card for card, keep in zip(shop.cards, is_learned, strict=True) if keep]
    asked_for = [card for card, keep in zip(shop.cards, is_learned, strict=True) if not keep]
    model_id = read_model(model).model_id
    aligner = learned_aligner(shop, is_learned, encode, text, model_id)
    drawn = {"changed_most": text.refiner.changed_most, "seed": text.refiner.seed + seed}
    triplets = triplets_from_cards(learned, targets_a_card=text.refiner.targets_a_card, **drawn)
    refiner = learned_refiner(shop, triplets, encode, text, model_id)
    wanted = triplets_from_cards(asked_for, targets_a_card=ASKED_A_CARD, **drawn)
    asked = _ask(shop, wanted, aligner, encode, seed=seed)
    tuning = _ask(shop, triplets[:TUNED_ON], aligner, encode, seed=seed)
    tried = {w: unit(tuning.photos + w * tuning.aligned) for w in WEIGHTS}
    weight = max(WEIGHTS, key=lambda w: hits(shop, tuning, tried[w], is_learned).mean())
    ways = {
        "photo alone": asked.photos,
        "words alone": asked.aligned,
        "added": unit(asked.photos + asked.aligned),
        "added, best weight": unit(asked.photos + weight * asked.aligned),
        "refined": refiner.refine(asked.photos, asked.words),
    }
    found = {way: hits(shop, asked, vectors, ~is_learned) for way, vectors in ways.items()}
    sources = np.array([triplet.source for triplet in asked.triplets])
    return {
        "seed": seed,
        "triplets": len(triplets),
        "asked": len(asked.triplets),
        "weight": weight,
        "recall_at_10": {way: round(float(hit.mean()), 4) for way, hit in found.items()},
        "ratio": round(float(found["refined"].mean() / found["added"].mean()), 3),
        "ratio_95": _ratio_interval(found["refined"], found["added"], sources, seed=seed),
        "ratio_to_weighted": round(
            float(found["refined"].mean() / found["added, best weight"].mean()), 3
        ),
        "slices": _slices(asked, found),
    }


def hits(
    shop: Shop, asked: Asked, vectors: Vectors, is_target: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Whether a right card that is a target is among the first 10, one number a query."""
    row_of = {card.card_id: row for row, card in enumerate(shop.cards)}
    cosines = np.maximum(*(vectors @ shop.vectors[:, place].T for place in range(BUYERS)))
    hit = np.zeros(len(vectors))
    told = np.array([f"{card.category} {sorted(card.attributes.items())}" for card in shop.cards])
    groups = shop.groups
    for n, triplet in enumerate(asked.triplets):
        right = told == told[row_of[triplet.target]]
        out = (groups == groups[row_of[triplet.source]]) | (right & ~is_target)
        best = np.argsort(-np.where(out, -np.inf, cosines[n]), kind="stable")[:10]
        hit[n] = (right & is_target)[best].any()
    return hit


def learned_aligner(
    shop: Shop, is_learned: NDArray[np.bool_], encode: EncodeTexts, text: TextParams, model_id: str
) -> Aligner:
    """The aligner that params name, learned from both titles and all pictures of the half."""
    rows = np.flatnonzero(is_learned)
    titles = [(row, t) for row in rows for t in (shop.cards[row].title, shop.cards[row].title_ru)]
    words = in_batches(encode, [title for _, title in titles])
    places, dim = shop.vectors.shape[1:]
    texts = np.repeat(words, places, axis=0)
    photos = shop.vectors[[row for row, _ in titles]].reshape(-1, dim)
    equations = NormalEquations(texts.shape[1], dim)
    equations.add(texts, photos)
    closed_form = equations.solve(ridge=text.aligner.ridge)
    layers = [closed_form]
    if text.aligner.steps:
        _, groups = np.unique(shop.groups, return_inverse=True)
        shown = groups[[row for row, _ in titles]].repeat(places).astype(np.int64)
        start = starting_layers(
            text.aligner.start, texts.shape[1], dim, closed_form=closed_form, seed=text.aligner.seed
        )
        layers = train_aligner(start, (texts, photos, shown), aligner=text.aligner)
    return Aligner(AlignerManifest(text.aligner.encoder, model_id, texts.shape[1], dim), layers)


def learned_refiner(
    shop: Shop, triplets: Sequence[Triplet], encode: EncodeTexts, text: TextParams, model_id: str
) -> Refiner:
    """The refiner that params name, learned from triplets of cards of the shop."""
    places, dim = shop.vectors.shape[1:]
    cards = {card for t in triplets for card in (t.source, *t.right)}
    rows = {
        card.card_id: list(range(row * places, (row + 1) * places))
        for row, card in enumerate(shop.cards)
        if card.card_id in cards
    }
    words = sorted({text for triplet in triplets for text in triplet.texts})
    vector_of = dict(zip(words, in_batches(encode, words), strict=True))
    shelf = Shelf(rows, shop.vectors.reshape(-1, dim))
    layers = train_refiner(triplets, shelf, vector_of, refiner=text.refiner)
    text_dim = len(vector_of[words[0]])
    return Refiner(RefinerManifest(model_id, text.aligner.encoder, text_dim, dim), layers)


def _ask(
    shop: Shop, triplets: Sequence[Triplet], aligner: Aligner, encode: EncodeTexts, *, seed: int
) -> Asked:
    random = np.random.default_rng(seed)
    row_of = {card.card_id: row for row, card in enumerate(shop.cards)}
    texts = [triplet.texts[random.integers(len(triplet.texts))] for triplet in triplets]
    photos = shop.vectors[[row_of[triplet.source] for triplet in triplets], BUYERS]
    words = in_batches(encode, texts)
    return Asked(list(triplets), photos, words, aligner.align(words))


def _slices(asked: Asked, found: Mapping[str, NDArray[np.float64]]) -> dict[str, object]:
    slices = {}
    for names in sorted({triplet.changes for triplet in asked.triplets}):
        of_it = np.array([triplet.changes == names for triplet in asked.triplets])
        slices[" and ".join(names)] = {"asked": int(of_it.sum())} | {
            way: round(float(hit[of_it].mean()), 4) for way, hit in found.items()
        }
    return slices


def _ratio_interval(
    refined: NDArray[np.float64],
    added: NDArray[np.float64],
    sources: NDArray[np.str_],
    *,
    seed: int,
) -> list[float]:
    """95% of the ratios when source cards are drawn anew."""
    random = np.random.default_rng(seed)
    _, of_card = np.unique(sources, return_inverse=True)
    by_card = [np.bincount(of_card, hits_of) for hits_of in (refined, added)]
    drawn = random.integers(len(by_card[0]), size=(RESAMPLES, len(by_card[0])))
    ratios = by_card[0][drawn].sum(axis=1) / by_card[1][drawn].sum(axis=1)
    return np.quantile(ratios, (0.025, 0.975)).round(3).tolist()


def _spread(ratios: list[float]) -> dict[str, float]:
    return {"mean": round(float(np.mean(ratios)), 3), "least": min(ratios), "most": max(ratios)}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="whose candidate sees the shop")
    parser.add_argument("--params", type=Path, default=Path("simulator/params.yaml"))
    parser.add_argument("--kept", type=Path, required=True, help="folder for vectors")
    parser.add_argument("--encoder", help="in place of the one that params name")
    parser.add_argument("--cards", type=int, default=600)
    parser.add_argument("--seed", type=int, default=31, help="of the shop")
    parser.add_argument("--splits", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
