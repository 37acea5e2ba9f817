"""The composition root: the only place where settings become objects; all else gets values."""

import logging
import os
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from photosearch.assembly_index import index_engine
from photosearch.assembly_serving import open_index
from photosearch.errors import BadParams, HomeNotReady
from photosearch.home import Home
from photosearch.release import Release, live_release, open_release, withdrawal_of
from photosearch.settings import Settings, load_params, load_services

if TYPE_CHECKING:
    from PIL.Image import Image

    from photosearch.catalog.images import Box
    from photosearch.catalog.sources import Source
    from photosearch.curation.pairs import PairsReport
    from photosearch.curation.snapshot import CurationReport
    from photosearch.embedding.backbones import TowerReport
    from photosearch.embedding.embedder import Embedder
    from photosearch.embedding.tokens import BoxedViews, TokensReport
    from photosearch.evaluation.folder import Models
    from photosearch.evaluation.promotion import Verdict
    from photosearch.evaluation.report import EvaluationReport
    from photosearch.search.release_recipe import Recipe, ReleaseReport

log = logging.getLogger(__name__)
LAST_USED = Path("home/current")
"""A link to the home that `photosearch demo` used last."""


def find_home(option: Path | None) -> Home:
    """The home folder: `--home`, PHOTOSEARCH_HOME, this folder if it is one, or the last used.

    Raises:
        HomeNotReady: None of them is a home.
    """
    here = Path.cwd()
    is_here = (here / "params.yaml").is_file() and (here / ".dvc").is_dir()
    chosen = option or load_services().home or (here if is_here else LAST_USED)
    if not (chosen / "params.yaml").is_file() or not (chosen / ".dvc").is_dir():
        raise HomeNotReady(
            f"{chosen} is not a home folder (no params.yaml, or no .dvc). Run `photosearch demo` "
            "to make one, or name another with --home or PHOTOSEARCH_HOME."
        )
    return Home(chosen.resolve())


def load_settings(option: Path | None) -> Settings:
    """Reads params of the home and services of the environment; see `find_home`."""
    home = find_home(option)
    return Settings(
        home=home, params=load_params(home.root / "params.yaml"), services=load_services()
    )


def open_source(address: str) -> "Source":
    """The source at an address, as the environment says it may be asked."""
    from photosearch.catalog.by_address import source_at

    return source_at(address, load_services())


def bring_tower(settings: Settings) -> "TowerReport":
    """Brings a published tower from a folder, a mirror or the hub into the home."""
    from photosearch.embedding.backbones import fetch_tower

    mirror = settings.services.hub_mirror
    if mirror:
        os.environ["HF_ENDPOINT"] = mirror  # huggingface_hub reads it when it is imported
    return fetch_tower(settings.params.tower, settings.home.tower, mirror=mirror)


def curate_catalog(settings: Settings) -> "CurationReport":
    """The stage `curate`."""
    from photosearch.curation.snapshot import curate
    from photosearch.embedding.backbones import OpenClipTower

    tower = OpenClipTower(settings.home.tower)
    return curate(settings.home, tower, params=settings.params.curation)


def pick_pairs(settings: Settings) -> "PairsReport":
    """The stage `pairs`; the live model, if there is one, gives the second opinion."""
    from photosearch.curation.pairs import make_pairs

    home, opinions = settings.home, None
    if home.live.exists():
        index = open_index(live_release(home.releases), settings.services)
        try:
            opinions = {
                photo_id: vector
                for photo_ids, _, vectors in index.scroll()
                for photo_id, vector in zip(photo_ids, vectors, strict=True)
            }
        finally:
            index.close()
    return make_pairs(home, params=settings.params.pairs, opinions=opinions)


def cache_catalog_tokens(settings: Settings) -> "TokensReport":
    """The stage `tokens`."""
    from photosearch.embedding.backbones import OpenClipTower
    from photosearch.embedding.tokens import cache_tokens

    tokens = settings.params.tokens
    tower = OpenClipTower(settings.home.tower, pool=tokens.pool)
    return cache_tokens(settings.home, tower, tokens=tokens, boxed=boxed_views(settings))


def boxed_views(settings: Settings) -> "BoxedViews | None":
    """Where boxed views are cut: by the detector's boxes, moved as wrongly as params say."""
    from photosearch.assembly_perception import load_detector
    from photosearch.embedding.tokens import BoxedViews
    from photosearch.perception.box_jitter import Jitter, jittered_boxes

    boxed = settings.params.tokens.boxed
    if boxed is None:
        return None
    detector = load_detector(settings.params.detector, settings.home)
    if detector is None:
        raise BadParams(
            "tokens.boxed asks for views by the detector's boxes, and detector.model is none. "
            "Name a detector in params.yaml, or set tokens.boxed to null."
        )
    jitter = Jitter(boxed.shift, boxed.scale, boxed.wrong)

    def draw(photo: "Image", seed: int) -> "list[Box]":
        boxes = [found.box for found in detector.find(photo)]
        return jittered_boxes(boxes, photo.size, boxed.views, jitter=jitter, seed=seed)

    return BoxedViews(f"{boxed}, detector {detector.told}", draw)


def judge_candidate(settings: Settings) -> "Verdict":
    """The step `gate`: the candidate against the champion; the same two give the same verdict.

    A candidate that is live already keeps its verdict; where that was lost or cannot be read, the
    frozen tower with mean pooling is the champion again. One that was rolled back is refused.
    """
    from photosearch.embedding.model import read_model
    from photosearch.evaluation.gate import hold_contest
    from photosearch.evaluation.verdict_file import read_verdict

    home, champion = settings.home, champion_model(settings)
    candidate_id = read_model(home.candidate).model_id
    if candidate_id == read_model(champion).model_id:
        try:
            verdict = read_verdict(home)
        except HomeNotReady as error:
            log.warning("%s Candidate %s is live and judged anew.", error, candidate_id)
            champion = frozen_model(settings)
        else:
            log.info("candidate %s is live already: its verdict stands", candidate_id)
            return verdict
    switch = withdrawal_of(home.releases, candidate_id)
    withdrawn = None
    if switch is not None:
        withdrawn = f"at {switch.at}: {switch.rolled_back_because or 'no reason given'}"
    return hold_contest(home, settings.params.gate, champion=champion, withdrawn=withdrawn)


def champion_model(settings: Settings) -> Path:
    """The live model; before the first release the frozen tower with mean pooling."""
    home = settings.home
    return live_release(home.releases).model if home.live.exists() else frozen_model(settings)


def frozen_model(settings: Settings) -> Path:
    from photosearch.embedding.model import Lineage, mean_pooling_of, read_model, write_model

    home = settings.home
    candidate = read_model(home.candidate)
    lineage = Lineage(candidate.lineage.data_version, n_labels=0)
    frozen = home.root / "resume" / "frozen"
    write_model(frozen, tower=home.tower, head=mean_pooling_of(candidate.head), lineage=lineage)
    return frozen


def model_to_release(settings: Settings) -> Path:
    """The candidate if the gate promoted it, else the champion.

    Raises:
        HomeNotReady: No candidate was judged yet.
    """
    from photosearch.evaluation.verdict_file import may_go_live

    home = settings.home
    return home.candidate if may_go_live(home) else champion_model(settings)


def release_model_folder(
    settings: Settings, model: Path, *, because: str = "the model is released"
) -> "ReleaseReport":
    """Builds the release of a model over the curated photos; it is not live yet."""
    from photosearch.embedding.catalog_vectors import catalog_vectors
    from photosearch.search.release_folder import build_release

    vectors_of = catalog_vectors(settings.home, model, load_embedder(model))
    return build_release(
        settings.home, model, vectors_of, _recipe(settings, model), because=because
    )


def refresh_live_release(settings: Settings) -> "ReleaseReport":
    """Brings the live model's index up to date with the curated photos; it is not live yet."""
    from photosearch.embedding.catalog_vectors import catalog_vectors
    from photosearch.search.release_refresh import refresh_release

    model = live_release(settings.home.releases).model
    vectors_of = catalog_vectors(settings.home, model, load_embedder(model))
    return refresh_release(settings.home, vectors_of, _recipe(settings, model))


def _recipe(settings: Settings, model: Path) -> "Recipe":
    from photosearch.assembly_parts import parts_of_release
    from photosearch.embedding.export import export_graph
    from photosearch.search.release_recipe import Recipe

    params = settings.params
    return Recipe(
        index_engine(settings.services, params.index.quantisation),
        params.index,
        params.calibration,
        params.model_dump(mode="json"),
        export_graph,
        parts_of_release(settings, model),
    )


def load_embedder(model: Path) -> "Embedder":
    """A model folder, running."""
    from photosearch.embedding.torch_runtime import TorchEmbedder

    return TorchEmbedder(model)


def evaluate_on_folder(
    settings: Settings, source: "Source", *, split: str | None, gallery: str, release: str | None
) -> "EvaluationReport":
    """Measures a release on any folder: `source` searches its card pictures, `index` the index.

    Raises:
        BadParams: `gallery` is neither of the two.
        HomeNotReady, BadArtifact: There is no such release.
        SourceError: The folder gives no queries.
    """
    from photosearch.catalog.pull import pull
    from photosearch.evaluation.folder import evaluate_folder
    from photosearch.search.live_index import live_index

    if gallery not in ("source", "index"):
        raise BadParams(f"--gallery {gallery!r} is neither `source` nor `index`.")
    releases = settings.home.releases
    chosen = open_release(releases / release) if release else live_release(releases)
    models = models_of(chosen)
    with ExitStack() as closing:
        pulled = Home(Path(closing.enter_context(TemporaryDirectory(prefix="photosearch-"))))
        pull(source, pulled)
        index = None
        if gallery == "index":
            vectors = open_index(chosen, settings.services)
            closing.callback(vectors.close)
            index = live_index(chosen, vectors, images=settings.home.images)
        return evaluate_folder(pulled, models, split=split, index=index)


def models_of(release: Release) -> "Models":
    """A release's model and its baseline, running."""
    from photosearch.catalog.schemas import Card, CuratedPhoto
    from photosearch.catalog.tables import read_rows
    from photosearch.embedding.torch_runtime import TorchEmbedder
    from photosearch.evaluation.folder import Models

    group_of = {card.card_id: card.group_id for card in read_rows(release.cards, Card)}
    photos = read_rows(release.photos, CuratedPhoto)
    return Models(
        TorchEmbedder(release.model),
        TorchEmbedder(release.model, is_baseline=True),
        release.manifest,
        {group_of[photo.card_id] for photo in photos if photo.split == "train"},
    )
