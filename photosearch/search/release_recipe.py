"""What every new release needs, however it is made: its recipe, its manifest, its proof."""

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from photosearch.catalog.pull import load_snapshot
from photosearch.embedding.model import ModelManifest
from photosearch.errors import IndexUnavailable
from photosearch.home import Home
from photosearch.index.lifecycle import index_id, recall_of, verify
from photosearch.index.vector_index import VectorIndex, Vectors
from photosearch.index_settings import IndexParams
from photosearch.judging_settings import CalibrationParams
from photosearch.release import Manifest, Release
from photosearch.search.canaries import Canary, lost_canaries

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReleaseReport:
    release: str
    model_id: str
    index_id: str
    data_version: str
    cards: int
    photos: int
    recall_at_10_vs_exact: float
    is_new: bool
    """False if a release of the same model, photos, engine and settings was there already."""
    embedded: int = 0
    """Photos that were put into the index; all of them if it was built anew."""
    removed: int = 0
    """Photos that were taken out of it."""
    relisted: int = 0
    """Cards whose price, status or the like changed, while their photos kept their vectors."""
    built_anew_because: str | None = None
    """None: the live index was brought up to date, or a release was there already."""
    seconds: dict[str, float] = field(default_factory=dict)
    """By step."""


@dataclass(frozen=True, slots=True)
class IndexEngine:
    """Which index a release gets."""

    kind: str
    """`qdrant_edge`, or `qdrant_server`."""
    create: Callable[[Path, str, int, str], VectorIndex]
    """Makes an empty index: the release's index folder, the release's name, dim, model id."""
    copy: Callable[[Release, Path, str], VectorIndex]
    """Copies a release's index to change the copy: the release, the new index folder and name."""
    discard: Callable[[str], None]
    """Removes what an unfinished release of this name left outside its folder."""


@dataclass(frozen=True, slots=True)
class Part:
    """What searches of a release need beside model, index and cards: words, tags, a ranker, ..."""

    name: str
    made_of: str
    """All that it depends on but the release's model, cards, photos and reviews."""
    write: Callable[[Path, VectorIndex, Path | None], object]
    """Adds it to the folder of a release with this index, once that is proved. The last is the
    folder of a release to mend it from, where one has it made of the same."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How releases are made in a home."""

    engine: IndexEngine
    index: IndexParams
    calibration: CalibrationParams
    settings: dict[str, Any]
    """All params, by section: the model card tells them."""
    export: Callable[[Path, Path, list[Image.Image]], object]
    """Writes the graph of a model folder into another folder, proved on photos."""
    parts: tuple[Part, ...] = ()


def manifest_of(home: Home, photos: pa.Table, model: ModelManifest, recipe: Recipe) -> Manifest:
    """What the release over these photos will say of itself, but for its recall."""
    created_at = datetime.now(UTC)
    content = content_id(photos, model.model_id, recipe.index)
    return Manifest(
        release=f"{created_at:%Y%m%dT%H%M%S}-{model.model_id[:6]}-{content[:6]}",
        model_id=model.model_id,
        index_id=content,
        data_version=load_snapshot(home.catalog).data_version,
        index_kind=recipe.engine.kind,
        dim=recipe.index.dim,
        lengths=list(model.head.lengths),
        n_photos=len(photos),
        n_cards=pc.count_distinct(photos["card_id"]).as_py(),
        created_at=created_at.isoformat(timespec="seconds"),
        recall_at_10_vs_exact=0.0,
        hits_per_query=recipe.index.hits_per_query,
        abstain_precision=recipe.calibration.precision,
        calibrated_by="score",
        has_graph=True,
        parts={part.name: part.made_of for part in recipe.parts},
    )


def write_parts(
    folder: Path, index: VectorIndex, recipe: Recipe, *, before: Release | None = None
) -> None:
    """Writes the parts of a release that is being made; `before`: of the same model, mended."""
    for part in recipe.parts:
        log.info("writing the release's %s", part.name)
        is_kept = before is not None and before.manifest.parts.get(part.name) == part.made_of
        part.write(folder, index, before.folder if before is not None and is_kept else None)


def content_id(photos: pa.Table, model_id: str, index: IndexParams) -> str:
    """The id of the index that these settings make of these photos."""
    columns = (photos["photo_id"].to_pylist(), photos["sha256"].to_pylist())
    names = [f"{photo_id}\0{sha256}" for photo_id, sha256 in zip(*columns, strict=True)]
    return index_id(model_id, dim=index.dim, quantisation=index.quantisation, photo_ids=names)


def is_same(made: Manifest, wanted: Manifest) -> bool:
    """Whether a release answers every query as the wanted one would."""
    return not differences(made, wanted, besides=("release", "created_at", "recall_at_10_vs_exact"))


def differences(made: Manifest, wanted: Manifest, *, besides: Sequence[str]) -> list[str]:
    """What two manifests say differently: `dim was 512, is 256`."""
    return [
        f"{one.name} was {getattr(made, one.name)}, is {getattr(wanted, one.name)}"
        for one in fields(Manifest)
        if one.name not in besides and getattr(made, one.name) != getattr(wanted, one.name)
    ]


def prove(
    index: VectorIndex,
    wanted: Manifest,
    canaries: Sequence[Canary],
    *,
    min_recall: float,
    photos: Vectors | None = None,
) -> float:
    """Counts, asks for known photos, and compares with exact search; returns recall@10.

    Args:
        index: The new one.
        wanted: What it should hold.
        canaries: Photos that it must find.
        min_recall: The bar.
        photos: Vectors of photos to measure recall with, (n_photos, dim); None draws some from the
            index and compares in this process.

    Raises:
        IndexUnavailable: It is not fit to go live; the live one goes on.
    """
    stays_out = "It stays out; the live release goes on. Build it anew with `photosearch index`, "
    n_photos = index.count()
    if n_photos != wanted.n_photos:
        raise IndexUnavailable(
            f"The new index holds {n_photos} photos, the catalogue {wanted.n_photos}. "
            f"{stays_out}and look at the log of this run."
        )
    lost = lost_canaries(index, canaries, hits_per_query=wanted.hits_per_query)
    if lost:
        raise IndexUnavailable(
            f"The new index does not find the cards of {len(lost)} of {len(canaries)} known "
            f"photos, first {lost[0].photo_id}. {stays_out}and look at the log of this run."
        )
    recall = verify(index) if photos is None else recall_of(index, photos)
    if recall < min_recall:
        raise IndexUnavailable(
            f"The new index finds {recall:.3f} of the true 10 nearest photos, less than the "
            f"{min_recall} of index.min_recall_vs_exact in params.yaml. {stays_out}or lower "
            "the bar."
        )
    return recall


def clear_unfinished(releases: Path, engine: IndexEngine) -> None:
    """Removes what killed runs left; the caller holds the releases (`release_lock.alone`)."""
    for leftover in releases.glob(".*-*"):
        if leftover.is_dir():
            release, _, _process = leftover.name[1:].rpartition(".")
            log.info("removing release %s, which was never finished", release)
            engine.discard(release)
            shutil.rmtree(leftover)


def report_of(release: Release) -> ReleaseReport:
    """Of a release that was there already."""
    manifest = release.manifest
    return ReleaseReport(
        release=manifest.release,
        model_id=manifest.model_id,
        index_id=manifest.index_id,
        data_version=manifest.data_version,
        cards=manifest.n_cards,
        photos=manifest.n_photos,
        recall_at_10_vs_exact=manifest.recall_at_10_vs_exact,
        is_new=False,
    )
