"""The aligner's start: closed form, orthogonal, default; how soon and how well titles find cards.

Half of a simulated shop's product groups is learned from; titles of the other half look for their
cards among all. --encoder is `tower`, its own text side, `ngrams`, pieces of words, or `random`, a
sentence-transformers model whose words are random vectors; the last two know nothing of photos. The
shop and --home's are two worlds.

python benchmarks/aligner.py --home home/simulator --kept /tmp/vectors
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from simulated_shop import Shop, simulated_shop

from photosearch.embedding.embedder import Vectors, unit
from photosearch.embedding.layers import Layer, run_layers
from photosearch.embedding.model import TOWER
from photosearch.embedding.ngrams import NGRAMS, EncodeTexts
from photosearch.embedding.normal_equations import NormalEquations
from photosearch.embedding.text import in_batches, sentence_encoder, text_encoder
from photosearch.evaluation.benchmark import Gallery, PhotoVectors, averages, measure, rank_cards
from photosearch.progress import configure_logging
from photosearch.settings import load_params
from photosearch.text_settings import AlignerParams
from training.aligner import starting_layers, train_aligner

STARTS = ("default", "orthogonal", "closed_form")
LOOKED_AT = (0, 5, 10, 20, 40, 80, 120, 160)
"""Steps after which recall is measured."""
RIDGES = (0.01, 0.1, 1.0, 10.0)
LANGUAGES = ("English", "Russian")
"""In the order of a card's titles."""
BUYERS = 2
RANDOM_WORDS = "random"
WORD_DIM = 256
T_95 = {3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 8: 2.365, 10: 2.262}
"""Student's t, 97.5%, for so many seeds."""


def main() -> None:
    """Prints curves and differences with intervals, as JSON."""
    options = _options()
    configure_logging()
    torch.set_num_threads(1)
    model = options.home / "build" / "candidate"
    aligner = load_params(options.params).text.aligner
    aligner = aligner.model_copy(
        update={"steps": LOOKED_AT[-1], "batch": options.batch, "learning_rate": options.rate}
    )
    shop = simulated_shop(model, seed=options.seed, n_cards=options.cards, kept=options.kept)
    is_named = options.encoder != RANDOM_WORDS
    encode = text_encoder(options.encoder, tower=model / TOWER) if is_named else random_words(shop)
    report = {options.encoder: one_encoder(shop, encode, aligner, n_seeds=options.seeds)}
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


def one_encoder(
    shop: Shop, encode: EncodeTexts, aligner: AlignerParams, *, n_seeds: int
) -> dict[str, object]:
    """Each start on each seed; recall@10 after so many steps, and against the default start."""
    titles = [[card.title, card.title_ru or card.title] for card in shop.cards]
    vectors = in_batches(encode, [title for both in titles for title in both])
    texts = vectors.reshape(len(titles), 2, -1)
    curves: dict[str, list[list[float]]] = {start: [] for start in STARTS}
    linear: dict[str, list[float]] = {}
    for seed in range(n_seeds):
        is_learned = _half(shop, seed)
        pairs = _pairs(shop, texts, is_learned)
        equations = NormalEquations(texts.shape[2], shop.vectors.shape[2])
        equations.add(pairs[0], pairs[1])
        for ridge in RIDGES:
            solved = [equations.solve(ridge=ridge)]
            for n, language in enumerate(LANGUAGES):
                found = recall(shop, texts[:, n : n + 1], solved, ~is_learned)
                linear.setdefault(f"ridge {ridge:g}, {language}", []).append(found)
        closed_form = equations.solve(ridge=aligner.ridge)
        for start in STARTS:
            curve: list[float] = []

            def look(
                step: int,
                layers: list[Layer],
                curve: list[float] = curve,
                asked: NDArray[np.bool_] = ~is_learned,
            ) -> None:
                if step in LOOKED_AT:
                    curve.append(recall(shop, texts, layers, asked))

            first = starting_layers(
                start, texts.shape[2], shop.vectors.shape[2], closed_form=closed_form, seed=seed
            )
            train_aligner(
                first, pairs, aligner=aligner.model_copy(update={"seed": seed}), watch=look
            )
            curves[start].append(curve)
    return {
        "closed form, no steps": {
            asked: _mean_and_interval(found) for asked, found in linear.items()
        },
        "steps": list(LOOKED_AT),
        "recall_at_10": {s: np.mean(curves[s], axis=0).round(4).tolist() for s in STARTS},
        "last": {s: _mean_and_interval([curve[-1] for curve in curves[s]]) for s in STARTS},
        "last_less_default": {
            s: _mean_and_interval(
                [a[-1] - b[-1] for a, b in zip(curves[s], curves["default"], strict=True)]
            )
            for s in STARTS[1:]
        },
        "steps_to_defaults_last": {
            s: [_steps_to(a, b[-1]) for a, b in zip(curves[s], curves["default"], strict=True)]
            for s in STARTS
        },
    }


def recall(shop: Shop, texts: Vectors, layers: list[Layer], asked: NDArray[np.bool_]) -> float:
    """Recall@10 of the titles of the cards `asked`, among all cards' own pictures."""
    aligned = unit(run_layers(layers, texts[asked].reshape(-1, texts.shape[2])))
    queries = PhotoVectors(shop.groups[asked].repeat(texts.shape[1]).tolist(), aligned)
    own = shop.vectors[:, :BUYERS].reshape(-1, shop.vectors.shape[2])
    card_ids = np.array([card.card_id for card in shop.cards]).repeat(BUYERS)
    gallery = Gallery(card_ids.tolist(), shop.groups.repeat(BUYERS).tolist(), own)
    ranking = rank_cards(queries, gallery, length=own.shape[1])
    return averages(measure(ranking), np.ones(len(aligned), np.bool_))["recall_at_10"]


def random_words(shop: Shop) -> EncodeTexts:
    """A sentence-transformers model made here: a random vector a word, averaged."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    split = pre_tokenizers.Whitespace()
    titles = [title.lower() for c in shop.cards for title in (c.title, c.title_ru or "")]
    words = sorted({word for title in titles for word, _ in split.pre_tokenize_str(title)})
    numbers = {word: number for number, word in enumerate(["[UNK]", *words])}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), split
    random = np.random.default_rng(7).standard_normal((len(numbers), WORD_DIM))
    module = StaticEmbedding(tokenizer, embedding_weights=random.astype(np.float32))
    with tempfile.TemporaryDirectory() as folder:
        SentenceTransformer(modules=[module], device="cpu").save(folder)
        return sentence_encoder(folder)


def _half(shop: Shop, seed: int) -> NDArray[np.bool_]:
    groups = np.unique(shop.groups)
    return np.isin(shop.groups, np.random.default_rng(seed).permutation(groups)[: len(groups) // 2])


def _pairs(
    shop: Shop, texts: Vectors, is_learned: NDArray[np.bool_]
) -> tuple[Vectors, Vectors, NDArray[np.int64]]:
    """Both titles of a card with each of its pictures."""
    _, groups = np.unique(shop.groups, return_inverse=True)
    rows = np.flatnonzero(is_learned)
    n_pictures = shop.vectors.shape[1]
    return (
        texts[rows].repeat(n_pictures, axis=1).reshape(-1, texts.shape[2]),
        np.concatenate([shop.vectors[rows]] * 2, axis=1).reshape(-1, shop.vectors.shape[2]),
        groups[rows].repeat(2 * n_pictures).astype(np.int64),
    )


def _steps_to(curve: Sequence[float], wanted: float) -> int | None:
    """Steps until a curve is as high as the default start gets; None if it never is."""
    return next((step for step, at in zip(LOOKED_AT, curve, strict=True) if at >= wanted), None)


def _mean_and_interval(values: Sequence[float]) -> list[float]:
    """Mean and half of its 95% interval over seeds."""
    half = T_95[len(values)] * np.std(values, ddof=1) / np.sqrt(len(values))
    return [round(float(np.mean(values)), 4), round(float(half), 4)]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="whose candidate sees the shop")
    parser.add_argument("--encoder", default=NGRAMS)
    parser.add_argument("--params", type=Path, default=Path("simulator/params.yaml"))
    parser.add_argument("--kept", type=Path, required=True, help="folder for vectors")
    parser.add_argument("--cards", type=int, default=600)
    parser.add_argument("--seed", type=int, default=31, help="of the shop")
    parser.add_argument("--seeds", type=int, default=5, choices=sorted(T_95))
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0.001, help="learning rate")
    return parser.parse_args()


if __name__ == "__main__":
    main()
