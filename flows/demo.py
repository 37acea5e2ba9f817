"""The whole loop on one machine: source -> data -> labels -> model -> release -> live page."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from flows.package import build_bento, serve_in_background
from flows.processes import run_simulator
from flows.versions import prepare_home
from photosearch.assembly import LAST_USED, open_source
from photosearch.home import Home
from photosearch.settings import load_params

log = logging.getLogger(__name__)

ROOT = Path(__file__).parents[1]
SIMULATOR = "simulator"


@dataclass(frozen=True, slots=True)
class Demo:
    home: Path
    metrics: str
    """The offline table, markdown."""
    verdict: str
    """What the gate said, markdown."""
    release: str
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time by step."""
    address: str | None = None
    """Of the page, if it is served."""


def run_demo(source: str, home: Path | None, *, n_cards: int | None, port: int | None) -> Demo:
    """Runs every flow once, in order; what is up to date is not done again.

    Args:
        source: `simulator`, a folder, or a marketplace's address.
        home: Default: `home/` and the source's name.
        n_cards: Simulated cards; None takes simulator.cards of params.yaml.
        port: Where the page is served; None stops before serving.
    """
    is_simulated = source == SIMULATOR
    chosen = Home((home or Path("home") / Path(source).name).resolve())
    if not is_simulated:
        open_source(source)  # a wrong address is told before a home is made
    params_of = ROOT / "simulator" / "params.yaml" if is_simulated else ROOT / "params.yaml"
    prepare_home(chosen, params_of)
    _remember(chosen)
    seconds: dict[str, float] = {}
    simulated = load_params(chosen.root / "params.yaml").simulator
    with run_simulator(n_cards or simulated.cards, simulated.seed) as address:
        os.environ["PHOTOSEARCH_SIMULATOR_URL"] = address
        release = _run_flows(address if is_simulated else source, chosen, seconds)
    with _timed("package", seconds):
        bento = build_bento(chosen)
    served = None
    if port is not None:
        with _timed("serve", seconds):
            served = serve_in_background(chosen, bento, port)
    return Demo(
        chosen.root,
        (chosen.evaluation / "report.md").read_text(),
        (chosen.evaluation / "verdict.md").read_text(),
        release,
        seconds,
        served,
    )


def _run_flows(source: str, home: Home, seconds: dict[str, float]) -> str:
    """Runs the Prefect flows; returns the live release."""
    with _timed("start Prefect", seconds):
        from flows.build_dataset import build_dataset
        from flows.pull_catalog import pull_catalog
        from flows.release_model import release_model
        from flows.sync_labels import sync_labels
        from flows.train_model import train_model
    with _timed("pull", seconds):
        pull_catalog(source, home.root)
    with _timed("tower, curate, pairs, validate", seconds):
        build_dataset(home.root)
    with _timed("label", seconds):
        sync_labels(home.root)
    with _timed("tokens, train, evaluate, gate", seconds):
        train_model(home.root)
    with _timed("release, index", seconds):
        return release_model(home.root).release


@contextmanager
def _timed(step: str, seconds: dict[str, float]) -> Iterator[None]:
    log.info("== %s", step)
    started = time.monotonic()
    yield
    seconds[step] = round(time.monotonic() - started, 1)


def _remember(home: Home) -> None:
    """Makes this the home that verbs use when none is named."""
    LAST_USED.parent.mkdir(parents=True, exist_ok=True)
    partial = LAST_USED.with_name(f".{LAST_USED.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    partial.symlink_to(home.root)
    partial.replace(LAST_USED)
