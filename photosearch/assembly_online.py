"""Where a release and its home become the re-ranking of searches by clicks; reaches no torch."""

import logging
from dataclasses import replace

from photosearch.home import Home
from photosearch.release import Release
from photosearch.search.learned_order import LearnedOrder, read_online
from photosearch.search.pipeline import SearchPipeline
from photosearch.settings import Services

log = logging.getLogger(__name__)


def with_learned_order(
    pipeline: SearchPipeline, release: Release, services: Services
) -> SearchPipeline:
    """Adds the online re-ranker, where the release wants it and there is a home that learns.

    Raises:
        BadArtifact: The release's settings of it, or the home's current state, are damaged.
    """
    online, name = read_online(release.folder), release.manifest.release
    if online is None:
        log.info("online re-ranker off: release %s was made without it", name)
        return pipeline
    if services.home is None:
        log.warning(
            "online re-ranker off: release %s wants it, but what clicks taught lies in a home. Set "
            "PHOTOSEARCH_HOME beside PHOTOSEARCH_RELEASE.", name,
        )  # fmt: skip
        return pipeline
    order = LearnedOrder(Home(services.home).states, online)
    log.info("online re-ranker on: margin %g, state %s", online.margin, order().state_id)
    return replace(pipeline, rerank=order)
