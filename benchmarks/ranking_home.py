"""What the boosted ranker adds on a home's held-out photos: by slice, and against plain rules.

The index holds every gallery picture and the buyers' photos of training, as a release does. The
ranker is trained as `photosearch ranker` trains it; nothing is written.

Photos with words ask too, as `photosearch ranker` asks with them.

python benchmarks/ranking_home.py --home home/simulator
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from photosearch.assembly import load_embedder, load_settings
from photosearch.assembly_serving import open_index
from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import read_rows
from photosearch.embedding.catalog_vectors import ModelVectors, VectorsOf, catalog_vectors
from photosearch.embedding.embedder import Vectors
from photosearch.evaluation.calibration import SameProbability
from photosearch.evaluation.metrics import Found
from photosearch.progress import configure_logging
from photosearch.release import live_release
from photosearch.search.boosted_ranker import BoostedRanker
from photosearch.search.features import FEATURES, card_features
from photosearch.search.popularity import Popularity
from photosearch.settings import Settings
from training.ranker import train_ranker, train_with_words
from training.ranker_data import Answered
from training.ranker_home import AskedHome, ask_home, ask_home_with_words
from training.ranker_trial import compare, found_right, measure, ranked_right

TOLD = 8
"""Features named, the most used first."""
Way = Callable[[Answered], Found]


def main() -> None:
    """Prints the tables of docs/experiments/ranking.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    settings = load_settings(parser.parse_args().home)
    configure_logging()
    home, ranking = settings.home, settings.params.ranking
    photos = read_rows(home.curated / "photos.parquet", CuratedPhoto)
    asked = ask_home(home, live_vectors(settings), ranking.ranker, settings.params.index)
    learned, judging = asked.learned, asked.judging
    half = len(learned) // 2
    untagged = [without(one, "tag_overlaps") for one in learned]
    for way, lessons in (("as known", learned[:half]), ("as new", learned[half:])):
        first = sum(bool(one.is_right[0]) for one in lessons)
        say(f"{first} of {len(lessons)} photos of training, {way}, find their product first")
    trained = train_ranker(learned, [], ranking, model_id="benchmark").running()
    as_known = train_ranker(learned[:half], [], ranking, model_id="x").running()
    no_tags = train_ranker(untagged, [], ranking, model_id="x").running()
    ways: dict[str, Way] = {
        "nearest gallery picture": lambda one: ordered_by(one, "gallery_cosine"),
        "mean of the near photos": lambda one: ordered_by(one, "mean_cosine"),
        "ranker, as known only": lambda one: ranked_right(as_known, one),
        "ranker, no tags": lambda one: ranked_right(no_tags, without(one, "tag_overlaps")),
        "ranker": lambda one: ranked_right(trained, one),
    }
    seen = {photo.card_id for photo in photos if photo.is_card_seen}
    cards = read_rows(home.curated / "cards.parquet", Card)
    known = {card.group_id for card in cards if card.card_id in seen}
    slices = {
        "all": judging,
        "seen": [one for one in judging if one.product in known],
        "unseen": [one for one in judging if one.product not in known],
    }
    say("\n| slice | way | recall@1 | nDCG@10 | MRR |\n|---|---|---|---|---|")
    for name, answers in slices.items():
        if answers:
            tell_slice(f"{name}, {len(answers)} photos", answers, ways)
    tell_most_used(trained)
    tell_words(settings, asked)


def tell_words(settings: Settings, asked: AskedHome) -> None:
    """Prints the table of photos with words, by what trees of their own learn from."""
    home, chosen, params = settings.home, settings.params.ranking.ranker, settings.params
    model_id = live_release(home.releases).manifest.model_id
    model = ModelVectors(model_id, live_vectors(settings))
    worded = ask_home_with_words(asked, home, model, chosen, params.text_search)
    alone = train_ranker(asked.learned, [], params.ranking, model_id="x")
    left_out: dict[str, Sequence[str]] = {
        "ranker of words, no tags, no text score": ("tag_overlaps", "text_scores"),
        "ranker of words, no tags": ("tag_overlaps",),
        "ranker of words, no text score": ("text_scores",),
        "ranker of words": (),
    }
    ways: dict[str, Way] = {
        "ranker of photos alone": lambda one: ranked_right(alone.running(), one)
    }
    for way, names in left_out.items():
        some = worded._replace(learned=[without(one, *names) for one in worded.learned])
        trained = train_with_words(alone, some, chosen)
        if trained is None:
            say("\nToo few photos can be asked with words of each kind.")
            return
        ways[way] = partial(ranked_without, trained.running(), names)
    say("\n| words of a | way | recall@1 | nDCG@10 | MRR |\n|---|---|---|---|---|")
    for kind, answers in worded.judging.items():
        tell_slice(f"{kind}, {len(answers)} photos with words", answers, ways)
    tell_most_used(trained.running())


def ranked_without(ranker: BoostedRanker, names: Sequence[str], answered: Answered) -> Found:
    """Which cards are right, in the order of a ranker that some evidence is kept from."""
    return ranked_right(ranker, without(answered, *names))


def without(answered: Answered, *names: str) -> Answered:
    """The same answer as if some of its evidence were not known."""
    nothing: dict[str, Any] = {"tag_overlaps": {}, "text_scores": None}
    unknown = {name: nothing[name] for name in names}
    return replace(answered, evidence=replace(answered.evidence, **unknown))


def tell_most_used(ranker: BoostedRanker) -> None:
    """Says which features the trees use."""
    gains = ranker.trees.feature_importance("gain")
    first = np.argsort(-gains)[:TOLD]
    say("\nMost used: " + ", ".join(f"{FEATURES[n]} {gains[n] / gains.sum():.0%}" for n in first))


def live_vectors(settings: Settings) -> VectorsOf:
    """Vectors by the live release: those in its index, others from tokens or images."""
    release = live_release(settings.home.releases)
    with closing(open_index(release, settings.services)) as index:
        stored = {
            photo_id: vector
            for photo_ids, _, vectors in index.scroll()
            for photo_id, vector in zip(photo_ids, vectors, strict=True)
        }
    others = catalog_vectors(settings.home, release.model, load_embedder(release.model))

    def vectors_of(photos: Sequence[CuratedPhoto]) -> Vectors:
        new = [photo for photo in photos if photo.photo_id not in stored]
        if new:
            made = others(new)[:, : next(iter(stored.values())).shape[0]]
            stored.update(zip((photo.photo_id for photo in new), made, strict=True))
        return np.stack([stored[photo.photo_id] for photo in photos])

    return vectors_of


def ordered_by(answered: Answered, feature: str) -> Found:
    """Which cards are right, in order of one feature; cards that lack it come last."""
    flat = SameProbability(1.0, 0.0)
    table = card_features(answered.found, answered.evidence, Popularity({}, 0.0), flat)
    values = np.nan_to_num(table[:, FEATURES.index(feature)], nan=-np.inf)
    return np.asarray(answered.is_right[np.argsort(-values, kind="stable")])


def tell_slice(name: str, answers: Sequence[Answered], ways: dict[str, Way]) -> None:
    """A line for the candidates, then one for each way, with its gain over them."""
    products = [answered.product for answered in answers]
    before = measure(answers, found_right(answers, [one.is_right for one in answers]))
    plain = [compare(metric, v, v, products) for metric, v in before.items()]
    say(f"| {name} | candidates alone | {' | '.join(str(one.ranked) for one in plain)} |")
    for way, order in ways.items():
        after = measure(answers, found_right(answers, [order(one) for one in answers]))
        told = [compare(m, before[m], after[m], products) for m in before]
        cells = [
            f"{one.ranked.value:.3f} {one.gain.value:+.3f} [{one.gain.low:+.3f}, "
            f"{one.gain.high:+.3f}]"
            for one in told
        ]
        say(f"| | {way} | {' | '.join(cells)} |")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
