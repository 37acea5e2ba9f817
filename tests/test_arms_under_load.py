"""A running service parts shoppers by an experiment, under load, while what is live changes."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from real_release import Service, another_release, open_real_shop, real_service
from shopping import RULES
from small_shop import PAINTS, colour, jpeg, painted

from photosearch.feedback.experiments import Arm, Experiment, Plan, arm_of, start, stop
from photosearch.feedback.schemas import Answer
from photosearch.feedback.shopper_outcomes import outcomes
from photosearch.feedback.store import open_store
from photosearch.home import Home
from photosearch.release import Release, switch_live
from photosearch.search.schemas import SearchResponse

pytestmark = pytest.mark.slow

FOLLOWED_WITHIN_S = 120
N_CLIENTS = 3


@dataclass
class Asked:
    """Answers with the shopper who asked, and what failed."""

    answers: list[tuple[str, SearchResponse]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> list[Release]:
    """r0 and r2 by one model, r1 by another; each costs its number, and r0 is live."""
    folder = tmp_path_factory.mktemp("home") / "releases"
    shops = [open_real_shop(folder.parent / str(px), image_px=px) for px in (64, 96)]
    made = [another_release(shops[n % 2], folder / f"r{n}", price=float(n)) for n in range(3)]
    switch_live(folder, "r0")
    return made


@pytest.fixture
def service(releases: list[Release], tmp_path: Path) -> Iterator[Service]:
    with real_service(tmp_path, PHOTOSEARCH_HOME=str(releases[0].folder.parents[1])) as started:
        yield started


@contextmanager
def shopping(api: httpx.Client) -> Iterator[Asked]:
    """Shoppers search without a pause until the end of the block."""
    asked, is_over, lock = Asked(), threading.Event(), threading.Lock()
    photos = {name: jpeg(painted(colour(name))) for name in PAINTS}
    visits = zip((f"shopper-{n % 40}" for n in itertools.count()), itertools.cycle(photos))

    def shop() -> None:
        while not is_over.is_set():
            with lock:
                shopper, card_id = next(visits)
            response = api.post(
                "/v1/search",
                files={"photo": (card_id, photos[card_id])},
                data={"shopper": shopper},
            )
            if response.status_code != 200:
                asked.failures.append(response.text)
                continue
            answer = SearchResponse.model_validate(response.json())
            asked.answers.append((shopper, answer))
            if answer.cards[0].card.card_id != card_id:
                asked.failures.append(f"{card_id} found {answer.cards[0].card.card_id}")

    clients = [threading.Thread(target=shop) for _ in range(N_CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield asked
    finally:
        is_over.set()
        for client in clients:
            client.join()


def wait_until(is_so: Callable[[], bool], service: Service) -> None:
    until = time.monotonic() + FOLLOWED_WITHIN_S
    while not is_so():
        assert time.monotonic() < until, service.log.read_text()
        time.sleep(0.1)


def wait_for_more(asked: Asked, service: Service, *wanted: tuple[str | None, str]) -> None:
    """Until every shopper has been answered a search that was begun after this call.

    `wanted` are arms, None for no experiment, and releases that were seen together by then: few
    shoppers may all be of one arm.
    """
    until = len(asked.answers) + len(asked.failures) + 2 * N_CLIENTS
    wait_until(lambda: len(asked.answers) + len(asked.failures) >= until, service)
    wait_until(lambda: set(wanted) <= seen_by(asked), service)


def seen_by(asked: Asked) -> set[tuple[str | None, str]]:
    return {(arm_told(answer), answer.release.release) for _, answer in list(asked.answers)}


def arm_told(answer: SearchResponse) -> str | None:
    return None if answer.experiment is None else answer.experiment.arm


def served(service: Service) -> list[str]:
    told = service.api.get("/v1/experiments").json()["experiments"]
    return [one["name"] for one in told if one["is_served"]]


def live(service: Service) -> str:
    return service.api.get("/v1/release").json()["release"]


def is_whole(answer: SearchResponse) -> bool:
    """Whether index and card facts are of the release that it tells."""
    name = answer.release.release
    return all(card.matched_photo_id.endswith(f"@{name}") for card in answer.cards) and all(
        card.card.price == float(name[1:]) for card in answer.cards
    )


def wait_for_log(home: Home, service: Service, n_answers: int) -> dict[str, Answer]:
    """The answers by their queries, once all are logged."""
    with closing(open_store(f"sqlite:///{home.event_log}")) as store:
        wait_until(lambda: len(list(store.answers_after(0))) == n_answers, service)
        return {answer.query_id: answer for _, answer in store.answers_after(0)}


def test_an_experiment_begins_and_ends_and_what_is_live_changes_without_a_failed_search(
    service: Service, releases: list[Release]
):
    home = Home(releases[0].folder.parents[1])
    plan = Plan(name="trial", arms=[Arm(name="now"), Arm(name="new", release="r1")])
    with shopping(service.api) as asked:
        wait_for_more(asked, service, (None, "r0"))
        trial: Experiment = start(
            home.experiments, plan, releases=home.releases, rules=RULES, at=datetime.now(UTC)
        )
        wait_until(lambda: served(service) == ["trial"], service)
        begun = len(asked.answers)
        assert len(service.open_copies()) == 2
        wait_for_more(asked, service, ("now", "r0"), ("new", "r1"))
        switch_live(home.releases, "r2")
        wait_until(lambda: live(service) == "r2", service)
        wait_for_more(asked, service, ("now", "r2"))
        stop(home.experiments, at=datetime.now(UTC))
        wait_until(lambda: served(service) == [], service)
        wait_for_more(asked, service, (None, "r2"))
    assert asked.failures == []
    assert all(is_whole(answer) for _, answer in asked.answers)
    seen: dict[str | None, set[str]] = {}
    for shopper, answer in asked.answers:
        arm = arm_told(answer)
        seen.setdefault(arm, set()).add(answer.release.release)
        if arm is not None:
            mine = arm_of(trial, shopper)
            assert mine is not None
            assert arm == mine.name
    assert seen["new"] == {"r1"}
    assert seen["now"] == {"r0", "r2"}
    assert seen[None] == {"r0", "r2"}  # before it began, and after it ended
    assert len(asked.answers) > begun
    wait_until(lambda: len(service.open_copies()) == 1, service)
    logged = wait_for_log(home, service, len(asked.answers))
    for shopper, answer in asked.answers:
        told = answer.experiment
        one = logged[answer.query_id]
        assert (one.shopper, one.release) == (shopper, answer.release.release)
        assert (one.experiment, one.arm) == (("", "") if told is None else (told.name, told.arm))
    assert outcomes(trial, logged.values(), [], now=datetime.now(UTC)).moved == 0


def test_an_experiment_whose_release_is_gone_is_not_begun_and_the_log_says_why(
    service: Service, releases: list[Release]
):
    home = Home(releases[0].folder.parents[1])
    gone = home.releases / "r9"
    gone.symlink_to(releases[1].folder)
    plan = Plan(name="gone", arms=[Arm(name="now"), Arm(name="new", release="r9")])
    start(home.experiments, plan, releases=home.releases, rules=RULES, at=datetime.now(UTC))
    gone.unlink()
    wait_until(lambda: "cannot take up the experiment" in service.log.read_text(), service)
    assert served(service) == []
    photo = {"photo": ("red", jpeg(painted(colour("red"))))}
    answer = service.api.post("/v1/search", files=photo, data={"shopper": "ann"}).json()
    assert answer["experiment"] is None
    stop(home.experiments, at=datetime.now(UTC))
