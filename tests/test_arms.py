"""Shoppers are answered by their arms: the parts that need no service, and the API around them."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import anyio
import httpx
import pytest
from shopping import NOON, Log, experiment
from small_shop import (
    CALIBRATION,
    SmallShop,
    colour,
    jpeg,
    open_shop,
    painted,
    served,
    sighted,
    with_words,
)

from bentos.by_arm import PipelineByArm, Trial, follow_experiments
from bentos.current import Current
from bentos.opened import Opened
from photosearch.errors import BadArtifact
from photosearch.feedback.experiments import Arm, Experiment, Plan, arm_of, start, stop
from photosearch.feedback.readout import read_out, save_readout
from photosearch.feedback.shopper_outcomes import outcomes
from photosearch.release import Release, switch_live
from photosearch.search.query import SearchRequest
from photosearch.search.rank import best_first, rank_by_evidence
from photosearch.search.steps import Reranker

RED = jpeg(painted(colour("red")))
NOW, NEW = Arm(name="now"), Arm(name="new", release="r2")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> SmallShop:
    return open_shop(tmp_path_factory.mktemp("shop"))


def renamed(shop: SmallShop, name: str) -> SmallShop:
    """The same shop as another release."""
    manifest = dataclasses.replace(shop.release.manifest, release=name)
    release = Release(shop.release.folder, manifest)
    ids = shop.pipeline.release.model_copy(update={"release": name})
    pipeline = dataclasses.replace(shop.pipeline, release=ids)
    return dataclasses.replace(shop, release=release, pipeline=pipeline)


def opened(shop: SmallShop, closed: list[str] | None = None) -> Opened:
    name = shop.release.manifest.release
    return opened_of(shop, lambda: (closed or []).append(name))


def opened_of(shop: SmallShop, close: Callable[[], None]) -> Opened:
    return Opened(shop.release, shop.pipeline, shop.catalogue, probe=lambda: None, close=close)


def by_arm(shop: SmallShop, trial: Trial) -> PipelineByArm:
    def let_go(_: object) -> None:
        pass

    return PipelineByArm(Current(opened(shop), let_go=let_go), Current(trial, let_go=let_go))


def someone_in(trial: Experiment, arm: str) -> str:
    """The key of a shopper in an arm."""
    keys = (f"shopper-{n}" for n in range(1000))
    return next(key for key in keys if (mine := arm_of(trial, key)) and mine.name == arm)


def asked_by(shopper: str) -> SearchRequest:
    return SearchRequest(RED, shopper=shopper)


def test_an_arm_that_is_a_release_answers_its_shoppers_and_nobody_else(shop: SmallShop):
    trial = experiment(NOW, NEW)
    pipeline = by_arm(shop, Trial(trial, {"r2": opened(renamed(shop, "r2"))}))
    for arm, release in (("now", "r1"), ("new", "r2")):
        told = pipeline.answer(asked_by(someone_in(trial, arm)))
        assert told.experiment is not None
        assert (told.experiment.name, told.experiment.arm) == ("trial", arm)
        assert told.release.release == release
    nobody = pipeline.answer(asked_by(""))
    assert (nobody.experiment, nobody.release.release) == (None, "r1")


def test_searches_by_words_and_by_likeness_follow_the_arm_too(shop: SmallShop):
    trial = experiment(NOW, NEW)
    with with_words(shop) as worded:
        pipeline = by_arm(worded, Trial(trial, {"r2": opened(renamed(worded, "r2"))}))
        key = someone_in(trial, "new")
        words = pipeline.answer_words(SearchRequest(text="red mug", shopper=key))
        alike = pipeline.answer_alike("red", SearchRequest(shopper=key))
    for told in (words, alike):
        assert told.experiment is not None
        assert (told.experiment.arm, told.release.release) == ("new", "r2")


def test_an_arm_without_the_ranker_gets_the_order_of_the_evidence(shop: SmallShop):
    def worst_first(cards, _):
        return best_first(cards)[::-1]

    ranked = dataclasses.replace(
        shop,
        pipeline=dataclasses.replace(
            shop.pipeline, rank=worst_first, late_interaction=lambda cards, _: cards[::-1]
        ),
    )
    trial = experiment(
        NOW, Arm(name="late", late_interaction=False), Arm(name="plain", ranker=False)
    )
    pipeline = by_arm(ranked, Trial(trial))
    first = {
        arm: pipeline.answer(asked_by(someone_in(trial, arm))).cards[0].card.card_id
        for arm in ("now", "late", "plain")
    }
    worst = by_arm(shop, Trial()).answer(asked_by("")).cards[-1].card.card_id
    assert first == {"now": "red", "late": worst, "plain": worst}


def test_an_arm_without_the_ranker_is_reranked_all_the_same_and_tells_no_probabilities(
    shop: SmallShop,
):
    """The curve is of scores that the ranker made."""
    are_known: list[bool] = []

    def reranked(cards, _):
        are_known.extend(card.features is not None for card in cards)
        return cards

    ranked = dataclasses.replace(
        shop,
        pipeline=dataclasses.replace(
            shop.pipeline,
            calibration=CALIBRATION,
            unranked=rank_by_evidence(None),
            rerank=lambda: Reranker("a state", reranked),
        ),
    )
    trial = experiment(NOW, Arm(name="plain", ranker=False))
    pipeline = by_arm(ranked, Trial(trial))
    now = pipeline.answer(asked_by(someone_in(trial, "now")))
    assert None not in [card.probability for card in now.cards]
    are_known.clear()
    plain = pipeline.answer(asked_by(someone_in(trial, "plain")))
    assert are_known
    assert all(are_known)
    assert {card.probability for card in plain.cards} == {None}
    assert plain.is_confident is None


def test_articles_are_found_whichever_release_reads(shop: SmallShop):
    reading = sighted(renamed(shop, "r2"), lambda _: [])
    trial = experiment(NOW, NEW)
    pipeline = by_arm(shop, Trial(trial, {"r2": opened(reading)}))
    told = pipeline.answer(asked_by(someone_in(trial, "new")))
    assert pipeline.articles_of(told.query_id).release.release == "r2"


def test_the_release_of_an_experiment_is_let_go_of_when_its_last_search_is_done(shop: SmallShop):
    closed: list[str] = []
    gone = opened_of(shop, lambda: closed.append("r2"))
    current = Current(Trial(experiment(NOW, NEW), {"r2": gone}), let_go=lambda one: one.close())
    with current.held():
        current.switch(Trial())
        assert closed == []
    assert closed == ["r2"]


def test_a_service_takes_up_each_experiment_whole_or_not_at_all(
    tmp_path: Path,
    shop: SmallShop,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    monkeypatch.setattr("bentos.current.LOOK_EVERY_S", 0.01)
    monkeypatch.setattr("bentos.current.TRY_AGAIN_AFTER_S", 0.01)
    folder, served_now, fails = tmp_path / "experiments", [None], ["second"]
    releases = live_releases(tmp_path, shop)

    def serve(trial: Experiment | None) -> None:
        if trial is not None and trial.name in fails:
            fails.clear()
            raise BadArtifact("no graph")
        served_now.append(trial)

    async def until(name: str | None) -> None:
        while (None if served_now[-1] is None else served_now[-1].name) != name:
            await anyio.sleep(0.01)

    async def run() -> None:
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:

                async def watch() -> None:
                    await follow_experiments(folder, serve, served=lambda: served_now[-1])

                tasks.start_soon(watch)
                for name in ("first", "second"):
                    begin(folder, releases, name)
                    await until(name)
                    stop(folder, at=NOON)
                    await until(None)
                tasks.cancel_scope.cancel()

    anyio.run(run)
    assert [one and one.name for one in served_now] == [None, "first", None, "second", None]
    assert "cannot take up the experiment of" in caplog.text


def live_releases(tmp_path: Path, shop: SmallShop) -> Path:
    releases = tmp_path / "releases"
    releases.mkdir()
    (releases / "r1").symlink_to(shop.release.folder)
    switch_live(releases, "r1")
    return releases


def begin(folder: Path, releases: Path, name: str) -> Experiment:
    plan = Plan(name=name, arms=[NOW, Arm(name="new")])
    return start(folder, plan, releases=releases, rules=experiment().rules, at=NOON)


@contextmanager
def calling(shop: SmallShop) -> Iterator[httpx.Client]:
    with served(shop) as address, httpx.Client(base_url=address, timeout=60) as api:
        yield api


def test_answers_over_http_say_the_arm_and_a_wrong_key_is_told(shop: SmallShop):
    trial = experiment(NOW, Arm(name="new"))
    parted = dataclasses.replace(shop, pipeline=by_arm(shop, Trial(trial)))
    key = someone_in(trial, "new")
    with calling(parted) as api:
        files = {"photo": ("red.jpg", RED)}
        told = api.post("/v1/search", files=files, data={"shopper": key}).json()
        alike = api.get("/v1/cards/red/similar", params={"shopper": key}).json()
        nobody = api.post("/v1/search", files=files).json()
        wrong = api.post("/v1/search", files=files, data={"shopper": "<b>"})
    assert told["experiment"] == alike["experiment"] == {"name": "trial", "arm": "new"}
    assert nobody["experiment"] is None
    assert wrong.status_code == 400
    assert "Part 'shopper' is '<b>'. Send a key of 1 to 64 letters" in wrong.json()["detail"]


def test_engineers_see_experiments_and_what_came_of_them_but_no_keys(
    tmp_path: Path, shop: SmallShop
):
    folder = tmp_path / "experiments"
    begun = begin(folder, live_releases(tmp_path, shop), "first")
    log = Log(begun)
    log.answer("ann", NOON)
    later = NOON + timedelta(hours=30)
    save_readout(folder, read_out(begun, outcomes(begun, log.answers, [], now=later), now=later))
    trying = dataclasses.replace(shop, experiments=folder, experiment=begun)
    with calling(trying) as api, calling(shop) as none:
        told = api.get("/v1/experiments")
        assert none.get("/v1/experiments").json() == {"experiments": []}
    (one,) = told.json()["experiments"]
    assert (one["name"], one["is_served"], one["stopped_at"]) == ("first", True, None)
    assert [arm["name"] for arm in one["arms"]] == ["now", "new"]
    assert one["readout"]["state"] == "too_early"
    assert sum(arm["shoppers"] for arm in one["readout"]["arms"]) == 1
    assert begun.salt not in told.text
    assert "ann" not in told.text


def test_a_picture_of_a_card_that_only_an_arm_has_is_served(tmp_path: Path, shop: SmallShop):
    other = open_shop(tmp_path)
    name = "f" * 64 + ".jpg"
    (other.release.folder / "thumbnails" / name).write_bytes(RED)

    class Both(SmallShop):
        @property
        def releases(self) -> list[Release]:
            return [shop.release, other.release]

    both = Both(shop.release, shop.pipeline, shop.photos, shop.images_dir)
    with calling(both) as api, calling(shop) as alone:
        assert api.get(f"/v1/thumbnails/{name}").content == RED
        assert alone.get(f"/v1/thumbnails/{name}").status_code == 404
