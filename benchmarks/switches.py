"""Switches of a running service between two releases of a million products, under load.

    OMP_NUM_THREADS=2 python benchmarks/switches.py --work /tmp/online --base HOME --cards 1000000

Two releases in one home: other models (SigLIP 2 B/16 and our small tower), the same index, other
prices. Each photo is asked for alone first, of either release. Then clients search without a pause
while the pointer moves to and fro. An answer is mixed if its ids are not of one release, if a price
is the other's, or if its cards are not those that this photo has in its release: vectors of one
model in the other's search would find others. What is found means nothing (weights by chance).
"""

import argparse
import itertools
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from online_photos import photos
from online_release import SIGLIP, SMALL, Eyes, release_to_serve
from online_service import Serving, following_service

from photosearch.home import Home
from photosearch.index.index_folder import LOCK
from photosearch.progress import configure_logging
from photosearch.release import CARDS, MANIFEST, Release, open_release, seal, switch_live
from photosearch.search.thumbnails import link_or_copy

TOWERS = (SIGLIP, SMALL)
DEARER = 1e7
"""Added to the prices of one of the two: no product costs as much."""
N_PHOTOS = 8
FOLLOWED_WITHIN_S = 120
BETWEEN_S = 5.0
"""Searches by one release before the next switch."""
ALIKE_MIN = 0.5
"""Of the cards that a photo finds alone, so many are found under load: a batch moves a vector by
rounding, and cards far from it change places."""


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer says that must be of one release."""

    release: str
    model_id: str
    cards: frozenset[str]
    is_dearer: frozenset[bool]


@dataclass
class Load:
    """Answers of clients that search without a pause, each by the number of its photo."""

    answers: list[tuple[int, Told, float]] = field(default_factory=list)
    """Photo, answer, and how long it took in ms."""
    failures: list[str] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)


def two_releases(asked: argparse.Namespace) -> tuple[Home, list[Release]]:
    """A home with both, the first one live."""
    home = Home(asked.work / f"switching-{asked.cards}")
    for tower in TOWERS:
        folder = home.releases / tower
        eyes = Eyes(detector_threads=1, reads=False)
        if not (folder / MANIFEST).exists():
            made = release_to_serve(asked.work, asked.cards, tower, asked.base, eyes=eyes)
            _put(made, folder, dearer_by=DEARER if tower == SMALL else 0.0)
    switch_live(home.releases, TOWERS[0])
    return home, [open_release(home.releases / tower) for tower in TOWERS]


def _put(made: Release, folder: Path, *, dearer_by: float) -> None:
    """A release under another name and other prices; sealed last."""
    shutil.rmtree(folder, ignore_errors=True)
    besides = shutil.ignore_patterns(CARDS, LOCK, MANIFEST)
    shutil.copytree(made.folder, folder, ignore=besides, copy_function=link_or_copy)
    cards: pa.Table = pq.read_table(made.cards)
    at = cards.schema.get_field_index("price")
    prices = pc.add(cards["price"], dearer_by)
    pq.write_table(cards.set_column(at, cards.schema.field(at), prices), folder / CARDS)
    seal(folder, replace(made.manifest, release=folder.name))


def ask(api: httpx.Client, content: bytes) -> Told:
    """One search; raises HTTPError for whatever is not an answer."""
    response = api.post("/v1/search", files={"photo": ("photo.jpg", content)})
    response.raise_for_status()
    said: dict[str, Any] = response.json()
    shown = [card["card"] for card in said["cards"]]
    return Told(
        said["release"]["release"],
        said["release"]["model_id"],
        frozenset(card["card_id"] for card in shown),
        frozenset(card["price"] >= DEARER for card in shown),
    )


def search_on(serving: Serving, load: Load, turns: Iterator[tuple[int, bytes]]) -> None:
    """One client: asks again as soon as it is answered."""
    with _api(serving) as api:
        while not load.is_over.is_set():
            number, content = next(turns)
            started = time.perf_counter()
            try:
                told = ask(api, content)
            except httpx.HTTPError as error:
                load.failures.append(repr(error))
                continue
            load.answers.append((number, told, (time.perf_counter() - started) * 1000))


def switch_to_and_fro(
    serving: Serving, home: Home, n_switches: int, load: Load
) -> list[tuple[str, float, int]]:
    """Moves the pointer; after each switch: what it was to, seconds until it answered, answers."""
    told = []
    with _api(serving) as api:
        for number in range(1, n_switches + 1):
            to = TOWERS[number % len(TOWERS)]
            started, before = time.monotonic(), len(load.answers)
            switch_live(home.releases, to)
            while api.get("/v1/release").json()["release"] != to:
                if time.monotonic() - started > FOLLOWED_WITHIN_S:
                    raise SystemExit(f"The service did not follow to {to}. Look at its log.")
                time.sleep(0.1)
            took_s = time.monotonic() - started
            time.sleep(BETWEEN_S)
            told.append((to, took_s, len(load.answers) - before))
    return told


def is_mixed(told: Told, number: int, alone: dict[tuple[str, int], Told]) -> bool:
    """Whether an answer is not what its photo has in the one release that it names."""
    own = alone[told.release, number]
    return (
        told.model_id != own.model_id
        or told.is_dearer != own.is_dearer
        or len(told.cards & own.cards) < ALIKE_MIN * len(own.cards)
    )


def measure(home: Home, releases: Sequence[Release], asked: argparse.Namespace) -> str:
    contents = photos(asked.work / "photos", "small", N_PHOTOS)
    with following_service(home.root, asked.work, encoder_threads=2) as serving:
        alone = {}
        for release in [*releases[1:], releases[0]]:  # the last one is live when the load comes
            name = release.manifest.release
            switch_live(home.releases, name)
            with _api(serving) as api:
                _wait_for(api, name)
                for number, content in enumerate(contents):
                    alone[name, number] = ask(api, content)
        load, lock = Load(), threading.Lock()
        turns = _in_turns(list(enumerate(contents)), lock)
        with ThreadPoolExecutor(asked.clients) as clients:
            for _ in range(asked.clients):
                clients.submit(search_on, serving, load, turns)
            time.sleep(BETWEEN_S)
            try:
                switches = switch_to_and_fro(serving, home, asked.switches, load)
            finally:
                load.is_over.set()
    mixed = sum(is_mixed(told, number, alone) for number, told, _ in load.answers)
    strange = [len(alone[TOWERS[0], n].cards & alone[TOWERS[1], n].cards) for n in range(N_PHOTOS)]
    took_ms = [ms for _, _, ms in load.answers]
    rows = [f"| {to} | {took_s:.1f} | {n} |" for to, took_s, n in switches]
    return "\n".join([
        f"{releases[0].manifest.n_cards:,} cards, {asked.clients} clients: {len(load.answers)} "
        f"answers, {len(load.failures)} failed, {mixed} mixed; p50 {np.median(took_ms):.0f} ms, "
        f"longest {max(took_ms):.0f} ms. Two releases share at most {max(strange)} of the "
        "twenty cards that a photo finds.",
        "",
        "| switched to | answered by it after, s | answers from this switch to the next |",
        "|---|---|---|",
        *rows,
        *[f"failed: {one}" for one in load.failures[:5]],
    ])  # fmt: skip


def _wait_for(api: httpx.Client, name: str) -> None:
    until = time.monotonic() + FOLLOWED_WITHIN_S
    while api.get("/v1/release").json()["release"] != name:
        if time.monotonic() > until:
            raise SystemExit(f"The service did not follow to {name}. Look at its log.")
        time.sleep(0.1)


def _in_turns(
    contents: Sequence[tuple[int, bytes]], lock: threading.Lock
) -> Iterator[tuple[int, bytes]]:
    """The photos over and over, for several threads."""
    turns = itertools.cycle(contents)

    def next_one() -> tuple[int, bytes]:
        with lock:
            return next(turns)

    return iter(next_one, None)


def _api(serving: Serving) -> httpx.Client:
    return httpx.Client(base_url=f"http://127.0.0.1:{serving.port}", timeout=60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="Where all that is made stays.")
    parser.add_argument("--cards", type=int, default=10_000)
    parser.add_argument("--base", type=Path, help="A home of benchmarks/refresh.py.")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--switches", type=int, default=5)
    asked = parser.parse_args()
    configure_logging()
    asked.work.mkdir(parents=True, exist_ok=True)
    home, releases = two_releases(asked)
    sys.stdout.write(measure(home, releases, asked) + "\n")


if __name__ == "__main__":
    main()
