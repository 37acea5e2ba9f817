"""Running services follow the live release: model, index and card facts change together."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from real_release import Service, another_release, open_real_shop, real_service
from small_shop import PAINTS, colour, jpeg, painted

from photosearch.release import Release, switch_live
from photosearch.search.schemas import SearchResponse

pytestmark = pytest.mark.slow

SWITCHES = 5
N_CLIENTS = 4
FOLLOWED_WITHIN_S = 120
"""It takes some seconds where the machine is quiet; a first try may fail where it is not."""


@dataclass
class Load:
    """Clients that search without a pause, and what they were answered."""

    api: httpx.Client
    answers: list[SearchResponse] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    def search_on(self, photos: Iterator[tuple[str, bytes]]) -> None:
        while not self.is_over.is_set():
            card_id, photo = next(photos)
            try:
                response = self.api.post("/v1/search", files={"photo": (card_id, photo)})
            except httpx.HTTPError as error:
                self.failures.append(repr(error))
                continue
            if response.status_code != 200:
                self.failures.append(f"{response.status_code} {response.text}")
                continue
            answer = SearchResponse.model_validate(response.json())
            self.answers.append(answer)
            if answer.cards[0].card.card_id != card_id:
                self.failures.append(f"{card_id} found {answer.cards[0].card.card_id}")


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> list[Release]:
    """r0 to r5 in one folder, by two models in turns; each costs its number, and r0 is live."""
    folder = tmp_path_factory.mktemp("home") / "releases"
    shops = [open_real_shop(folder.parent / str(px), image_px=px) for px in (64, 96)]
    made = [
        another_release(shops[n % 2], folder / f"r{n}", price=float(n)) for n in range(SWITCHES + 1)
    ]
    assert len({release.manifest.model_id for release in made}) == 2
    switch_live(folder, "r0")
    return made


@pytest.fixture
def service(releases: list[Release], tmp_path: Path) -> Iterator[Service]:
    home = releases[0].folder.parents[1]
    with real_service(tmp_path, PHOTOSEARCH_HOME=str(home)) as started:
        yield started


@contextmanager
def searching(api: httpx.Client, photos: Iterator[tuple[str, bytes]]) -> Iterator[Load]:
    """N_CLIENTS search until the end of the block; then all of them have their last answer."""
    load = Load(api)
    clients = [threading.Thread(target=load.search_on, args=(photos,)) for _ in range(N_CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield load
    finally:
        load.is_over.set()
        for client in clients:
            client.join()


def wait_until(is_so: Callable[[], bool], service: Service) -> None:
    until = time.monotonic() + FOLLOWED_WITHIN_S
    while not is_so():
        assert time.monotonic() < until, service.log.read_text()
        time.sleep(0.05)


def wait_for_answers(load: Load, service: Service, release: str) -> None:
    """Until every client may have had one of this release, however long that takes."""
    wait_until(
        lambda: sum(a.release.release == release for a in list(load.answers)) >= 2 * N_CLIENTS,
        service,
    )


def served_now(api: httpx.Client) -> str:
    return api.get("/v1/release").json()["release"]


def is_of_one_release(answer: SearchResponse, release: Release) -> bool:
    """Whether ids, index, card facts and the vector that was searched with are all of it."""
    manifest, card = release.manifest, answer.cards[0]
    return (
        (answer.release.model_id, answer.release.index_id) == (manifest.model_id, manifest.index_id)
        and all(c.matched_photo_id.endswith(f"@{manifest.release}") for c in answer.cards)
        and all(c.card.price == float(manifest.release[1:]) for c in answer.cards)
        and card.cosine > 0.99  # a vector of the other model would be anywhere
    )


def test_five_switches_under_load_fail_no_search_and_mix_no_answer(
    service: Service, releases: list[Release]
):
    photos = itertools.cycle([(name, jpeg(painted(colour(name)))) for name in PAINTS])
    lock = threading.Lock()
    asked = iter(lambda: next_of(photos, lock), None)
    took_s = []
    with searching(service.api, asked) as load:
        wait_for_answers(load, service, "r0")
        for release in releases[1:]:
            name, switched = release.manifest.release, time.monotonic()
            switch_live(release.folder.parent, name)
            wait_until(lambda name=name: served_now(service.api) == name, service)
            took_s.append(round(time.monotonic() - switched, 1))
            wait_for_answers(load, service, name)
    by_name = {release.manifest.release: release for release in releases}
    mixed = [a for a in load.answers if not is_of_one_release(a, by_name[a.release.release])]
    print(f"followed within {took_s} s, {len(load.answers)} answers")  # noqa: T201 - with -s
    assert load.failures == []
    assert mixed == []
    assert set(Counter(a.release.release for a in load.answers)) == set(by_name)
    # those that nobody searches any more are closed
    wait_until(lambda: len(service.open_copies()) == 1, service)


def next_of(photos: Iterator[tuple[str, bytes]], lock: threading.Lock) -> tuple[str, bytes]:
    with lock:
        return next(photos)


def test_a_release_that_cannot_be_served_leaves_the_one_before(
    service: Service, releases: list[Release]
):
    folder = releases[0].folder.parent
    (folder / "broken").mkdir()
    (folder / "broken" / "release.json").write_text(
        (releases[0].folder / "release.json").read_text().replace('"r0"', '"broken"')
    )
    before = served_now(service.api)
    switch_live(folder, "broken")
    wait_until(lambda: "cannot switch to release broken" in service.log.read_text(), service)
    assert served_now(service.api) == before
    switch_live(folder, before)
    photo = jpeg(painted(colour("red")))
    answer = service.api.post("/v1/search", files={"photo": ("red", photo)})
    assert answer.json()["cards"][0]["card"]["card_id"] == "red"
