"""Brings what is live up to date: only new photos are embedded, a copy of its index is changed."""

import logging
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import read_table, rows_of, write_columns
from photosearch.embedding.catalog_vectors import VectorsOf
from photosearch.embedding.model import read_model
from photosearch.evaluation.calibration import Calibration, read_calibration
from photosearch.home import Home
from photosearch.index.filters import listing_of
from photosearch.index.vector_index import Batch, VectorIndex, Vectors
from photosearch.progress import Steps
from photosearch.release import (
    RANKER,
    Manifest,
    Release,
    list_releases,
    live_release,
    withdrawn_releases,
)
from photosearch.search.canaries import (
    Canary,
    canaries_of,
    keep_canaries,
    read_canaries,
    write_canaries,
)
from photosearch.search.release_changes import Changes, changes_between
from photosearch.search.release_folder import build_release, calibrated, embedded, finish
from photosearch.search.release_recipe import (
    Recipe,
    ReleaseReport,
    clear_unfinished,
    content_id,
    differences,
    is_same,
    manifest_of,
    prove,
    report_of,
    write_parts,
)
from photosearch.search.shown_cards import indexed_rows
from photosearch.search.steps import Search
from photosearch.search.thumbnails import bring_thumbnails, link_or_copy
from photosearch.search.trial_search import search_of

log = logging.getLogger(__name__)

OF_THE_DATA = (
    "release", "index_id", "data_version", "n_photos", "n_cards", "created_at",
    "recall_at_10_vs_exact", "parts",
)  # fmt: skip
"""What a refresh may change; where anything else differs, the index is built anew."""
ASKED = 200
"""Photos that recall is measured with."""
ANEW_ABOVE = 0.5
"""Share of changed photos from which on a graph is built rather than mended."""


def refresh_release(home: Home, vectors_of: VectorsOf, recipe: Recipe) -> ReleaseReport:
    """Makes the release of the live model over the curated catalogue; it is not live yet.

    A copy of the live index gets the photos that are new and the listings that changed, and loses
    the photos that are gone; then it is proved. The live release is only read. A killed run leaves
    a folder without release.json, which the next run removes, or a whole release, which the next
    run finds. The calibration is the live one's, unless the ranker is another: its scores are.

    Args:
        home: Gives what is live, curated cards, photos and images. The caller holds its releases:
            `release_lock.alone`.
        vectors_of: Gives vectors of curated photos by the live model; asked for new ones, and
            where the ranker is another for those that the calibration asks with.
        recipe: See its fields.

    Raises:
        HomeNotReady: Nothing is live.
        IndexUnavailable: The new index is not fit to go live.
    """
    live, steps = live_release(home.releases), Steps("refresh")
    with steps.step("compare"):
        plan = _compare(home, live, recipe)
    there = _already_made(home.releases, live, plan.wanted)
    if there is not None:
        return report_of(there)
    if plan.why_anew is not None:
        log.info("the index is built anew: %s", plan.why_anew)
        return build_release(home, live.model, vectors_of, recipe, because=plan.why_anew)
    clear_unfinished(home.releases, recipe.engine)
    folder = home.releases / f".{plan.wanted.release}.{os.getpid()}"
    with steps.step("take over the model"):
        _take_over(home, live, folder, plan.photos)
    with steps.step("draw thumbnails"):
        bring_thumbnails(folder, live.folder, images_dir=home.images)
    with steps.step("embed new photos"):
        batches = _batches(plan, vectors_of)
    made, calibration = _change_and_prove(
        folder, plan, recipe, work=(batches, steps),
        calibrate=lambda search: calibrated(
            home, plan.wanted, vectors_of, search, recipe.calibration
        ),
    )  # fmt: skip
    with steps.step("seal"):
        release = finish(home, folder, made, calibration=calibration, settings=recipe.settings)
    return replace(
        report_of(release),
        is_new=True,
        embedded=len(plan.changes.new),
        removed=len(plan.changes.gone),
        relisted=len(plan.changes.cards),
        seconds=steps.seconds,
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """How to come from what is live to the catalogue of now."""

    live: Release
    wanted: Manifest
    photos: pa.Table
    """Those that an index holds."""
    cards: pa.Table
    changes: Changes
    why_anew: str | None
    """None: the live index can be mended."""


def _compare(home: Home, live: Release, recipe: Recipe) -> _Plan:
    photos = indexed_rows(read_table(home.curated / "photos.parquet", CuratedPhoto))
    cards = read_table(home.curated / "cards.parquet", Card)
    wanted = manifest_of(home, photos, read_model(live.model), recipe)
    before = read_table(live.photos, CuratedPhoto)
    changes = changes_between((before, photos), (read_table(live.cards, Card), cards))
    why_anew = _why_anew(live, wanted, recipe, before=before, changes=changes)
    return _Plan(live, wanted, photos, cards, changes, why_anew)


def _take_over(home: Home, live: Release, folder: Path, photos: pa.Table) -> None:
    """Starts the folder of the new release: what stays as it is, as links; the tables of now."""
    for part in ("model", "graph"):
        shutil.copytree(live.folder / part, folder / part, copy_function=link_or_copy)
    shutil.copyfile(home.curated / "cards.parquet", folder / "cards.parquet")
    write_columns(folder / "photos.parquet", CuratedPhoto, photos)


def _change_and_prove(
    folder: Path, plan: _Plan, recipe: Recipe, *,
    work: tuple[list[Batch], Steps], calibrate: Callable[[Search], Calibration | None],
) -> tuple[Manifest, Calibration | None]:  # fmt: skip
    """Changes a copy of the live index until it is the wanted one; returns what was found out."""
    (batches, steps), wanted, live = work, plan.wanted, plan.live
    canaries = _canaries(live, plan.changes, batches)
    write_canaries(folder, canaries)
    with steps.step("copy the index"):
        copied = recipe.engine.copy(live, folder / "index", wanted.release)
    with closing(copied) as index:
        with steps.step("change the index"):
            _apply(index, plan.changes, batches)
        with steps.step("optimise the index"):
            index.optimize()
        with steps.step("prove the index"):
            bar = recipe.index.min_recall_vs_exact
            photos = _some_vectors(canaries, batches)
            recall = prove(index, wanted, canaries, min_recall=bar, photos=photos)
        with steps.step("write the other parts"):
            write_parts(folder, index, recipe, before=live)
        with steps.step("calibrate"):
            # tags move scores as well, far less than a change of cards does: the curve stays
            if live.manifest.parts.get(RANKER) != wanted.parts.get(RANKER):
                calibration = calibrate(search_of(folder, wanted, index))
            else:
                there = live.calibration.exists()
                calibration = read_calibration(live.calibration) if there else None
    return replace(wanted, recall_at_10_vs_exact=round(recall, 4)), calibration


def _already_made(releases: Path, live: Release, wanted: Manifest) -> Release | None:
    """A release that answers as the wanted one would; the live one if that is withdrawn."""
    same = [one for one in list_releases(releases) if is_same(one.manifest, wanted)]
    if not same:
        return None
    if live.manifest.release in {one.manifest.release for one in same}:
        return live
    switch = withdrawn_releases(releases).get(same[-1].manifest.release)
    if switch is None:
        return same[-1]
    log.warning(
        "release %s is of this very data and was rolled back at %s (%s): %s stays live",
        switch.before, switch.at, switch.rolled_back_because or "no reason given",
        live.manifest.release,
    )  # fmt: skip
    return live


def _why_anew(
    live: Release, wanted: Manifest, recipe: Recipe, *, before: pa.Table, changes: Changes
) -> str | None:
    """Why the live index cannot be mended; None if it can."""
    differing = differences(live.manifest, wanted, besides=OF_THE_DATA)
    if differing:
        return ", ".join(differing)
    if content_id(before, wanted.model_id, recipe.index) != live.manifest.index_id:
        return "the live index was made by other settings, or an older version"
    if not read_canaries(live.folder):
        return "the live release names no known photos to ask for"
    share = (len(changes.new) + len(changes.gone)) / max(1, len(before))
    if share > ANEW_ABOVE:
        return f"{share:.0%} of its photos changed"
    return None


def _batches(plan: _Plan, vectors_of: VectorsOf) -> list[Batch]:
    """The new photos, embedded."""
    new, cards = plan.changes.new, plan.cards
    wanted = pa.array({photo.card_id for photo in new}, pa.string())
    cards = cards.filter(pc.is_in(cards["card_id"], value_set=wanted))
    of_card = {card.card_id: listing_of(card) for card in rows_of(cards, Card)}
    return list(embedded(new, of_card, vectors_of=vectors_of, dim=plan.wanted.dim))


def _canaries(live: Release, changes: Changes, batches: Sequence[Batch]) -> list[Canary]:
    replaced = {photo.photo_id for photo in changes.new} | set(changes.gone)
    photos = iter(changes.new)
    new = [
        canary
        for photo_ids, _, vectors in batches
        for canary in canaries_of([next(photos) for _ in photo_ids], vectors)
    ]
    return keep_canaries(read_canaries(live.folder), gone=replaced, new=new)


def _some_vectors(canaries: Sequence[Canary], batches: Sequence[Batch]) -> Vectors:
    """Known photos, and some of the new ones, to measure recall with; (at most ASKED, dim)."""
    known = np.array([canary.vector for canary in canaries], np.float32)
    new = [vectors for _, _, vectors in batches]
    if not new:
        return known
    added = np.concatenate(new)
    step = max(1, len(added) // (ASKED - len(known)))
    return np.concatenate([known, added[::step]])[:ASKED]


def _apply(index: VectorIndex, changes: Changes, batches: Sequence[Batch]) -> None:
    index.remove(changes.gone)
    for photo_ids, listings, vectors in batches:
        index.add(photo_ids, listings, vectors)
    index.update_listings([listing_of(card) for card in changes.cards])
