"""Where a release becomes the steps of a search that not every release has; reaches no torch."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from photosearch.catalog.schemas import Card
from photosearch.catalog.tables import read_table
from photosearch.embedding.embedder import Vectors
from photosearch.evaluation.calibration import read_calibration
from photosearch.index.vector_index import SearchedIndex
from photosearch.release import Release
from photosearch.search.alike import twins_by_card
from photosearch.search.articles import ArticleDesk
from photosearch.search.chips import tag_chips
from photosearch.search.enrich import CardFactsTable
from photosearch.search.finding import Finder
from photosearch.search.found import FoundCard
from photosearch.search.late_interaction import compare_by_photo
from photosearch.search.moderation import open_moderation
from photosearch.search.photo_tokens import tokens_of_release
from photosearch.search.pipeline import SearchPipeline
from photosearch.search.policies import CardMarks, apply_policies, may_be_shown, read_policies
from photosearch.search.rank import rank_by_evidence
from photosearch.search.reading_room import ReadingRoom
from photosearch.search.schemas import CardFacts, ReleaseIds
from photosearch.search.seeing import SeenBy, read_seeing
from photosearch.search.steps import Look
from photosearch.search.text_search import open_text_search
from photosearch.search.trial_search import rank_of
from photosearch.tagging.tag_index import Carried, open_tags

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Eyes:
    """What looks at photos in other processes."""

    detector: Callable[[SeenBy], Look]
    """Reaches a release's detector."""
    room: ReadingRoom
    """Where photos are read."""
    wait_ms: float
    """An answer waits so long for what is read, at most."""


@contextmanager
def finder_of(release: Release, index: SearchedIndex) -> Iterator[Finder]:
    """Whom a release asks for candidates, as long as the context lasts.

    Raises:
        BadArtifact, IndexUnavailable: The release's text side is there and damaged.
    """
    manifest = release.manifest
    twins = twins_by_card(release.cards)
    if not release.text.exists():
        log.info("release %s has no text side: only photos can be asked with", manifest.release)
        yield Finder(index, manifest.hits_per_query, twins=twins)
        return
    side = open_text_search(release.text, model_id=manifest.model_id)
    with closing(side):
        yield Finder(index, manifest.hits_per_query, text=side, twins=twins)


def release_ids(release: Release) -> ReleaseIds:
    """The ids that every answer carries."""
    return ReleaseIds(
        release=release.manifest.release,
        model_id=release.manifest.model_id,
        index_id=release.manifest.index_id,
        data_version=release.manifest.data_version,
    )


def complete(
    pipeline: SearchPipeline,
    release: Release,
    *,
    cards: CardFactsTable,
    index: SearchedIndex,
    eyes: Eyes,
) -> SearchPipeline:
    """Adds the steps whose parts the release carries; those it lacks stay off.

    Args:
        pipeline: What every release can do.
        release: Whose steps these are.
        cards: Its cards.
        index: Its index.
        eyes: What looks at photos, for all releases.

    Raises:
        BadArtifact: A part of the release is damaged.
    """
    carried: Carried | None = None
    if release.tags.exists():
        tags = open_tags(release.tags, model_id=release.manifest.model_id)
        carried = tags.carried
        pipeline = replace(pipeline, chips=lambda query, found: tag_chips(tags, query, found))
    pipeline = _ordered(pipeline, release, carried, index.dim)
    policies = read_policies(release.folder)
    if policies is None:
        return _with_eyes(pipeline, release, cards, eyes, may_show=lambda _: True)
    marks = _marks(release, index)
    pipeline = replace(pipeline, policies=lambda found: apply_policies(found, policies, marks))
    may_show = partial(may_be_shown, policies=policies, flags=marks.flags)
    return _with_eyes(pipeline, release, cards, eyes, may_show=may_show)


def _ordered(
    pipeline: SearchPipeline, release: Release, tags: Carried | None, dim: int
) -> SearchPipeline:
    """Adds what orders the candidates: a curve, a ranker or the plain order, late interaction."""
    manifest, calibration = release.manifest, None
    if release.calibration.exists() and manifest.calibrated_by == "score":
        calibration = read_calibration(release.calibration)
    rank = rank_of(release.folder, tags, model_id=manifest.model_id, dim=dim)
    tokens = tokens_of_release(release)
    return replace(
        pipeline,
        calibration=calibration,
        rank=rank,
        unranked=rank_by_evidence(tags),
        late_interaction=None if tokens is None else compare_by_photo(tokens),
    )


def _with_eyes(
    pipeline: SearchPipeline,
    release: Release,
    cards: CardFactsTable,
    eyes: Eyes,
    *,
    may_show: Callable[[CardFacts], bool],
) -> SearchPipeline:
    seeing = read_seeing(release.folder)
    if seeing is not None and seeing.detector is not None:
        pipeline = replace(pipeline, objects=eyes.detector(seeing.detector))
    if seeing is not None and seeing.ocr.reader != "off":
        desk = ArticleDesk(
            pipeline.release, cards, eyes.room, wait_ms=eyes.wait_ms, may_show=may_show
        )
        pipeline = replace(pipeline, articles=desk)
    return pipeline


def _marks(release: Release, index: SearchedIndex) -> CardMarks:
    def matched(found: Sequence[FoundCard]) -> Vectors:
        theirs = index.vectors_of([card.traits.card_id for card in found])
        return np.stack([
            vectors[photo_ids.index(card.photo_id)]
            for card in found
            for photo_ids, vectors in [theirs[card.traits.card_id]]
        ])  # fmt: skip

    table = read_table(release.cards, Card)
    groups = table["group_id"].to_pylist()
    n_cards = Counter(groups)
    pairs = zip(table["card_id"].to_pylist(), groups, strict=True)
    # a million groups of one card would be searched in vain, and slowly: see online.md
    group_of = {card_id: group for card_id, group in pairs if n_cards[group] > 1}
    return CardMarks(group_of, open_moderation(release.folder), matched)
