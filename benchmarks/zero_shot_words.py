"""A photo becomes words, and words find cards: the baseline, beside search by vector.

    OMP_NUM_THREADS=1 python benchmarks/zero_shot_words.py --home home/simulator

Queries are curated photos that the live release's index does not hold. By vector: as the search
does. By words: the tags nearest to the photo are the text query, and BM25 over titles and
attributes answers; ties in order of card_id. `own tags` asks with the tags that the true card
carries: no photo can give better words. `centred` takes the mean of all cards off the tags; `by
texts` gives tags the vectors of their words by build/text, where `photosearch text` made it for the
live model; `half` is the mean of both. Tags are made anew from the cards, vectors are those of the
index; nothing is written into the home. Intervals draw products anew.
"""

import argparse
import math
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photosearch.assembly import load_embedder, load_settings
from photosearch.assembly_serving import open_index
from photosearch.assembly_text import open_text_encoder
from photosearch.catalog.schemas import Card, CardTags, CuratedPhoto, Tag
from photosearch.catalog.tables import read_rows, read_table, write_table
from photosearch.embedding.aligner import MANIFEST as ALIGNER
from photosearch.embedding.aligner import read_aligner
from photosearch.embedding.catalog_vectors import catalog_vectors
from photosearch.embedding.embedder import Vectors, shorten, unit
from photosearch.embedding.text import in_batches
from photosearch.evaluation.intervals import draw, mean_interval
from photosearch.home import Home
from photosearch.release import live_release
from photosearch.search.candidates import nearest_cards
from photosearch.search.shown_cards import is_indexed
from photosearch.settings import Settings
from photosearch.tagging import vocabulary
from photosearch.tagging.generate import CARRIED, TAGS, make_tags
from photosearch.tagging.tag_index import TagIndex, carried_tags, open_tags, with_codes
from photosearch.tagging.words import WORD, language_of, stem
from photosearch.tags_settings import TagsParams

K1, B = 1.2, 0.75
RANKS = 10
N_WORDS = (3, 5, 10, 20)


@dataclass(frozen=True, slots=True)
class Queries:
    groups: list[str]
    cards: list[str]
    vectors: Vectors


class Bm25:
    """Cards by their words; Robertson and Zaragoza 2009, The Probabilistic Relevance Framework."""

    def __init__(self, texts: dict[str, str]) -> None:
        counts = {card_id: Counter(stems(text)) for card_id, text in texts.items()}
        self._length = {card_id: sum(words.values()) for card_id, words in counts.items()}
        self._mean = sum(self._length.values()) / len(counts)
        self._postings: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for card_id, words in sorted(counts.items()):
            for word, n in words.items():
                self._postings[word].append((card_id, n))

    def ranked(self, text: str) -> list[str]:
        scores: dict[str, float] = defaultdict(float)
        for word, times in Counter(stems(text)).items():
            having = self._postings.get(word, [])
            rarity = math.log(1 + (len(self._length) - len(having) + 0.5) / (len(having) + 0.5))
            for card_id, n in having:
                long = 1 - B + B * self._length[card_id] / self._mean
                scores[card_id] += times * rarity * n * (K1 + 1) / (n + K1 * long)
        return sorted(scores, key=lambda card_id: (-scores[card_id], card_id))


def stems(text: str) -> list[str]:
    words = WORD.findall(text.lower())
    return [stem(word, "ru" if language_of(word) == "ru" else "en") for word in words]


def tags_of_home(home: Home, folder: Path, batches: list, *, model_id: str, dim: int) -> TagIndex:
    """Tags of the home's cards as a release would hold them."""
    work = Home(folder / "home")
    if not work.tags.exists():
        cards = read_rows(home.curated / "cards.parquet", Card)
        write_table(work.curated / "cards.parquet", Card, cards)
        make_tags(work, params_of(dim))
    made = folder / f"tags-{dim}"
    vocabulary.write_tags(made, work.tags, batches, model_id=model_id, params=params_of(dim))
    return open_tags(made, model_id=model_id)


def params_of(dim: int) -> TagsParams:
    return TagsParams(
        source="titles", words_max=3, cards_min=3, share_max=0.5, typo_cards_max=3, typo_times=20,
        dim=dim,
    )  # fmt: skip


def variants(settings: Settings, folder: Path, batches: list) -> Iterator[tuple[str, TagIndex]]:
    """Other vectors for the tags that `tags_of_home` made of 64 numbers."""
    folder, model_id = folder / "tags-64", live_release(settings.home.releases).manifest.model_id
    columns = read_table(folder / TAGS, Tag)
    rows, cards = read_rows(folder / CARRIED, CardTags), vocabulary.mean_of_cards(batches, 64)
    by_card = carried_tags(folder)

    def index(vectors: Vectors) -> TagIndex:
        return TagIndex(columns, by_card, with_codes(vectors.astype(np.float16)))

    plain = vocabulary.tag_vectors(rows, cards, n_tags=len(columns))
    middle = cards.vectors.mean(axis=0)
    centred = vocabulary.CardVectors(cards.row_of, cards.vectors - middle)
    yield "centred", index(vocabulary.tag_vectors(rows, centred, n_tags=len(columns)))
    if not (settings.home.text / ALIGNER).exists():
        return
    aligner = read_aligner(settings.home.text, model_id=model_id)
    texts = columns["text"].to_pylist()
    by_texts = shorten(aligner.align(in_batches(open_text_encoder(settings), texts)), 64)
    yield "by texts", index(by_texts)
    yield "half", index(unit(plain + by_texts))


def told(
    name: str, rank: Callable[[int], Sequence[str]], queries: Queries, group_of: dict[str, str]
) -> str:
    """A row of the table: recall@1 and @10 by product group."""
    hits = np.zeros((2, len(queries.groups)))
    for row, group in enumerate(queries.groups):
        found = list(dict.fromkeys(group_of[card_id] for card_id in rank(row)))[:RANKS]
        hits[:, row] = found[:1] == [group], group in found
    drawn = draw(queries.groups)
    first, ten = (mean_interval(values, drawn) for values in hits)
    return f"| {name} | {first} | {ten} |"


def precision_of_tags(index: TagIndex, queries: Queries, n: int) -> float:
    """Share of the `n` nearest tags that the true card carries."""
    right = [
        near.row in set(index.carried.of(card_id).tolist())
        for card_id, vector in zip(queries.cards, queries.vectors, strict=True)
        for near in index.nearest(vector, limit=n)
    ]
    return float(np.mean(right))


def words_of(index: TagIndex, vector: Vectors, n: int) -> str:
    return " ".join(index.text(near.row) for near in index.nearest(vector, limit=n))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, required=True)
    settings = load_settings(parser.parse_args().home)
    home, release = settings.home, live_release(settings.home.releases)
    cards = read_rows(home.curated / "cards.parquet", Card)
    group_of = {card.card_id: card.group_id for card in cards}
    photos = [
        photo
        for photo in read_rows(home.curated / "photos.parquet", CuratedPhoto)
        if not is_indexed(photo)
    ]
    vectors_of = catalog_vectors(home, release.model, load_embedder(release.model))
    queries = Queries(
        [group_of[photo.card_id] for photo in photos],
        [photo.card_id for photo in photos],
        vectors_of(photos),
    )
    photo_index = open_index(release, settings.services)
    batches = list(photo_index.scroll())
    bm25 = Bm25(
        {
            card.card_id: " ".join((card.title, card.title_ru or "", *card.attributes.values()))
            for card in cards
        }
    )

    def by_vector(row: int) -> list[str]:
        vector = shorten(queries.vectors[row], photo_index.dim)
        return [card.card_id for card in nearest_cards(photo_index, vector, hits_per_query=100)]

    sys.stdout.write(f"{len(photos)} queries, {len(cards)} cards\n\n")
    sys.stdout.write("| by | recall@1 | recall@10 | tags right |\n|---|---|---|---|\n")
    sys.stdout.write(told("vector", by_vector, queries, group_of) + " |\n")
    with tempfile.TemporaryDirectory() as folder:
        made = []
        for dim in (64, 128, photo_index.dim):
            tags = tags_of_home(
                home, Path(folder), batches, model_id=release.manifest.model_id, dim=dim
            )
            made += [(f"{dim} numbers", n, tags) for n in (N_WORDS if dim == 64 else (10,))]
        made += [(name, 10, tags) for name, tags in variants(settings, Path(folder), batches)]
        for name, n, tags in made:
            texts = [words_of(tags, vector, n) for vector in queries.vectors]
            row = told(
                f"{n} nearest of {len(tags)} tags, {name}",
                lambda row, texts=texts: bm25.ranked(texts[row]), queries, group_of,
            )  # fmt: skip
            sys.stdout.write(f"{row} {precision_of_tags(tags, queries, n):.3f} |\n")
        tags = made[0][2]
        own = {c: " ".join(map(tags.text, tags.carried.of(c).tolist())) for c in group_of}
        row = told("own tags", lambda row: bm25.ranked(own[queries.cards[row]]), queries, group_of)
        sys.stdout.write(row + " |\n")
    photo_index.close()


if __name__ == "__main__":
    main()
