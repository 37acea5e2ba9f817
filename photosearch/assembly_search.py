"""Where a release becomes the steps of a search that not every release has; reaches no torch."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace

from PIL import Image

from photosearch.evaluation.calibration import read_calibration
from photosearch.index.vector_index import VectorIndex
from photosearch.perception.detector import Found
from photosearch.release import Release
from photosearch.search.alike import twins_by_card
from photosearch.search.articles import ArticleDesk
from photosearch.search.enrich import CardFactsTable
from photosearch.search.finding import Finder
from photosearch.search.pipeline import SearchPipeline
from photosearch.search.reading_room import ReadingRoom
from photosearch.search.seeing import SeenBy, read_seeing
from photosearch.search.text_search import open_text_search

log = logging.getLogger(__name__)

TEXT = "text"
"""A release's folder of words, see search/text_search.py; releases of before have none."""

Objects = Callable[[Image.Image], Sequence[Found]]


@contextmanager
def finder_of(release: Release, index: VectorIndex) -> Iterator[Finder]:
    """Whom a release asks for candidates, as long as the context lasts.

    Raises:
        BadArtifact, IndexUnavailable: The release's text side is there and damaged.
    """
    manifest = release.manifest
    twins = twins_by_card(release.cards)
    if not (release.folder / TEXT).exists():
        log.info("release %s has no text side: only photos can be asked with", manifest.release)
        yield Finder(index, manifest.hits_per_query, twins=twins)
        return
    side = open_text_search(release.folder / TEXT, model_id=manifest.model_id)
    with closing(side):
        yield Finder(index, manifest.hits_per_query, text=side, twins=twins)


def complete(
    pipeline: SearchPipeline,
    release: Release,
    *,
    cards: CardFactsTable,
    detector: Callable[[SeenBy], Objects],
    reading: tuple[ReadingRoom, float],
) -> SearchPipeline:
    """Adds the steps whose parts the release carries: objects, articles, probabilities.

    Args:
        pipeline: What every release can do.
        release: Whose steps these are.
        cards: Its cards.
        detector: Reaches the release's detector.
        reading: Where photos are read, and the milliseconds that an answer waits for it at most.

    Raises:
        BadArtifact: A part of the release is damaged.
    """
    seeing = read_seeing(release.folder)
    if release.calibration.exists():
        pipeline = replace(pipeline, calibration=read_calibration(release.calibration))
    if seeing is not None and seeing.detector is not None:
        pipeline = replace(pipeline, objects=detector(seeing.detector))
    if seeing is not None and seeing.ocr.reader != "off":
        room, wait_ms = reading
        desk = ArticleDesk(pipeline.release, cards, room, wait_ms=wait_ms)
        pipeline = replace(pipeline, articles=desk)
    return pipeline
