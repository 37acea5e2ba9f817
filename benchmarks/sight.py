"""What objects and articles add to a search by photo, and what each stage costs.

    OMP_NUM_THREADS=1 python benchmarks/sight.py HOME

asks the live release of a home with the photos that its index does not hold: the whole photo, its
likeliest object, and either with the cards first whose article was read. Everything runs in this
process; the detector and the reader are those of the home's params.yaml. Intervals draw products.

    python benchmarks/sight.py HOME --address http://127.0.0.1:3000

asks a running service of the same home instead, one photo after the other, and tells how long its
answers take and after how long the articles are there.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import numpy as np
from pipeline_table import by_article_first

from photosearch.assembly_perception import load_detector
from photosearch.assembly_serving import load_reader, load_served_embedder, open_index
from photosearch.catalog.images import open_photo, path_of
from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import read_rows
from photosearch.evaluation.intervals import draw, mean_interval
from photosearch.home import Home
from photosearch.perception.reader import Word
from photosearch.release import live_release
from photosearch.search.articles import ArticleDesk
from photosearch.search.enrich import CardFactsTable
from photosearch.search.pipeline import SearchPipeline, make_pipeline
from photosearch.search.query import MAX_LIMIT, SearchRequest
from photosearch.search.reading_room import ReadingRoom
from photosearch.search.schemas import ReleaseIds, SearchResponse
from photosearch.search.shown_cards import is_indexed
from photosearch.settings import Services, load_params

PATIENCE_MS = 60_000.0


@dataclass(frozen=True)
class Asked:
    photo: bytes
    group: str
    """Every card of it is a right answer."""


def queries_of(home: Home, group_of: dict[str, str]) -> list[Asked]:
    """The photos that the index does not hold, of products that it does."""
    photos = read_rows(home.curated / "photos.parquet", CuratedPhoto)
    findable = {group_of[photo.card_id] for photo in photos if is_indexed(photo)}
    return [
        Asked(path_of(home.images, photo.sha256).read_bytes(), group_of[photo.card_id])
        for photo in photos
        if not is_indexed(photo) and group_of[photo.card_id] in findable
    ]


def open_pipeline(home: Home) -> tuple[SearchPipeline, list[float]]:
    """The pipeline of the live release, all in this process, and what each reading took, in ms."""
    release, params = live_release(home.releases), load_params(home.root / "params.yaml")
    services = Services(encoder_threads=1)
    manifest = release.manifest
    ids = {name: getattr(manifest, name) for name in ReleaseIds.model_fields}
    cards = CardFactsTable(release.cards, release.thumbnail_table)
    pipeline = make_pipeline(
        ReleaseIds(**ids),
        load_served_embedder(release, services),
        index=open_index(release, services),
        cards=cards,
        hits_per_query=manifest.hits_per_query,
    )
    detector, reader = load_detector(params.detector, home), load_reader(params.ocr)
    reading_ms: list[float] = []

    def read(photo: bytes) -> Sequence[Word]:
        started = time.thread_time()
        words = reader.read(open_photo(photo, name="a photo")) if reader else []
        reading_ms.append((time.thread_time() - started) * 1000)
        return words

    desk = ArticleDesk(
        pipeline.release, cards, ReadingRoom(read, waiting_max=1), wait_ms=PATIENCE_MS
    )
    return replace(pipeline, objects=detector and detector.find, articles=desk), reading_ms


def recalls(
    answers: Sequence[SearchResponse],
    asked: Sequence[Asked],
    group_of: dict[str, str],
    *,
    shown: Callable[[SearchResponse], list[str]],
) -> str:
    """Cells of a table row: recall@1 and @5 with intervals."""
    drawn = draw([one.group for one in asked])
    ranks = [
        next(
            (place for place, card in enumerate(shown(answer)) if group_of[card] == one.group),
            MAX_LIMIT,
        )
        for answer, one in zip(answers, asked, strict=True)
    ]
    return " | ".join(
        str(mean_interval(np.array([float(rank < k) for rank in ranks]), drawn)) for k in (1, 5)
    )


def by_picture(answer: SearchResponse) -> list[str]:
    """Cards as the pictures rank them."""
    return [card.card.card_id for card in answer.cards]


def measure_here(home: Home, asked: Sequence[Asked], group_of: dict[str, str]) -> None:
    """Prints the table of what each step adds, and the cost of the steps."""
    pipeline, reading_ms = open_pipeline(home)
    for name, asking in (
        ("whole photo", replace(pipeline, objects=None)),
        ("likeliest object", pipeline),
    ):
        answers = [asking.answer(SearchRequest(one.photo, limit=MAX_LIMIT)) for one in asked]
        for shown, what in ((by_picture, name), (by_article_first, f"{name}, articles first")):
            sys.stdout.write(f"| {what} | {recalls(answers, asked, group_of, shown=shown)} |\n")
        n_exact = sum(bool(answer.articles.cards) for answer in answers)
        right = sum(
            group_of[answer.articles.cards[0].card_id] == one.group
            for answer, one in zip(answers, asked, strict=True)
            if answer.articles.cards
        )
        seen = sum(bool(answer.objects) for answer in answers)
        sys.stdout.write(
            f"{len(asked)} queries, things on {seen}; articles read on {n_exact}, {right} right\n"
        )
        tell_times(answers)
    tell("reading (processor)", reading_ms)


def measure_service(address: str, asked: Sequence[Asked]) -> None:
    """Prints the times of a running service."""
    answers, whole_ms, read_ms, states = [], [], [], []
    with httpx.Client(base_url=address, timeout=60) as api:
        for one in asked:
            started = time.perf_counter()
            response = api.post("/v1/search", files={"photo": ("photo.jpg", one.photo)})
            whole_ms.append((time.perf_counter() - started) * 1000)
            answers.append(SearchResponse.model_validate(response.raise_for_status().json()))
            path = f"/v1/queries/{answers[-1].query_id}/articles"
            while (read := api.get(path)).status_code == 202:
                time.sleep(0.02)
            read_ms.append((time.perf_counter() - started) * 1000)
            states.append(read.json()["state"])
    tell_times(answers)
    tell("photo to answer", whole_ms)
    tell("photo to articles", read_ms)
    told = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    sys.stdout.write(f"articles: {told}\n")


def tell_times(answers: Sequence[SearchResponse]) -> None:
    """Prints medians and 95th percentiles of the stages, by the clock."""
    for stage in answers[0].took_ms:
        tell(stage, [answer.took_ms[stage] for answer in answers])


def tell(what: str, took_ms: Sequence[float]) -> None:
    """Prints one line of times."""
    median, slow = np.percentile(took_ms, [50, 95])
    sys.stdout.write(f"| {what} | {median:.1f} | {slow:.1f} |\n")


def main() -> None:
    """Measures one home, here or by its service."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--address")
    parser.add_argument("--queries", type=int, default=1000, help="at most so many")
    options = parser.parse_args()
    home = Home(options.home)
    group_of = {
        card.card_id: card.group_id for card in read_rows(home.curated / "cards.parquet", Card)
    }
    asked = queries_of(home, group_of)[: options.queries]
    if options.address:
        measure_service(options.address, asked)
    else:
        measure_here(home, asked, group_of)


if __name__ == "__main__":
    main()
