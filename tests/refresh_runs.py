"""A painted shop whose catalogue changes, and refreshes of it as processes that can be killed."""

import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from small_shop import PAINTS, ColourEmbedder, colour, jpeg, painted

from photosearch.assembly_index import index_engine
from photosearch.catalog import images
from photosearch.catalog.pull import Snapshot
from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import read_rows, write_table
from photosearch.embedding.model import HeadShape, Lineage, ModelManifest
from photosearch.home import Home
from photosearch.index_settings import IndexParams
from photosearch.judging_settings import CalibrationParams
from photosearch.release import live_release, switch_live
from photosearch.release_lock import alone
from photosearch.report import save_report, write_text
from photosearch.search.moderation import write_moderation
from photosearch.search.policies import save_policies
from photosearch.search.release_folder import build_release
from photosearch.search.release_recipe import Part, Recipe
from photosearch.search.release_refresh import refresh_release
from photosearch.settings import Services, load_params

POLICIES = load_params(Path(__file__).parents[1] / "params.yaml").policies


def write_rules(folder: Path, *_: object) -> None:
    write_moderation(folder, [])
    save_policies(folder, POLICIES)


RECIPE = Recipe(
    index_engine(Services(), "int8"),
    IndexParams(dim=64, quantisation="int8", hits_per_query=20, min_recall_vs_exact=0.98),
    CalibrationParams(precision=0.9, queries_max=2000),
    {"head": {"epochs": 10}},
    lambda _model, graph, photos: write_text(graph / "photos", str(len(photos))),
    parts=(Part("rules", "as params.yaml has them", write_rules),),
)
SHADES = 4
"""Gallery pictures a card."""


def paint_home(root: Path) -> Home:
    """Five cards of one colour each with four pictures, a model, and nothing live."""
    home = Home(root)
    save_report(home.candidate / "model.json", model_of("colours"))
    set_catalogue(home, "d1", {name: 9.5 for name in PAINTS})
    return home


def model_of(model_id: str) -> ModelManifest:
    return ModelManifest(model_id, "t1", HeadShape("mean", 64, 64, [64, 16]), Lineage("d1", 1))


def set_catalogue(home: Home, data_version: str, prices: dict[str, float]) -> None:
    """What was pulled and curated last: these cards at these prices."""
    photos = [
        CuratedPhoto(
            f"{name}/gallery/{shade}", name, "gallery", stored(home, name, shade), "train", True
        )
        for name in sorted(prices)
        for shade in range(SHADES)
    ]
    cards = [
        Card(name, name, None, None, ["Home", "Colour"], None, None, prices[name], name)
        for name in sorted(prices)
    ]
    write_table(home.curated / "photos.parquet", CuratedPhoto, photos)
    write_table(home.curated / "cards.parquet", Card, cards)
    snapshot = Snapshot("folder paint", len(cards), len(photos), 0, {}, data_version)
    save_report(home.catalog / "snapshot.json", snapshot)


def stored(home: Home, name: str, shade: int) -> str:
    """A picture of a card; cards that are not among the paints are mixed of two."""
    one, other = (name.split("-") * 2)[:2]
    mixed = painted(*[colour(one)] * (shade + 2), *[colour(other)] * 2, (9, 9, 60 * shade))
    return images.store(home.images, jpeg(mixed.resize((64, 48))))


def change_catalogue(home: Home) -> None:
    """Red goes, a mixture comes, blue costs less, one picture of green is another."""
    prices = {name: 9.5 for name in PAINTS if name != "red"} | {"blue": 7.0, "red-blue": 12.0}
    set_catalogue(home, "d2", prices)
    photos = read_rows(home.curated / "photos.parquet", CuratedPhoto)
    rows = [
        CuratedPhoto(p.photo_id, p.card_id, p.kind, stored(home, "green", 9), p.split, True)
        if p.photo_id == "green/gallery/1"
        else p
        for p in photos
    ]
    write_table(home.curated / "photos.parquet", CuratedPhoto, rows)


class Colours:
    """Vectors of curated photos, and which were asked for."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.asked: list[str] = []

    def __call__(self, photos: Any) -> Any:
        self.asked += [photo.photo_id for photo in photos]
        return ColourEmbedder().embed([images.load(self._home.images, p.sha256) for p in photos])


def build_and_switch(root: Path) -> None:
    home = Home(root)
    with alone(home.releases, doing="releasing a model"):
        report = build_release(home, home.candidate, Colours(home), RECIPE)
        switch_live(home.releases, report.release)


def refresh_and_switch(root: Path) -> None:
    """What the flow does after curation."""
    home = Home(root)
    with alone(home.releases, doing="refreshing the index"):
        report = refresh_release(home, Colours(home), RECIPE)
        switch_live(home.releases, report.release)


def killed_at_rename(root: Path, number: int) -> None:
    """Refreshes, and is killed before the file or folder `number` gets its final name."""
    seen = 0

    def kill(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event == "os.rename" and str(arguments[0]).startswith(str(root / "releases")):
            seen += 1
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(kill)
    refresh_and_switch(root)


def killed_at_step(root: Path, step: str) -> None:
    """Refreshes, and is killed when `step` begins."""

    class Killer(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() == f"refresh: {step}":
                os.kill(os.getpid(), signal.SIGKILL)

    watched = logging.getLogger("photosearch.progress")
    watched.setLevel(logging.INFO)
    watched.addHandler(Killer())
    refresh_and_switch(root)


def held_while(root: Path, is_held: Any, may_end: Any) -> None:
    """Holds the releases as a refresh does, from `is_held` until `may_end`."""
    with alone(Home(root).releases, doing="refreshing the index"):
        is_held.set()
        may_end.wait(60)


PROCESSES = multiprocessing.get_context("forkserver")


def start_fork_server() -> None:
    """Starts the process that the others are forked from, with all this module needs loaded.

    Python 3.11 tells it no import path, and does not say so: each child would load torch.
    """
    PROCESSES.set_forkserver_preload(["refresh_runs"])
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    try:
        forkserver.ensure_running()
    finally:
        if inherited is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = inherited


def run(target: Callable[..., None], *arguments: Any) -> int:
    """Runs a function in a process of its own; its exit code, -9 where it was killed."""
    process = PROCESSES.Process(target=target, args=arguments)
    process.start()
    process.join(400)
    assert process.exitcode is not None
    return process.exitcode


def live_name(home: Home) -> str:
    return live_release(home.releases).manifest.release
