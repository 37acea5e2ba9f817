"""Times the refresh of a live index by step: 1% of a catalogue changed, vectors at hand.

    OMP_NUM_THREADS=1 python benchmarks/refresh.py --cards 100000
    OMP_NUM_THREADS=1 python benchmarks/refresh.py --cards 1000000 --kept FOLDER

A card has one photo. Vectors are those of benchmarks/index_products.py, so that embedding takes no
time and what is left is what follows it. Of the catalogue a quarter of a
percent each is gone, new, shows another picture, and costs another price, and as many reviews are
new. The release carries what it always does: words, policies, detector. `--kept` keeps the built
home, so that a second run begins with the refresh. Pictures are few (`--pictures`), shared by the
cards: each is one file to link.
"""

import argparse
import resource
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from index_products import SHARES, make_products
from PIL import Image

from photosearch.assembly_index import index_engine
from photosearch.assembly_parts import parts_of_release
from photosearch.catalog import images
from photosearch.catalog.pull import Snapshot
from photosearch.catalog.schemas import Card, CuratedPhoto, Review
from photosearch.catalog.tables import arrow_schema, write_columns
from photosearch.embedding.embedder import Vectors, unit
from photosearch.embedding.model import HeadShape, Lineage, ModelManifest
from photosearch.home import Home
from photosearch.index_settings import IndexParams
from photosearch.judging_settings import CalibrationParams
from photosearch.progress import configure_logging
from photosearch.release import switch_live
from photosearch.report import save_report, write_text
from photosearch.search.release_folder import build_release
from photosearch.search.release_recipe import Recipe, ReleaseReport
from photosearch.search.release_refresh import refresh_release
from photosearch.settings import Services, Settings, load_params

PARAMS = Path(__file__).parent.parent / "params.yaml"
DIM = 256
CHANGED_SHARE = 0.0025
"""Of the cards, for each of four kinds of change."""
CATEGORIES, BRANDS = 200, 3000


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Cards by number; a card's photo is its number and the edition of its picture."""

    numbers: list[int]
    editions: list[int]
    prices: list[float]

    def photo_ids(self) -> list[str]:
        return [f"{number:09d}/gallery/0" for number in self.numbers]


class MadeVectors:
    """Vectors of photos by card number and edition, always the same."""

    def __init__(self, n_cards: int) -> None:
        self._products = make_products(n_cards, DIM)

    def __call__(self, photos: Any) -> Vectors:
        """A card's first picture shows its product; another one, or a new card, a near product."""
        known = self._products.vectors
        vectors = known[[int(photo.card_id) % len(known) for photo in photos]]
        for row, photo in enumerate(photos):
            number, edition = int(photo.card_id), int(photo.sha256[:4], 16)
            if edition or number >= len(known):
                noise = np.random.default_rng((number, edition)).normal(size=DIM)
                vectors[row] += SHARES[4] * unit((noise / np.sqrt(np.arange(1, DIM + 1)))[None])[0]
        return unit(vectors)


def first_catalogue(n_cards: int) -> Catalogue:
    prices = np.random.default_rng(1).lognormal(7, 1, n_cards).round(2).tolist()
    return Catalogue(list(range(n_cards)), [0] * n_cards, prices)


def changed_catalogue(before: Catalogue, n_cards: int) -> Catalogue:
    """1% is another: gone, new, another picture, another price."""
    part = max(1, int(n_cards * CHANGED_SHARE))
    chosen = np.random.default_rng(2).permutation(n_cards)[: 3 * part].tolist()
    gone, redrawn, repriced = (set(chosen[n * part : (n + 1) * part]) for n in range(3))
    rows = [
        (number, 1 if number in redrawn else 0, price * (0.9 if number in repriced else 1))
        for number, price in zip(before.numbers, before.prices, strict=True)
        if number not in gone
    ]
    rows += [(n_cards + number, 0, 999.0) for number in range(part)]
    numbers, editions, prices = map(list, zip(*rows, strict=True))
    return Catalogue(numbers, editions, prices)


def write_catalogue(home: Home, one: Catalogue, data_version: str, pictures: list[str]) -> None:
    """Curated tables and the snapshot's name; the picture of a card is one of `pictures`."""
    card_ids = [f"{number:09d}" for number in one.numbers]
    n_cards = len(card_ids)
    photos = {
        "photo_id": one.photo_ids(),
        "card_id": card_ids,
        "kind": ["gallery"] * n_cards,
        "sha256": [
            pictures[edition * len(pictures) // 2 + number % (len(pictures) // 2)]
            for number, edition in zip(one.numbers, one.editions, strict=True)
        ],
        "split": ["train"] * n_cards,
        "is_card_seen": [True] * n_cards,
    }
    nothing = [None] * n_cards
    cards = {
        "card_id": card_ids,
        "title": [f"Product {number}" for number in one.numbers],
        "title_ru": nothing,
        "description": nothing,
        "category": [["All", f"Category {number % CATEGORIES}"] for number in one.numbers],
        "brand": [f"Brand {number % BRANDS}" for number in one.numbers],
        "article": nothing,
        "price": one.prices,
        "group_id": card_ids,
        "seller": nothing,
        "rating": [round(number % 50 / 10, 1) for number in one.numbers],
        "n_reviews": [number % 1000 for number in one.numbers],
        "attributes": [[]] * n_cards,
        "status": ["on_sale"] * n_cards,
    }
    for name, row_type, columns in (("photos", CuratedPhoto, photos), ("cards", Card, cards)):
        table = pa.table(columns, schema=arrow_schema(row_type))
        write_columns(home.curated / f"{name}.parquet", row_type, table)
    write_columns(home.catalog / "reviews.parquet", Review, reviews_of(one))
    snapshot = Snapshot("benchmark", n_cards, n_cards, 0, {}, data_version)
    save_report(home.catalog / "snapshot.json", snapshot)


def reviews_of(one: Catalogue) -> pa.Table:
    """One a card; who has another picture is spoken of otherwise."""
    told = ["looks as it is shown", "another colour than before"]
    columns = {
        "review_id": [f"{number:09d}" for number in one.numbers],
        "card_id": [f"{number:09d}" for number in one.numbers],
        "text": [
            f"Bought number {n}, {told[edition]}"
            for n, edition in zip(one.numbers, one.editions, strict=True)
        ],
        "rating": [5] * len(one.numbers),
        "split": [None] * len(one.numbers),
    }
    return pa.table(columns, schema=arrow_schema(Review))


def store_pictures(home: Home, n_pictures: int) -> list[str]:
    """Small pictures; the first half are first editions (their names begin with 0000)."""
    stored = []
    for number in range(n_pictures):
        edition = number * 2 // n_pictures
        name = f"{edition:04x}{number:060x}"
        path = images.path_of(home.images, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        colour = (number % 256, number // 256 % 256, 99 * edition)
        Image.new("RGB", (64, 48), colour).save(path, "JPEG")
        stored.append(name)
    return stored


def recipe(home: Home) -> Recipe:
    settings = Settings(home=home, params=load_params(PARAMS), services=Services())
    return Recipe(
        index_engine(Services(), "int8"),
        IndexParams(dim=DIM, quantisation="int8", hits_per_query=100, min_recall_vs_exact=0.98),
        CalibrationParams(precision=0.9, queries_max=2000),
        {},
        lambda _model, graph, photos: write_text(graph / "photos", str(len(photos))),
        parts_of_release(settings, home.candidate),
    )


def build(home: Home, n_cards: int, n_pictures: int) -> None:
    """The home as it was before anything changed, with its release live."""
    shape = HeadShape("mean", DIM, DIM, [DIM])
    save_report(home.candidate / "model.json", ModelManifest("made", "t", shape, Lineage("d1", 0)))
    write_catalogue(home, first_catalogue(n_cards), "d1", store_pictures(home, n_pictures))
    report = build_release(home, home.candidate, MadeVectors(n_cards), recipe(home))
    switch_live(home.releases, report.release)
    _tell(f"built in {sum(report.seconds.values()):.0f} s, recall {report.recall_at_10_vs_exact}")


def refresh(home: Home, n_cards: int, n_pictures: int) -> ReleaseReport:
    pictures = [path.name.partition(".")[0] for path in sorted(home.images.glob("*/*"))]
    pictures = [name for name in pictures if len(name) == 64][:n_pictures]
    write_catalogue(home, changed_catalogue(first_catalogue(n_cards), n_cards), "d2", pictures)
    vectors, by = MadeVectors(n_cards), recipe(home)
    started, worked = time.monotonic(), time.process_time()
    report = refresh_release(home, vectors, by)
    took_s, worked_s = time.monotonic() - started, time.process_time() - worked
    _tell(f"{report.embedded} embedded, {report.removed} removed, {report.relisted} relisted")
    for step, seconds in report.seconds.items():
        _tell(f"{seconds:8.2f} s  {step}")
    after_s = took_s - report.seconds["embed new photos"]
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    _tell(f"{after_s:8.2f} s  in all, without embedding; {worked_s:.1f} s of processor with it")
    _tell(f"recall@10 {report.recall_at_10_vs_exact}; peak {peak_mb:,.0f} MB")
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cards", type=int, default=100_000)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--kept", type=Path, help="Where the built home stays.")
    asked = parser.parse_args()
    configure_logging()
    with tempfile.TemporaryDirectory() as temporary:
        home = Home((asked.kept or Path(temporary)) / f"home-{asked.cards}")
        if not home.live.exists():
            build(home, asked.cards, asked.pictures)
        first = home.live.read_text()
        report = refresh(home, asked.cards, asked.pictures)
        if home.live.read_text() == first:
            shutil.rmtree(home.releases / report.release)  # so that it can be repeated


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
