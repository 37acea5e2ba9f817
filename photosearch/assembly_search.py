"""Where a release becomes the steps of a search that not every release has; reaches no torch."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from PIL import Image

from photosearch.evaluation.calibration import read_calibration
from photosearch.perception.detector import Found
from photosearch.release import Release
from photosearch.search.articles import ArticleDesk
from photosearch.search.enrich import CardFactsTable
from photosearch.search.pipeline import SearchPipeline
from photosearch.search.reading_room import ReadingRoom
from photosearch.search.seeing import SeenBy, read_seeing

Objects = Callable[[Image.Image], Sequence[Found]]


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
